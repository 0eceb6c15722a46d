// A host whose store is a Redis server: the API on it, the server's death and return, what is refused at a start, and
// that a password is nowhere to be read.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { hedgerow, Host, removeFolder, root, tempFolder, until } from "./host.mjs";
import { json, request } from "./http.mjs";
import { LAZY, Redis, SYNC } from "./redis.mjs";

let folder;
before(() => (folder = tempFolder("redis-host")));
after(() => removeFolder(folder));

const free = { HEDGEROW_HTTP: "127.0.0.1:0", HEDGEROW_ADMIN: "127.0.0.1:0" };

async function titles(host) {
  const answer = await request("GET", `${host.url}/api`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json().map((todo) => todo.title).sort();
}

for (const [durability, args] of [["sync", SYNC], ["lazy", LAZY]])
  describe(`a host on Redis, ${durability}`, () => {
    let redis, host;
    before(async () => {
      redis = await Redis.start(args);
      host = await Host.start({ cwd: folder, env: {
        HEDGEROW_STORE: `redis://127.0.0.1:${redis.port}/2`, HEDGEROW_DURABILITY: durability } });
    });
    after(async () => {
      await host.stop();
      await redis.drop();
    });

    it("serves the API", async () => {
      assert.equal((await host.event({ event: "store.opened" })).found, "fresh");
      const made = await json("POST", `${host.url}/api`, { title: "one" });
      assert.equal(made.status, 201, made.text);
      const url = made.json().url;
      assert.equal((await json("PATCH", url, { completed: true, title: "uno" })).status, 200);
      assert.deepEqual((await request("GET", url)).json().title, "uno");
      assert.equal((await json("POST", `${host.url}/api`, { title: "two" })).status, 201);
      assert.deepEqual(await titles(host), ["two", "uno"]);
      assert.ok((await request("DELETE", url)).status < 300);
      assert.equal((await request("GET", url)).status, 404);
      assert.deepEqual(await titles(host), ["two"]);
    });

    it("refuses soon while the server is away, and goes on when it is back", async () => {
      await redis.kill("SIGKILL");
      for (let i = 0; i < 5; i++) {
        const from = Date.now();
        const write = await json("POST", `${host.url}/api`, { title: "lost" });
        assert.ok(write.status >= 500, write.text);
        assert.ok((await request("GET", `${host.url}/api`)).status >= 500);
        assert.ok(Date.now() - from < 3000);
      }
      await redis.again();
      // Each worker has a connection of its own, so one may be back before the other; what is refused is not done.
      await until("the store works again", async () =>
        (await json("POST", `${host.url}/api`, { title: "three" })).status === 201);
      await until("for every worker", async () => {
        const answers = await Promise.all(Array.from({ length: 20 }, () => request("GET", `${host.url}/api`)));
        return answers.every((answer) => answer.status === 200);
      });
      assert.deepEqual(await titles(host), ["three", "two"]);
      // A server that may have lost something makes the kv actor begin a new origin, as a start of the host does.
      const origins = await redis.askIn(2, "ZLEXCOUNT", "hedgerow:{default}:keys", "[v/", "(v0");
      assert.equal(origins, durability === "sync" ? ":1" : ":2");
    });

    it("is found again by another host", async () => {
      await host.stop();
      host = await Host.start({ cwd: folder, env: {
        HEDGEROW_STORE: `redis://127.0.0.1:${redis.port}/2`, HEDGEROW_DURABILITY: durability } });
      const opened = await host.event({ event: "store.opened" });
      assert.equal(opened.found, durability === "sync" ? "intact" : "lossy"); // the server was restarted since
      assert.deepEqual(await titles(host), ["three", "two"]);
      const metrics = (await request("GET", `${host.adminUrl}/metrics`)).text;
      assert.match(metrics, /^hedgerow_store_used_bytes(\{[^}]*\})? [1-9]/m);
    });
  });

describe("a store's URL", () => {
  let redis;
  before(async () => (redis = await Redis.start(LAZY)));
  after(() => redis.drop());

  async function refused(env) {
    const run = await hedgerow(["up"], { cwd: folder, env: { ...free, ...env } });
    assert.equal(run.code, 1, run.stderr);
    return run.stderr;
  }

  it("of a server that does not sync is refused for `sync`, with what to do", async () => {
    const text = await refused({ HEDGEROW_STORE: `redis://127.0.0.1:${redis.port}`, HEDGEROW_DURABILITY: "sync" });
    assert.match(text, /appendfsync everysec.*CONFIG SET appendfsync always, or set durability: lazy/);
  });

  it("of a server that is not there is refused without its password", async () => {
    const text = await refused({ HEDGEROW_STORE: "redis://otto:hunter2@127.0.0.1:1/0" });
    assert.match(text, /store redis:\/\/127\.0\.0\.1:1\/0: cannot be reached: Connection refused/);
    assert.ok(!/hunter2|otto/.test(text), text);
  });

  it("with a password opens the store and is nowhere to be read", async () => {
    await redis.ask("ACL", "SETUSER", "otto", "on", ">hunter2", "~*", "+@all");
    const host = await Host.start({ cwd: folder, env: { HEDGEROW_LOG: "trace", HEDGEROW_DURABILITY: "lazy",
      HEDGEROW_STORE: `redis://otto:hunter2@127.0.0.1:${redis.port}/1` } });
    assert.equal((await json("POST", `${host.url}/api`, { title: "one" })).status, 201);
    await redis.ask("ACL", "DELUSER", "otto"); // which ends the connections
    const failed = await json("POST", `${host.url}/api`, { title: "two" });
    assert.ok(failed.status >= 500);
    const metrics = (await request("GET", `${host.adminUrl}/metrics`)).text;
    await host.stop();
    for (const text of [host.log, host.stdout.text, metrics, failed.text]) assert.ok(!/hunter2/.test(text), text);
  });

  for (const cloud of ["cosmonic", "aws", "azure", "gcp", "oracle"])
    it(`may come from config/${cloud}.json`, async () => {
      const path = join(folder, `${cloud}.yaml`);
      const config = JSON.stringify(join(root, "config", `${cloud}.json`));
      const own = (await hedgerow(["manifest"])).stdout;
      const text = own.replace(/keyvalue: \{.*\}/, `keyvalue: {config: ${config}}`);
      assert.notEqual(text, own);
      writeFileSync(path, text);
      const run = await hedgerow(["validate", path], { cwd: folder });
      assert.equal(run.code, 0, run.stderr);
    });
});
