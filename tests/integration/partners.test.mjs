// The gateway when the actors that it needs are missing, late, broken, or talk nonsense: it says so, at once or within
// its time, and what does not need them goes on.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { cGuest, writeManifest } from "./guests.mjs";
import { Host, removeFolder, tempFolder } from "./host.mjs";
import { json, request } from "./http.mjs";

const KV_TIMEOUT_MS = 400;
const id = "018f0000-0000-7000-8000-000000000000";

const todo = {
  links: {
    http: { routes: ["/"] }, messaging: { publish: ["wasmkv.>"] }, lattice: {}, assets: { actor: "ui" },
    config: { values: { "kv-timeout-ms": `${KV_TIMEOUT_MS}` } }, logging: {}, clocks: {}, random: {},
  },
};
// Takes the kv actor's place, and does to every message what `message` says.
const impostor = (message) => ({
  file: cGuest("probe"),
  limits: { wall: "2s" },
  links: {
    http: { routes: ["/impostor"] }, messaging: { publish: ["_INBOX.>"], subscribe: [{ subject: "wasmkv.>", queue: "kv" }] },
    keyvalue: {}, config: { values: { message } }, logging: {}, clocks: {}, random: {},
  },
});

// A host for one suite with these actors.
function hosting(actors) {
  const place = {};
  before(async () => {
    place.folder = tempFolder("partners");
    place.host = await Host.start({ args: [writeManifest(place.folder, actors)], cwd: place.folder });
    place.api = `${place.host.url}/api`;
  });
  after(async () => {
    const exit = await place.host?.stop();
    removeFolder(place.folder);
    assert.deepEqual(exit, { code: 0, signal: null });
  });
  return place;
}

function assertProblem(answer, status, detail) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  assert.equal(answer.headers["access-control-allow-origin"], "*");
  assert.equal(answer.json().status, status);
  assert.match(answer.json().detail, detail);
  if (status === 503) assert.match(answer.headers["retry-after"], /^\d+$/);
}

const requests = (api) => [
  ["GET list", () => request("GET", api)],
  ["GET", () => request("GET", `${api}/${id}`)],
  ["POST", () => json("POST", api, { title: "a" })],
  ["PATCH", () => json("PATCH", `${api}/${id}`, { title: "a" })],
  ["DELETE", () => request("DELETE", `${api}/${id}`)],
  ["DELETE all", () => request("DELETE", api)],
];

async function assertTheRestWorks(host) {
  assert.equal((await request("GET", `${host.url}/`)).status, 200);
  assert.equal((await request("OPTIONS", `${host.url}/api`)).status, 204);
  assert.equal((await request("PUT", `${host.url}/api`, { body: "{}" })).status, 405);
  assert.equal((await request("POST", `${host.url}/api`, { body: "nonsense" })).status, 400);
}

describe("without a kv actor", () => {
  const place = hosting({ todo, ui: {} });
  it("every use of it is a 503 at once, and no write may have been done", async () => {
    for (const [what, ask] of requests(place.api)) {
      const began = Date.now();
      const answer = await ask();
      assertProblem(answer, 503, /kv actor/);
      assert.ok(!/may have been done/.test(answer.json().detail), what);
      assert.ok(Date.now() - began < 5000, what);
    }
    await assertTheRestWorks(place.host);
  });
});

for (const [what, message] of [["that traps", "trap"], ["that fails", "fail"]])
  describe(`with a kv actor ${what}`, () => {
    const place = hosting({ todo, ui: {}, kv: impostor(message) });
    it("every use of it is a 503 before the time is over", async () => {
      for (const [name, ask] of requests(place.api)) {
        const answer = await ask();
        assertProblem(answer, 503, /kv actor/);
        const isWrite = !name.startsWith("GET");
        assert.equal(/may have been done/.test(answer.json().detail), isWrite, name);
      }
      await assertTheRestWorks(place.host);
    });
  });

for (const [what, message] of [["never answers", "silent"], ["answers too late", "wait 1500"]])
  describe(`with a kv actor that ${what}`, () => {
    const place = hosting({ todo, ui: {}, kv: impostor(message) });
    it("every use of it is a 503 within the gateway's time", async () => {
      for (const [name, ask] of requests(place.api)) {
        const began = Date.now();
        const answer = await ask();
        const took = Date.now() - began;
        assertProblem(answer, 503, /kv actor/);
        assert.equal(/may have been done/.test(answer.json().detail), !name.startsWith("GET"), name);
        assert.ok(took >= KV_TIMEOUT_MS - 20 && took < KV_TIMEOUT_MS + 5000, `${name} took ${took} ms`);
      }
      await assertTheRestWorks(place.host);
    });
  });

describe("with a kv actor that answers nonsense", () => {
  const place = hosting({ todo, ui: {}, kv: impostor("reply this is no JSON") });
  it("a read is a 502, and of a write nobody knows", async () => {
    for (const [name, ask] of requests(place.api)) {
      const answer = await ask();
      if (name.startsWith("GET")) assertProblem(answer, 502, /makes no sense/);
      else assertProblem(answer, 503, /may have been done/);
    }
    await assertTheRestWorks(place.host);
  });
});

describe("with a kv actor that refuses", () => {
  for (const [code, status] of [["busy", 503], ["unavailable", 503], ["too-large", 413], ["corrupt", 500], ["internal", 500]]) {
    const refusal = JSON.stringify({ site: "far", error: { code, message: "because", retryable: false } });
    describe(code, () => {
      const place = hosting({ todo, ui: {}, kv: impostor(`reply ${refusal}`) });
      it(`every use of it is a ${status} that gives its reason and its site`, async () => {
        for (const [, ask] of requests(place.api)) {
          const answer = await ask();
          assertProblem(answer, status, /because/);
          assert.equal(answer.headers["hedgerow-site"], "far");
        }
      });
    });
  }
});

describe("with a kv actor that reaches too few sites", () => {
  const error = { code: "too-few-acks", message: "because", retryable: false, acks: 1, sites: 5 };
  const place = hosting({ todo, ui: {}, kv: impostor(`reply ${JSON.stringify({ site: "far", error })}`) });
  it("a write is a 503 that says how many have it, and where a new todo is to be looked for", async () => {
    for (const [name, ask] of requests(place.api).filter(([what]) => !what.startsWith("GET"))) {
      const answer = await ask();
      assertProblem(answer, 503, /on 1 of 5 sites and may still spread/);
      assert.equal(answer.headers["hedgerow-acks"], "1/5", name);
      assert.equal(answer.headers["hedgerow-site"], "far", name);
      assert.equal(/\/api\/[0-9a-f-]{36}$/.test(answer.headers.location ?? ""), name === "POST", name);
    }
  });
});

describe("a message handler that opens a response's body", () => {
  const place = hosting({ todo, ui: {}, kv: impostor("body") });
  it("traps, and the host goes on", async () => {
    assertProblem(await request("GET", place.api), 503, /kv actor/);
    const line = await place.host.event({ event: "call.failed", actor: "kv" });
    assert.match(line.cause, /no HTTP request/);
    await assertTheRestWorks(place.host);
  });
});

describe("without a ui actor that has assets", () => {
  const place = hosting({ todo, ui: impostor("silent") });
  it("the web page is a 503", async () => {
    assertProblem(await request("GET", `${place.host.url}/`), 503, /ui actor/);
    assert.equal((await request("OPTIONS", place.api)).status, 204);
  });
});
