// What a machine can do to a host: no space, no descriptors, nobody who reads the log. Nothing that was acknowledged is
// lost, what still works goes on, and when the trouble is over so is the failure.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import { join } from "node:path";

import { Host, binary, cacheHome, removeFolder, tempFolder, until, within } from "./host.mjs";
import { Wire, json, request } from "./http.mjs";

const clean = { code: 0, signal: null };
let folder, env;
beforeEach(() => {
  folder = tempFolder("adversity");
  env = { HEDGEROW_STORE: `lmdb:${join(folder, "store")}` };
});
afterEach(() => removeFolder(folder));

const titles = async (host) => (await request("GET", `${host.url}/api`)).json().map((todo) => todo.title);

describe("a disk that is full", () => {
  // The store begins at 16 MiB; the limit is met when it wants to grow. (A limit on the size of files gives the same
  // errors as a full disk, and needs no disk.)
  const FILE_BYTES = 17_000_000;

  it("refuses writes by name, still reads and deletes, and takes writes again once there is room", async () => {
    let host = await Host.start({ cwd: folder, env, wrapper: ["prlimit", `--fsize=${FILE_BYTES}`] });
    const acknowledged = [];
    let refusal = null;
    await Promise.all(Array.from({ length: 16 }, async (_, client) => {
      for (let i = 0; !refusal && i < 1000; i++) {
        const answer = await json("POST", `${host.url}/api`, { title: `${client}/${i} ${"x".repeat(4000)}` });
        if (answer.status === 201) acknowledged.push(answer.json().title);
        else refusal ??= answer;
      }
    }));
    assert.equal(refusal?.status, 503, refusal?.text);
    assert.match(refusal.json().detail, /no space/);
    assert.match(refusal.headers["retry-after"], /^\d+$/);
    assert.deepEqual(new Set(await titles(host)), new Set(acknowledged));
    assert.deepEqual(await host.stop(), clean);

    host = await Host.start({ cwd: folder, env });
    assert.deepEqual(new Set(await titles(host)), new Set(acknowledged));
    assert.equal((await json("POST", `${host.url}/api`, { title: "room again" })).status, 201);
    assert.equal((await request("DELETE", `${host.url}/api`)).status, 204);
    assert.deepEqual(await titles(host), []);
    assert.deepEqual(await host.stop(), clean);
  });
});

describe("no descriptors left", () => {
  const ticks = (pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return Number(fields[11]) + Number(fields[12]);
  };

  it("keeps new clients waiting, costs no processor, and is over with the clients that took them", async () => {
    const host = await Host.start({ cwd: folder, env: { ...env, HEDGEROW_WORKERS: "1" }, wrapper: ["prlimit", "--nofile=64"] });
    const crowd = Array.from({ length: 200 }, () => new Wire(host.port));
    await Promise.allSettled(crowd.map((wire) => wire.open()));
    const before = ticks(host.pid);
    const began = Date.now();
    await within(5000, "a second", new Promise((wake) => setTimeout(wake, 1000)));
    const share = (ticks(host.pid) - before) / ((Date.now() - began) / 10);
    assert.ok(share < 0.5, `${Math.round(share * 100)} % of a core while nothing can be done`);
    for (const wire of crowd) wire.destroy();
    await until("it serves again", async () =>
      (await request("GET", `${host.url}/api`, { limitMs: 2000 }).catch(() => null))?.status === 200);
    assert.equal((await json("POST", `${host.url}/api`, { title: "a" })).status, 201);
    assert.deepEqual(await host.stop(), clean);
  });
});

describe("a log that nobody reads", () => {
  it("does not end the host when its reader goes away", async () => {
    const host = await Host.start({ cwd: folder, env });
    host.child.stderr.destroy();
    for (let i = 0; i < 5; i++) assert.equal((await request("POST", `${host.url}/api`, { body: "{" })).status, 400);
    assert.equal((await request("GET", `${host.url}/api`)).status, 200);
    host.child.kill("SIGTERM");
    assert.deepEqual(await within(15_000, "the host's end", host.exited), clean);
  });

  it("is written into no file of the host's when standard error is closed", async () => {
    // Without a log nobody says which port was chosen: the socket's inode does.
    const child = spawn("sh", ["-c", `exec "$0" up <&- >&- 2>&-`, binary], {
      cwd: folder, stdio: "ignore",
      env: { PATH: process.env.PATH, XDG_CACHE_HOME: cacheHome, ...env, HEDGEROW_HTTP: "127.0.0.1:0", HEDGEROW_ADMIN: "none", HEDGEROW_LOG: "trace" },
    });
    const ended = new Promise((done) => child.once("close", (code, signal) => done({ code, signal })));
    const port = await until("the port that it listens on", () => listeningPort(child.pid), 30_000);
    assert.equal((await json("POST", `http://127.0.0.1:${port}/api`, { title: "a" })).status, 201);
    for (const fd of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${child.pid}/fd/${fd}`), "/dev/null");
    child.kill("SIGTERM");
    assert.deepEqual(await within(15_000, "the host's end", ended), clean);
    const host = await Host.start({ cwd: folder, env });
    assert.deepEqual(await titles(host), ["a"]);
    assert.deepEqual(await host.stop(), clean);
  });
});

function listeningPort(pid) {
  const sockets = new Set();
  for (let fd = 0; fd < 256; fd++) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`));
      if (inode) sockets.add(inode[1]);
    } catch {
      // not open
    }
  }
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === "0A" && sockets.has(inode)) return parseInt(local.split(":")[1], 16);
  }
  return 0;
}

describe("the deletion of very many todos", () => {
  const COUNT = 12_000;

  it("refuses no write that comes while they are swept away, and leaves reads as quick as they were", async () => {
    const host = await Host.start({ cwd: folder, env });
    let left = COUNT;
    await Promise.all(Array.from({ length: 64 }, async () => {
      while (left-- > 0) assert.equal((await json("POST", `${host.url}/api`, { title: "one of many" })).status, 201);
    }));
    for (let i = 0; i < 2; i++) {
      assert.equal((await request("DELETE", `${host.url}/api`)).status, 204);
      if (i === 0) for (let read = 0; read < 4; read++) assert.deepEqual(await titles(host), []);
    }
    const answers = [];
    for (let i = 0; i < 50; i++) answers.push(await json("POST", `${host.url}/api`, { title: `${i}` }));
    assert.deepEqual(answers.filter((answer) => answer.status !== 201).map((answer) => answer.text), []);
    assert.deepEqual(await titles(host), answers.map((_, i) => `${i}`));
    const swept = await until("a list of 50 without the weight of what was deleted", async () => {
      const began = performance.now();
      await request("GET", `${host.url}/api`);
      const took = performance.now() - began;
      assert.equal((await json("PATCH", answers[0].json().url, { order: began })).status, 200); // the sweep goes on with writes
      return took < 10 && took;
    }, 30_000);
    console.log(`# a list of 50 after the deletion of ${COUNT}: ${swept.toFixed(1)} ms`);
    assert.deepEqual(await host.stop(), clean);
  });
});
