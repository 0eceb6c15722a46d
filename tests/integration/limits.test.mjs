// What hostile or broken clients and actors can do to a host: nothing beyond their own request.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";

import { cGuest, watGuest, writeManifest } from "./guests.mjs";
import { Host, removeFolder, tempFolder, until, within } from "./host.mjs";
import { Wire, request } from "./http.mjs";

const BODY_BYTES = 65536;
const CPU_MS = 200;
const WALL_MS = 1000;
const CONCURRENT = 8;
const QUEUE = 4;
// What the host may take on top of a limit on a busy machine with sanitizers; no limit is met by accident within it.
const SLACK_MS = 5000;

const limits = { memory: "16MiB", cpu: `${CPU_MS}ms`, wall: `${WALL_MS}ms`, concurrent: CONCURRENT, queue: QUEUE, body: `${BODY_BYTES}B` };
const links = (routes) => ({
  http: { routes },
  messaging: { publish: ["granted.>", "_INBOX.>"], subscribe: [{ subject: "granted.probe", queue: "q" }] },
  keyvalue: { buckets: ["mine"] },
  config: { values: { colour: "green" } },
  logging: {},
  clocks: {},
  random: {},
});

const wats = ["counter", "initialize_spin", "no_memory", "out_pointer", "realloc_import", "realloc_pointer", "realloc_spin",
  "recurse", "start_spin", "start_trap"];
const actorOf = (wat) => wat.replace("_", "-");

let host, folder;
before(async () => {
  folder = tempFolder("limits");
  const actors = { probe: { file: cGuest("probe"), limits, links: links(["/"]) } };
  for (const wat of wats)
    actors[actorOf(wat)] = { file: watGuest(wat), limits: { ...limits, memory: "1MiB" }, links: { http: { routes: [`/wat/${wat}`] } } };
  host = await Host.start({ args: [writeManifest(folder, actors)], cwd: folder, env: { HEDGEROW_WORKERS: "1" } });
});
after(async () => {
  const exit = await host?.stop();
  removeFolder(folder);
  assert.deepEqual(exit, { code: 0, signal: null });
});

const get = (path, options) => request("GET", host.url + path, options);

// The host serves, and this instance is a new one.
async function assertAlive() {
  const answer = await get("/count");
  assert.equal(answer.status, 200);
  assert.equal(answer.text, "1");
}

const isAlarm = (fields) => ["warn", "error", "critical"].includes(fields.level);

// The answer is a problem of this status, the log has one line about it and no other, and the host goes on.
async function assertFault(path, status, actor, cause, minMs = 0) {
  const known = host.events.length;
  const began = Date.now();
  const answer = await get(path);
  const took = Date.now() - began;
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  assert.equal(answer.json().status, status);
  assert.ok(!/wasm|trap:|0x/.test(answer.json().detail), "the client is not told what is inside");
  assert.ok(took >= minMs && took < minMs + SLACK_MS, `after ${took} ms`);
  await assertAlive();
  await until("its log line", () => host.events.slice(known).some((fields) => fields.event === "call.failed"));
  const alarms = host.events.slice(known).filter(isAlarm);
  assert.equal(alarms.length, 1, JSON.stringify(alarms));
  assert.equal(alarms[0].actor, actor);
  assert.equal(alarms[0].export, "incoming-handler.handle");
  assert.match(alarms[0].cause, cause);
}

describe("an actor that fails", () => {
  const faults = [
    ["computes for ever", "/spin", 504, /^CPU time limit of 200 ms/, CPU_MS - 20],
    ["waits for ever", "/wait", 504, /^wall time limit/, WALL_MS - 20],
    ["traps", "/trap", 500, /unreachable/],
    ["reaches past its memory", "/beyond", 500, /out of bounds memory access/],
    ["calls itself for ever", "/recurse", 500, /call stack exhausted|out of bounds/],
    ["eats memory until malloc fails", "/gorge", 500, /^out of memory: 16384 of 16384 KiB/],
    ["returns without an answer", "/silent", 500, /response-outparam/],
    ["does not finish its body", "/unfinished", 500, /did not finish/],
    ["answers with an error-code", "/refuse", 500, /error-code/],
    ["answers twice", "/twice", 500, /response-outparam/],
    ["uses handle 0", "/handle/0", 500, /handle 0 is no pollable/],
    ["uses a handle of another type", "/handle/1", 500, /handle 1 is no pollable/],
    ["uses a handle that it never got", "/handle/4000000000", 500, /is no pollable/],
    ["hoards handles", "/hoard", 500, /4096 handles/],
    ["adds more fields than there may be", "/fields/300", 500, /fields: too big/],
    ["asks for too much randomness", "/random/100000000", 500, /random bytes/],
    ["answers with more than its body limit", `/big/${BODY_BYTES + 1}`, 500, /./],
  ];
  for (const [what, path, status, cause, minMs] of faults)
    it(what, () => assertFault(path, status, "probe", cause, minMs));

  const wrong = [
    ["initialize_spin", 504, /^CPU time limit/, CPU_MS - 20],
    ["start_spin", 504, /^CPU time limit/, CPU_MS - 20],
    ["start_trap", 500, /unreachable/],
    ["realloc_spin", 504, /^CPU time limit/, CPU_MS - 20],
    ["realloc_import", 500, /called from within cabi_realloc/],
    ["realloc_pointer", 500, /reach past the memory's end/],
    ["out_pointer", 500, /reach past the memory's end/],
    ["no_memory", 500, /exports no memory/],
    ["recurse", 500, /call stack exhausted/],
  ];
  for (const [wat, status, cause, minMs] of wrong)
    it(`module ${wat}: ${/;; (.*)/.exec(readWat(wat))[1]}`, () => assertFault(`/wat/${wat}`, status, actorOf(wat), cause, minMs));

  it("gets no more memory than its limit", async () => {
    const pages = Number((await get("/eat")).text);
    assert.ok(pages > 200 && pages < 256, `${pages} pages of 64 KiB`);
    assert.ok(Number((await get("/eat")).text) === pages, "and the next call as much");
  });

  it("takes nothing from the others: 40 faults between 200 good requests", async () => {
    const bad = ["/trap", "/beyond", "/silent", "/hoard", "/recurse"];
    const good = Array.from({ length: 200 }, async () => {
      for (;;) {
        const answer = await get("/count");
        if (answer.status !== 503) return answer;
      }
    });
    const faulty = Array.from({ length: 40 }, (_, i) => get(bad[i % bad.length]));
    for (const answer of await Promise.all(good)) assert.deepEqual([answer.status, answer.text], [200, "1"]);
    for (const answer of await Promise.all(faulty)) assert.ok([500, 503].includes(answer.status));
    await assertAlive();
  });
});

function readWat(name) {
  return readFileSync(new URL(`../guests/wat/${name}.wat`, import.meta.url), "utf8");
}

describe("isolation", () => {
  it("gives every call a fresh instance: a global counter answers 1 each time", async () => {
    for (let i = 0; i < 50; i++) assert.equal((await get("/count")).text, "1");
    const together = await Promise.all(Array.from({ length: CONCURRENT }, () => get("/count")));
    assert.deepEqual(together.map((answer) => answer.text), Array(CONCURRENT).fill("1"));
  });

  it("does so for a module written by hand, whose _initialize runs once", async () => {
    for (let i = 0; i < 5; i++) assert.equal((await get("/wat/counter")).status, 251);
  });

  it("runs a C guest's constructors", async () => {
    assert.equal((await get("/constructed")).text, "1");
  });

  it("grants only what the links name", async () => {
    assert.equal((await get("/bucket/mine")).text, "opened");
    assert.equal((await get("/bucket/other")).text, "denied");
    assert.match((await get("/publish/other.subject")).text, /denied/);
    assert.equal((await get("/publish/granted.subject")).text, "published");
    assert.match((await get("/request/other.subject")).text, /denied/);
    assert.match((await get("/request/granted.nobody")).text, /nobody/);
    assert.equal((await get("/request/granted.probe")).text, "ping");
    assert.equal((await get("/config/colour")).text, "green");
    assert.equal((await get("/config/other")).text, "(none)");
  });

  it("lets no actor forge a line of the log", async () => {
    await get("/log");
    const line = await host.event({ event: "actor.log", actor: "probe" });
    assert.match(line.message, /^first\nts=2000/);
    assert.ok(!host.log.includes("\nts=2000"));
    assert.ok(!host.events.some((fields) => fields.event === "forged"));
  });

  it("lets no actor split a response", async () => {
    const answer = await get("/split");
    assert.equal(answer.text, "refused");
    assert.equal(answer.headers["x-injected"], undefined);
  });

  it("sends only the body of the response that was given", async () => {
    assert.equal((await get("/spare")).text, "real");
  });

  it("keeps framing right for statuses that have no body", async () => {
    for (const status of [204, 304]) {
      const wire = await new Wire(host.port).open();
      await wire.write(`GET /status/${status} HTTP/1.1\r\nHost: h\r\n\r\nGET /count HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
      await within(5000, "the end of both answers", wire.closed);
      const heads = wire.text.match(/HTTP\/1\.1 \d+/g);
      assert.deepEqual(heads, [`HTTP/1.1 ${status}`, "HTTP/1.1 200"]);
      assert.ok(!wire.text.includes("body"));
      assert.ok(wire.text.endsWith("\r\n\r\n1"));
    }
  });
});

describe("a client's body", () => {
  const post = (body, headers = {}) => request("POST", `${host.url}/echo`, { body, headers });

  it("comes through byte for byte up to the limit, announced or chunked", async () => {
    for (const size of [0, 1, 4095, 4096, 4097, BODY_BYTES]) {
      const body = Buffer.from(Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255));
      for (const headers of [{}, { "Transfer-Encoding": "chunked" }]) {
        const answer = await post(body, headers);
        assert.equal(answer.status, 200);
        assert.ok(answer.body.equals(body), `${size} bytes`);
      }
    }
  });

  it("above the limit gets 413, announced or chunked", async () => {
    const body = Buffer.alloc(BODY_BYTES + 1, "x");
    for (const headers of [{}, { "Transfer-Encoding": "chunked" }]) {
      const answer = await post(body, headers);
      assert.equal(answer.status, 413);
      assert.equal(answer.json().status, 413);
      await assertAlive();
    }
  });

  it("announced as huge is refused before it is sent", async () => {
    const wire = await new Wire(host.port).open();
    await wire.write("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n");
    await wire.receive(/^HTTP\/1\.1 413 /);
    wire.destroy();
    await assertAlive();
  });

  it("without end is cut off, and the host neither keeps it nor dies", async () => {
    const wire = await new Wire(host.port).open();
    await wire.write("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65536, "x"), Buffer.from("\r\n")]);
    let sent = 0;
    while (!wire.socket.destroyed && sent < 256 << 20 && (await wire.write(chunk))) sent += 65536;
    await within(10_000, "the connection's end", wire.closed);
    assert.ok(sent < 64 << 20, `took ${sent} bytes`);
    await assertAlive();
    const kib = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${host.pid}/status`, "utf8"))[1]);
    assert.ok(kib < 1 << 20, `${kib} KiB resident`);
  });

  for (const [what, head] of [
    ["a Content-Length that is no number", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: five\r\n\r\nhello"],
    ["a negative Content-Length", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"],
    ["a chunk size that is no number", "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n"],
    ["no Host", "GET /count HTTP/1.1\r\n\r\n"],
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
    ["a header without a colon", "GET /count HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n"],
    ["a header name with a space", "GET /count HTTP/1.1\r\nHost: h\r\na b: c\r\n\r\n"],
    ["a control character in a header", "GET /count HTTP/1.1\r\nHost: h\r\nx: a\x01b\r\n\r\n"],
    ["two Hosts", "GET /count HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n"],
    ["two lengths that differ", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"],
  ])
    it(`is not believed: ${what}`, async () => {
      const wire = await new Wire(host.port).open();
      await wire.write(Buffer.from(head, "latin1"));
      await within(10_000, "an answer of 4xx or the end", Promise.race([wire.receive(/^HTTP\/1\.\d 4\d\d /), wire.closed]));
      assert.ok(!/^HTTP\/1\.\d 2/.test(wire.text), wire.text);
      wire.destroy();
      await assertAlive();
    });
});

// RFC 9112 section 6.3: what follows such a message must not be taken for a request.
describe("a message with two framings", () => {
  it("is the last one of its connection", async () => {
    const wire = await new Wire(host.port).open();
    await wire.write("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
      "GET /count HTTP/1.1\r\nHost: h\r\n\r\n");
    await within(10_000, "the connection's end", wire.closed);
    assert.equal(wire.text.match(/HTTP\/1\.1 \d+/g).length, 1, wire.text);
  });
});

describe("a client's head", () => {
  it("with too many fields gets 431", async () => {
    const headers = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, "v"]));
    const answer = await get("/count", { headers });
    assert.equal(answer.status, 431);
    await assertAlive();
  });

  it("with fields that are too large gets 431", async () => {
    const wire = await new Wire(host.port).open();
    await wire.write(`GET /count HTTP/1.1\r\nHost: h\r\nx-large: ${"v".repeat(100_000)}\r\n\r\n`);
    await wire.receive(/^HTTP\/1\.1 431 /);
    wire.destroy();
    await assertAlive();
  });

  it("with a target that is too long gets 414", async () => {
    assert.equal((await get(`/count?${"q".repeat(9000)}`)).status, 414);
    await assertAlive();
  });

  it("reaches the actor whole", async () => {
    const sent = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-field-${i}`, `value ${i}`]));
    const lines = (await get("/headers", { headers: sent })).text.toLowerCase().split("\n");
    for (const [name, value] of Object.entries(sent)) assert.ok(lines.includes(`${name}: ${value}`), name);
  });
});

describe("clients that are slow or go away", () => {
  it("half-sent heads and bodies on 300 connections do not keep others waiting", async () => {
    const wires = await Promise.all(Array.from({ length: 300 }, () => new Wire(host.port).open()));
    for (const [i, wire] of wires.entries())
      await wire.write(i % 2 ? "GET /count HTTP/1.1\r\nHost: h\r\nx-slow: " : "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nab");
    for (let i = 0; i < 20; i++) await assertAlive();
    for (const wire of wires) wire.destroy();
    await assertAlive();
  });

  it("a client that leaves while its call runs costs nothing but that call", async () => {
    const wires = await Promise.all(Array.from({ length: CONCURRENT }, () => new Wire(host.port).open()));
    for (const wire of wires) await wire.write("GET /slow/300 HTTP/1.1\r\nHost: h\r\n\r\n");
    for (const wire of wires) wire.destroy();
    await until("its places are free again", async () => (await get("/count")).status === 200);
    await assertAlive();
  });

  it("a client that leaves in the middle of its body makes no call", async () => {
    const wire = await new Wire(host.port).open();
    await wire.write("POST /trap HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nab");
    const known = host.events.length;
    wire.destroy();
    await assertAlive();
    assert.equal(host.events.slice(known).filter(isAlarm).length, 0);
  });

  it("pipelined requests are answered in their order", async () => {
    const wire = await new Wire(host.port).open();
    await wire.write("GET /slow/50 HTTP/1.1\r\nHost: h\r\n\r\nGET /count HTTP/1.1\r\nHost: h\r\n\r\n" +
      "GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    await within(10_000, "three answers", wire.closed);
    assert.deepEqual(wire.text.split("\r\n\r\n").slice(1).map((part) => part.replace(/HTTP[^]*/, "")), ["slow", "1", "hello"]);
  });
});

describe("more calls than the limits allow", () => {
  it("wait in the queue; those beyond it get 503 with Retry-After at once", async () => {
    const began = Date.now();
    const all = Array.from({ length: CONCURRENT + QUEUE + 6 }, async () => {
      const answer = await get("/slow/300");
      return { answer, took: Date.now() - began };
    });
    const outcomes = await Promise.all(all);
    const busy = outcomes.filter(({ answer }) => answer.status === 503);
    const served = outcomes.filter(({ answer }) => answer.status === 200);
    assert.equal(served.length, CONCURRENT + QUEUE);
    assert.equal(busy.length, 6);
    for (const { answer, took } of busy) {
      assert.match(answer.headers["retry-after"], /^\d+$/);
      assert.equal(answer.headers["content-type"], "application/problem+json");
      assert.ok(took < 300, `refused after ${took} ms`);
    }
    const line = await host.event({ event: "call.refused", actor: "probe" });
    assert.equal(line.error, "HR_BUSY");
    await assertAlive();
  });

  it("those that wait too long in the queue end with 504, not later", async () => {
    const answers = await Promise.all(Array.from({ length: CONCURRENT + 2 }, () => get("/wait")));
    assert.ok(answers.every((answer) => answer.status === 504));
    await assertAlive();
  });

  it("a loop that computes leaves the worker to others between its ticks", async () => {
    const spinning = get("/spin");
    let served = 0;
    while ((await Promise.race([spinning.then(() => "end"), get("/count").then((answer) => answer.text)])) === "1") served++;
    assert.equal((await spinning).status, 504);
    assert.ok(served >= 3, `${served} requests served meanwhile on its one thread`);
  });
});

describe("messages to actors that fail", () => {
  it("tell the asker at once", async () => {
    const path = tempFolder("messages");
    const actors = {
      asker: { file: cGuest("probe"), links: { http: {}, messaging: { publish: ["a.>"] }, keyvalue: {}, config: {}, logging: {}, clocks: {}, random: {} } },
    };
    const other = await Host.start({ args: [writeManifest(path, actors)], cwd: path });
    assert.match((await request("GET", `${other.url}/request/a.b`)).text, /nobody/);
    assert.deepEqual(await other.stop(), { code: 0, signal: null });
    removeFolder(path);
  });
});
