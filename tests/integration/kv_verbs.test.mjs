// `hedgerow kv` against one host on Redis whose kv actor does not look at anything by itself (it has no tick): what the
// operator is told, what is found when a store was changed behind the actor's back, and what is put right.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { Host, binary, hedgerow, removeFolder, tempFolder, within } from "./host.mjs";
import { request } from "./http.mjs";
import { Redis } from "./redis.mjs";

const VALUES = "hedgerow:{default}:values";
const PLACES = "hedgerow:{default}:keys";

let host, folder, redis;
before(async () => {
  folder = tempFolder("kv-verbs");
  redis = await Redis.start();
  const { stdout } = await hedgerow(["manifest"]);
  const lines = stdout.split("\n").filter((line) => !line.includes("default.tick"));
  assert.equal(lines.length, stdout.split("\n").length - 1);
  writeFileSync(join(folder, "m.yaml"), lines.join("\n"));
  host = await Host.start({ args: ["m.yaml"], cwd: folder,
    env: { HEDGEROW_WORKERS: "1", HEDGEROW_STORE: `redis://127.0.0.1:${redis.port}/0`, HEDGEROW_SITE: "here" } });
});
after(async () => {
  const exit = await host?.stop();
  await redis?.drop();
  removeFolder(folder);
  assert.deepEqual(exit, { code: 0, signal: null });
});

const kv = (...args) => hedgerow(["kv", ...args, "--admin", host.adminUrl], { cwd: folder });

async function importLines(text, ...args) {
  const child = spawn(binary, ["kv", "import", ...args, "--admin", host.adminUrl], { stdio: ["pipe", "pipe", "pipe"] });
  const out = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"]) child[stream].on("data", (bytes) => (out[stream] += bytes));
  child.stdin.end(text);
  const code = await within(20_000, "the end of an import", new Promise((done) => child.once("close", done)));
  return { code, ...out };
}

const lines = (text) => text.trimEnd().split("\n").map((line) => JSON.parse(line));

describe("hedgerow kv", () => {
  it("imports lines, says which failed and why, and goes on where it is told", async () => {
    const good = Array.from({ length: 100 }, (_, i) => JSON.stringify({ key: `k${String(i).padStart(3, "0")}`, value: { n: i, half: 0.5 } }));
    const { code, stdout, stderr } = await importLines([...good.slice(0, 50), "no JSON", '{"key":"a b","value":{}}', ...good.slice(50)].join("\n"));
    assert.equal(code, 1);
    assert.equal(stdout, "100 values imported, 2 lines failed\n");
    assert.match(stderr, /^hedgerow: line 51: /m);
    assert.match(stderr, /^hedgerow: line 52: /m);
    const again = await importLines(`bad\nbad\n{"key":"k000","value":{"n":1.10}}\n`, "--from-line", "3");
    assert.deepEqual([again.code, again.stdout], [0, "1 values imported, 0 lines failed\n"]);
  });

  it("exports each value as a line, digit for digit, also from a key on", async () => {
    const { code, stdout } = await kv("export");
    assert.equal(code, 0);
    const all = lines(stdout);
    assert.equal(all.length, 100);
    assert.deepEqual(all.map((item) => item.key), all.map((item) => item.key).toSorted());
    assert.match(stdout, /^\{"key":"k000","version":"[0-9a-f]{32}","value":\{"half":0\.5,"n":1\.10\}\}$/m);
    const rest = await kv("export", "--after", "k097");
    assert.deepEqual(lines(rest.stdout).map((item) => item.key), ["k098", "k099"]);
  });

  it("tells what the site has", async () => {
    const table = await kv("status");
    assert.equal(table.code, 0);
    assert.match(table.stdout, /^SITE +STATE +HEAD +LAG/);
    assert.match(table.stdout, /^here \(asked\) +active/m);
    const { stdout } = await kv("status", "--json");
    const [status] = lines(stdout);
    assert.equal(status.sites.length, 1);
    assert.deepEqual([status.sites[0].values, status.sites[0].head, status.sites[0].lag], [100, 101, 0]);
  });

  it("finds nothing where nothing is wrong", async () => {
    const { code, stdout } = await kv("verify");
    assert.deepEqual([code, stdout], [0, "100 keys compared at here: 0 differences\n"]);
  });

  it("finds and repairs a record that was deleted, and one that was overwritten, behind the actor's back", async () => {
    const before = await kv("export");
    assert.equal(await redis.ask("HDEL", VALUES, "r/k005"), ":1");
    assert.equal(await redis.ask("ZREM", PLACES, "r/k005"), ":1");
    assert.equal(await redis.ask("HSET", VALUES, "r/k006", "nonsense"), ":0");
    const found = await kv("verify", "--json");
    assert.equal(found.code, 1);
    const differences = lines(found.stdout).slice(0, -1);
    assert.deepEqual(differences.map(({ key, kind }) => [key, kind]), [["k006", "differs"], ["k005", "named-without-record"]]);
    assert.deepEqual(differences[0].at, { here: "unreadable" });
    const repaired = await kv("repair");
    assert.equal(repaired.code, 0, repaired.stdout + repaired.stderr);
    assert.match(repaired.stdout, /100 keys compared at here: 0 differences\n$/);
    assert.equal((await kv("export")).stdout, before.stdout);
    assert.match(host.log, /event=divergence-repaired key=k005 kind=missing/);
    assert.match(host.log, /event=divergence-repaired key=k006 kind=unreadable/);
  });

  it("finds and repairs a lost name of the index", async () => {
    const body = { verb: "verify" };
    const reply = await request("POST", `${host.adminUrl}/kv`, { headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    assert.deepEqual(reply.json().differences, []);
    const name = await nameOf("k007");
    assert.equal(await redis.ask("HDEL", VALUES, name), ":1");
    assert.equal(await redis.ask("ZREM", PLACES, name), ":1");
    const found = await kv("verify", "--json");
    assert.equal(found.code, 1);
    assert.ok(lines(found.stdout).some(({ key, kind }) => key === "k007" && kind === "not-named"));
    assert.equal((await kv("repair")).code, 0);
    assert.equal((await kv("verify")).code, 0);
  });

  it("says what is wrong with a call of it", async () => {
    for (const [args, pattern] of [
      [["kv"], /hedgerow kv status/], [["kv", "look"], /there is no verb look/], [["kv", "member", "remove"], /arguments of member/],
      [["kv", "status", "--fast"], /there is no option --fast/], [["kv", "export", "--after"], /value is missing after --after/],
      [["kv", "import", "--from-line", "0"], /a number from 1 on/],
      [["kv", "verify", "--admin", "127.0.0.1:1"], /127\.0\.0\.1:1\/kv: no answer/],
      [["kv", "verify", "--bucket", "other", "--admin", host.adminUrl], /must subscribe/]]) {
      const { code, stdout, stderr } = await hedgerow(args, { cwd: folder });
      assert.equal(code, 2, args.join(" "));
      assert.equal(stdout, "");
      assert.match(stderr, pattern);
    }
  });

  it("is not for browsers, nor for what is no JSON", async () => {
    const post = (headers, body = "{}", path = "/kv") => request("POST", `${host.adminUrl}${path}`, { headers, body });
    const json = { "content-type": "application/json" };
    assert.equal((await post({ ...json, origin: "http://evil.example" })).status, 403);
    assert.equal((await post({ ...json, "sec-fetch-site": "cross-site" })).status, 403);
    assert.equal((await post({ "content-type": "text/plain" })).status, 415);
    assert.equal((await request("GET", `${host.adminUrl}/kv`)).status, 405);
    assert.equal((await post(json, "{}", "/kv/a.b")).status, 404);
    assert.equal((await post(json, "[]")).json().error.code, "bad-request");
    assert.equal((await post(json, "x".repeat((8 << 20) + 1))).status, 413);
    assert.equal((await post(json, '{"verb":"verify","cursor":"leaf:ffff"}')).json().error.code, "bad-request");
    assert.equal((await post(json, '{"verb":"verify","cursor":"key:a b"}')).json().error.code, "bad-request");
  });
});

// The store's key by which the index names @key, found by asking for it in each leaf.
async function nameOf(key) {
  for (let leaf = 0; leaf < 4096; leaf++) {
    const name = `k/${leaf.toString(16).padStart(4, "0")}/${key}`;
    if ((await redis.ask("HSTRLEN", VALUES, name)) !== ":0") return name;
  }
  throw new Error(`the index does not name ${key}`);
}
