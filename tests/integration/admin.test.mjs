// The operator's address: health, readiness, and metrics that a Prometheus server can read and that tell the truth.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { join } from "node:path";

import { cGuest, writeManifest } from "./guests.mjs";
import { Host, removeFolder, tempFolder } from "./host.mjs";
import { json, request } from "./http.mjs";

let host, folder;
before(async () => {
  folder = tempFolder("admin");
  const actors = {
    todo: { links: { http: { routes: ["/api"] }, messaging: { publish: ["wasmkv.>"] }, lattice: {}, assets: { actor: "ui" }, config: {}, logging: {}, clocks: {}, random: {} } },
    ui: {},
    kv: { links: { keyvalue: {}, commit: {}, messaging: { publish: ["_INBOX.>"], subscribe: [
      { subject: "wasmkv.get", queue: "kv" }, { subject: "wasmkv.get.>", queue: "kv" },
      { subject: "wasmkv.set.>", queue: "kv", batch: 64 }, { subject: "wasmkv.del", queue: "kv", batch: 64 },
      { subject: "wasmkv.del.>", queue: "kv", batch: 64 }] }, gather: {}, lattice: {}, config: {}, logging: {}, clocks: {}, random: {} } },
    probe: { file: cGuest("probe"), limits: { concurrent: 2, queue: 0, wall: "2s" },
      links: { http: { routes: ["/"] }, messaging: { publish: ["nobody.>"] }, keyvalue: {}, config: {}, logging: {}, clocks: {}, random: {} } },
  };
  host = await Host.start({ args: [writeManifest(folder, actors)], cwd: folder, env: { HEDGEROW_WORKERS: "1" } });
});
after(async () => {
  const exit = await host?.stop();
  removeFolder(folder);
  assert.deepEqual(exit, { code: 0, signal: null });
});

// The Prometheus text format, version 0.0.4, strictly: {samples: Map of "name{labels}" to number, types: Map}.
function parse(text) {
  assert.ok(text.endsWith("\n"));
  const samples = new Map();
  const types = new Map();
  const helps = new Set();
  for (const line of text.trimEnd().split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (comment?.[1] === "HELP") {
      assert.ok(!helps.has(comment[2]), `two HELP of ${comment[2]}`);
      helps.add(comment[2]);
      continue;
    }
    if (comment) {
      assert.match(comment[3], /^(counter|gauge|histogram)$/);
      assert.ok(!types.has(comment[2]), `two TYPE of ${comment[2]}`);
      types.set(comment[2], comment[3]);
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (\S+)$/.exec(line);
    assert.ok(sample, `not a sample: ${line}`);
    const family = sample[1].replace(/_(bucket|sum|count)$/, "");
    assert.ok(types.has(sample[1]) || types.get(family) === "histogram", `no TYPE before ${line}`);
    assert.ok(helps.has(types.has(sample[1]) ? sample[1] : family), `no HELP before ${line}`);
    const key = sample[1] + (sample[2] ?? "");
    assert.ok(!samples.has(key), `twice: ${key}`);
    const value = Number(sample[3]);
    assert.ok(Number.isFinite(value) && value >= 0, line);
    samples.set(key, value);
  }
  return { samples, types };
}

const metrics = async () => parse((await request("GET", `${host.adminUrl}/metrics`)).text);
const calls = (actor, name = "incoming-handler.handle") => `hedgerow_calls_total{actor="${actor}",export="${name}"}`;
const errors = (actor) => `hedgerow_call_errors_total{actor="${actor}",export="incoming-handler.handle"}`;

describe("the admin address", () => {
  it("answers /healthz and /readyz", async () => {
    for (const path of ["/healthz", "/readyz"]) {
      const answer = await request("GET", host.adminUrl + path);
      assert.equal(answer.status, 200);
      assert.match(answer.headers["content-type"], /^text\/plain/);
      assert.equal((await request("HEAD", host.adminUrl + path)).status, 200);
    }
  });

  it("answers 404 and 405 to the rest, and takes no body for long", async () => {
    assert.equal((await request("GET", `${host.adminUrl}/api`)).status, 404);
    assert.equal((await request("GET", `${host.adminUrl}/`)).status, 404);
    assert.equal((await request("POST", `${host.adminUrl}/healthz`, { body: "x".repeat(100_000) })).status, 405);
    assert.equal((await request("GET", `${host.adminUrl}/healthz`)).status, 200);
  });

  it("is apart from the actors' one", async () => {
    assert.equal((await request("GET", `${host.url}/metrics`)).text, "hello");
    assert.equal((await request("GET", `${host.url}/healthz`)).text, "hello");
  });

  it("answers while every worker computes", async () => {
    const spinning = request("GET", `${host.url}/spin`);
    assert.equal((await request("GET", `${host.adminUrl}/healthz`)).status, 200);
    assert.equal((await request("GET", `${host.adminUrl}/metrics`)).status, 200);
    assert.equal((await spinning).status, 504);
  });
});

describe("/metrics", () => {
  it("is in the text format that Prometheus reads", async () => {
    const answer = await request("GET", `${host.adminUrl}/metrics`);
    assert.match(answer.headers["content-type"], /^text\/plain; version=0\.0\.4/);
    const { samples, types } = parse(answer.text);
    for (const [name, type] of types)
      if (type === "counter") assert.match(name, /_total$/, `a counter's name: ${name}`);
    assert.ok(samples.size > 20);
  });

  it("has histograms whose buckets add up", async () => {
    await request("GET", `${host.url}/count`);
    const { samples } = await metrics();
    const series = 'actor="probe",export="incoming-handler.handle"';
    const buckets = [...samples].filter(([key]) => key.startsWith(`hedgerow_call_seconds_bucket{${series},`));
    const bounds = buckets.map(([key]) => Number(/le="([^"]+)"/.exec(key)[1].replace("+Inf", "Infinity")));
    assert.deepEqual(bounds, [...bounds].sort((a, b) => a - b));
    assert.equal(bounds.at(-1), Infinity);
    const values = buckets.map(([, value]) => value);
    assert.deepEqual(values, [...values].sort((a, b) => a - b));
    assert.equal(values.at(-1), samples.get(`hedgerow_call_seconds_count{${series}}`));
    assert.ok(samples.get(`hedgerow_call_seconds_sum{${series}}`) > 0);
  });

  it("counts calls, errors and refusals one by one", async () => {
    const { samples: before } = await metrics();
    const gain = (after, key) => after.get(key) - before.get(key);
    for (let i = 0; i < 7; i++) await request("GET", `${host.url}/count`);
    for (let i = 0; i < 3; i++) await request("GET", `${host.url}/trap`);
    const crowd = await Promise.all(Array.from({ length: 5 }, () => request("GET", `${host.url}/slow/200`)));
    assert.equal(crowd.filter((answer) => answer.status === 503).length, 3);
    const { samples: after } = await metrics();
    assert.equal(gain(after, calls("probe")), 7 + 3 + 2);
    assert.equal(gain(after, errors("probe")), 3);
    assert.equal(gain(after, 'hedgerow_calls_refused_total{actor="probe",export="incoming-handler.handle"}'), 3);
    assert.equal(gain(after, calls("todo")), 0);
    assert.equal(after.get('hedgerow_calls_running{actor="probe"}'), 0);
  });

  it("follows a write from the gateway to the store", async () => {
    const { samples: before } = await metrics();
    const gain = (after, key) => after.get(key) - before.get(key);
    for (let i = 0; i < 4; i++) assert.equal((await json("POST", `${host.url}/api`, { title: `${i}` })).status, 201);
    assert.equal((await request("GET", `${host.url}/api`)).json().length, 4);
    const { samples: after } = await metrics();
    assert.equal(gain(after, calls("todo")), 5);
    assert.equal(gain(after, calls("kv", "batch-handler.handle-batch")), 4);
    assert.equal(gain(after, calls("kv", "handler.handle-message")), 1);
    assert.ok(gain(after, 'hedgerow_store_commits_total{store="0"}') >= 4);
    assert.ok(gain(after, 'hedgerow_store_syncs_total{store="0"}') >= 4);
    assert.equal(gain(after, 'hedgerow_store_errors_total{store="0"}'), 0);
    assert.equal(gain(after, "hedgerow_bus_requests_total"), 5);
    assert.equal(gain(after, "hedgerow_bus_timeouts_total"), 0);
  });

  it("counts requests that nobody answers", async () => {
    const { samples: before } = await metrics();
    assert.match((await request("GET", `${host.url}/request/nobody.here`)).text, /nobody/);
    const { samples: after } = await metrics();
    assert.equal(after.get("hedgerow_bus_no_responders_total") - before.get("hedgerow_bus_no_responders_total"), 1);
  });
});

describe("without an admin address", () => {
  it("none is listened on", async () => {
    const place = tempFolder("no-admin");
    const other = await Host.start({ cwd: place, env: { HEDGEROW_ADMIN: "none", HEDGEROW_STORE: `lmdb:${join(place, "s")}` } });
    assert.equal(other.adminUrl, "");
    assert.equal((await request("GET", `${other.url}/api`)).status, 200);
    assert.deepEqual(await other.stop(), { code: 0, signal: null });
    removeFolder(place);
  });
});
