// The end of a host, and its next start: what is under way is finished, what was stored is there, compiled modules are
// taken from the cache only if the cache can be trusted.
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { join } from "node:path";

import { cGuest, watGuest, writeManifest } from "./guests.mjs";
import { Host, removeFolder, tempFolder, until, within } from "./host.mjs";
import { Wire, json, request } from "./http.mjs";

let folder;
beforeEach(() => {
  folder = tempFolder("drain");
});
afterEach(() => removeFolder(folder));

const clean = { code: 0, signal: null };
const everything = { http: {}, messaging: {}, keyvalue: {}, config: {}, logging: {}, clocks: {}, random: {} };
const startProbe = (env = {}) =>
  Host.start({ args: [writeManifest(folder, { probe: { file: cGuest("probe"), links: everything } })], cwd: folder, env });

const refused = (port) => new Promise((done) => {
  const socket = net.connect(port, "127.0.0.1");
  socket.once("connect", () => { socket.destroy(); done(false); });
  socket.once("error", (error) => done(error.code === "ECONNREFUSED"));
});

// Slow requests that have certainly reached their guests: each has a connection that was answered before.
async function underWay(host, count, ms) {
  const wires = [];
  for (let i = 0; i < count; i++) {
    const wire = await new Wire(host.port).open();
    await wire.write("GET /count HTTP/1.1\r\nHost: h\r\n\r\n");
    await wire.receive(/\r\n\r\n1$/);
    await wire.write(`GET /slow/${ms} HTTP/1.1\r\nHost: h\r\n\r\n`);
    wires.push(wire);
  }
  const metric = () => request("GET", `${host.adminUrl}/metrics`).then((answer) => answer.text);
  await until(`${count} calls in flight`, async () => inFlight(await metric()) >= count);
  return wires;
}

const inFlight = (text) => Number(/^hedgerow_calls_running\{actor="probe"\} (\d+)$/m.exec(text)[1]);

describe("SIGTERM", () => {
  for (const signal of ["SIGTERM", "SIGINT"])
    it(`${signal}: requests under way end with 200, new connections are refused, exit status 0`, async () => {
      const host = await startProbe();
      const wires = await underWay(host, 6, 1500);
      host.child.kill(signal);
      await host.event({ event: "host.stopping" });
      await until("new connections are refused", () => refused(host.port));
      for (const wire of wires) {
        await wire.receive(/HTTP\/1\.1 200 [^]*slow$/);
        assert.match(wire.text, /Connection: close/i);
        await within(5000, "its connection's end", wire.closed);
      }
      assert.deepEqual(await within(10_000, "the host's end", host.exited), clean);
      await host.event({ event: "host.stopped" }).catch(() => assert.fail(host.log));
    });

  it("ends an idle host at once, keep-alive connections and half requests or not", async () => {
    const host = await startProbe();
    const idle = await new Wire(host.port).open();
    await idle.write("GET /count HTTP/1.1\r\nHost: h\r\n\r\n");
    await idle.receive(/\r\n\r\n1$/);
    const silent = await new Wire(host.port).open();
    const began = Date.now();
    assert.deepEqual(await host.stop(), clean);
    const took = Date.now() - began;
    assert.ok(took < 5000, `after ${took} ms`);
    await within(5000, "the connections' end", Promise.all([idle.closed, silent.closed]));
  });

  it("does not wait for ever for a client that never sends the rest", async () => {
    const host = await startProbe();
    const half = await new Wire(host.port).open();
    await half.write("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nab");
    await until("the request's head is there", async () => (await request("GET", `${host.url}/count`)).status === 200);
    assert.deepEqual(await within(13_000, "the host's end", host.stop()), clean);
  });

  it("a second one ends it at once", async () => {
    const host = await startProbe();
    const wires = await underWay(host, 2, 9000);
    host.child.kill("SIGTERM");
    await host.event({ event: "host.stopping" });
    const began = Date.now();
    host.child.kill("SIGTERM");
    const exit = await within(5000, "the host's end", host.exited);
    assert.ok(Date.now() - began < 4000);
    assert.equal(exit.signal, null);
    await within(5000, "the connections' end", Promise.all(wires.map((wire) => wire.closed)));
  });

  it("makes /readyz answer 503 while it drains, and /healthz 200", async () => {
    const host = await startProbe();
    await underWay(host, 1, 1500);
    assert.equal((await request("GET", `${host.adminUrl}/readyz`)).status, 200);
    host.child.kill("SIGTERM");
    await host.event({ event: "host.stopping" });
    assert.equal((await request("GET", `${host.adminUrl}/readyz`)).status, 503);
    assert.equal((await request("GET", `${host.adminUrl}/healthz`)).status, 200);
    assert.deepEqual(await within(10_000, "the host's end", host.exited), clean);
  });

  it("under load loses no request that was answered, and answers none wrongly", async () => {
    const env = { HEDGEROW_STORE: `lmdb:${join(folder, "store")}` };
    const host = await Host.start({ cwd: folder, env });
    const acknowledged = [];
    let stopping = false;
    const clients = Array.from({ length: 16 }, async (_, client) => {
      for (let i = 0; !stopping; i++) {
        const answer = await json("POST", `${host.url}/api`, { title: `${client}/${i}` }).catch(() => null);
        if (!answer) break;
        assert.ok([201, 503].includes(answer.status), `${answer.status} ${answer.text}`);
        if (answer.status === 201) acknowledged.push(answer.json());
      }
    });
    await until("some writes", () => acknowledged.length > 200);
    host.child.kill("SIGTERM");
    await host.event({ event: "host.stopping" });
    await Promise.all(clients).finally(() => (stopping = true));
    assert.deepEqual(await within(10_000, "the host's end", host.exited), clean);

    const next = await Host.start({ cwd: folder, env });
    const titles = new Set((await request("GET", `${next.url}/api`)).json().map((todo) => todo.title));
    for (const todo of acknowledged) assert.ok(titles.has(todo.title), todo.title);
    assert.deepEqual(await next.stop(), clean);
  });
});

describe("a restart", () => {
  it("serves the same data, byte for byte", async () => {
    const env = { HEDGEROW_STORE: `lmdb:${join(folder, "store")}`, HEDGEROW_SITE: "isle" };
    const look = async (host) => {
      const list = await request("GET", `${host.url}/api`, { headers: { Host: "same" } });
      const todos = list.json();
      const one = await request("GET", `${host.url}/api/${todos[1].id}`, { headers: { Host: "same" } });
      return [list.text, list.headers.etag, one.text, one.headers.etag];
    };
    let host = await Host.start({ cwd: folder, env });
    for (const title of ["a", "🦔", "c"]) await json("POST", `${host.url}/api`, { title, order: 7 });
    const before = await look(host);
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await host.stop(), clean);
      const began = process.hrtime.bigint();
      host = await Host.start({ cwd: folder, env });
      const first = await request("GET", `${host.url}/api`);
      console.log(`# from start to the first answer: ${(process.hrtime.bigint() - began) / 1000000n} ms`);
      assert.equal(first.status, 200);
      assert.deepEqual(await look(host), before);
    }
    const more = await json("POST", `${host.url}/api`, { title: "d" });
    assert.equal(more.status, 201);
    assert.equal((await request("GET", `${host.url}/api`)).json().at(-1).title, "d");
    assert.deepEqual(await host.stop(), clean);
  });
});

describe("the cache of compiled modules", () => {
  const env = () => ({ XDG_CACHE_HOME: join(folder, "cache") });
  const modules = () => join(folder, "cache/hedgerow/modules");
  const entry = () => join(modules(), readdirSync(modules()).find((name) => name !== "key"));

  // Where the code of the module came from in one start; the module works either way.
  async function codeOf(options = {}) {
    const host = await Host.start({ args: [writeManifest(folder, { counter: { file: watGuest("counter"), links: { http: {} } } })],
      cwd: folder, env: { ...env(), ...options } });
    const loaded = await host.event({ event: "actor.loaded" });
    assert.equal((await request("GET", host.url)).status, 251);
    assert.deepEqual(await host.stop(), clean);
    return loaded.code;
  }

  it("is filled by the first start and used by the next", async () => {
    assert.equal(await codeOf(), "compiled");
    assert.equal(await codeOf(), "cached");
    assert.equal(statSync(modules()).mode & 0o777, 0o700);
    for (const name of readdirSync(modules())) assert.equal(statSync(join(modules(), name)).mode & 0o077, 0);
  });

  const damages = {
    "a changed byte": () => {
      const bytes = readFileSync(entry());
      bytes[bytes.length >> 1] ^= 1;
      writeFileSync(entry(), bytes);
    },
    "a changed seal": () => {
      const bytes = readFileSync(entry());
      bytes[0] ^= 1;
      writeFileSync(entry(), bytes);
    },
    "a cut file": () => truncateSync(entry(), statSync(entry()).size - 1),
    "an empty file": () => truncateSync(entry(), 0),
    "other bytes": () => writeFileSync(entry(), Buffer.alloc(statSync(entry()).size, 0x90)),
    "a file that its group may write": () => chmodSync(entry(), 0o660),
    "a file that everybody may write": () => chmodSync(entry(), 0o606),
    "a symbolic link": () => {
      const path = entry();
      const bytes = readFileSync(path);
      writeFileSync(join(folder, "elsewhere"), bytes, { mode: 0o600 });
      unlinkSync(path);
      symlinkSync(join(folder, "elsewhere"), path);
    },
    "another key": () => writeFileSync(join(modules(), "key"), Buffer.alloc(32, 7)),
  };
  for (const [what, damage] of Object.entries(damages))
    it(`does not trust ${what}: compiles anew, and repairs it`, async () => {
      assert.equal(await codeOf(), "compiled");
      damage();
      assert.equal(await codeOf(), "compiled");
      assert.equal(await codeOf(), "cached");
    });

  it("does not trust another user's file", { skip: process.getuid() !== 0 && "only root may give a file away" }, async () => {
    assert.equal(await codeOf(), "compiled");
    chownSync(entry(), 12345, 12345);
    assert.equal(await codeOf(), "compiled");
  });

  it("does not trust a folder that others may write", async () => {
    assert.equal(await codeOf(), "compiled");
    chmodSync(modules(), 0o770);
    assert.equal(await codeOf(), "compiled");
    assert.equal(await codeOf(), "compiled");
  });

  it("is done without where there is no place for it", async () => {
    mkdirSync(join(folder, "cache"), { recursive: true });
    writeFileSync(join(folder, "cache/hedgerow"), "a file in its place");
    assert.equal(await codeOf(), "compiled");
    assert.equal(await codeOf({ XDG_CACHE_HOME: "/proc/nowhere" }), "compiled");
    assert.equal(await codeOf({ XDG_CACHE_HOME: undefined, HOME: undefined }), "compiled");
  });
});
