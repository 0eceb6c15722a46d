// Three sites with a Redis each. Records are changed in one of them by hand, behind the actor's back: the sites find it by
// comparing, put it right by themselves, and `hedgerow kv verify` says that all are equal.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { hedgerow, until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { withLattice } from "./site.mjs";

const VALUES = "hedgerow:{default}:values";
// What is younger than 10 s is not judged; and a few rounds of 8 s with each of two other sites.
const SETTLED_LIMIT_MS = 30_000;
const REPAIR_LIMIT_MS = 60_000;

const kv = (site, ...args) => hedgerow(["kv", ...args, "--admin", site.adminUrl]);

const titles = async (site) => {
  const answer = await request("GET", site.api);
  return answer.json().map((todo) => `${todo.id} ${todo.title}`).toSorted();
};

describe("digests", () => {
  it("find what was changed behind the actor's back in one store, and repair it there", withLattice(["aws", "azure", "gcp"], {}, async (lattice) => {
    const [aws, azure] = lattice.sites;
    const ids = [];
    for (let i = 0; i < 30; i++) ids.push((await json("POST", lattice.sites[i % 3].api, { title: `t${i}` })).json().id);
    const wanted = await titles(aws);

    await until("all sites are settled and equal", async () => {
      const { code, stderr } = await kv(aws, "verify");
      return code === 0 && stderr === "";
    }, SETTLED_LIMIT_MS);
    const status = JSON.parse((await kv(aws, "status", "--digest", "--json")).stdout);
    assert.deepEqual(status.sites.map(({ name, lag, digest }) => [name, lag, digest]).toSorted(),
      [["aws", 0, undefined], ["azure", 0, "equal"], ["gcp", 0, "equal"]]);

    // Gone, garbage, and another's record; at azure only.
    const redis = (...words) => azure.store.ask(words.join(" "));
    assert.equal(await redis("HDEL", VALUES, `r/${ids[3]}`), ":1");
    assert.equal(await redis("ZREM", "hedgerow:{default}:keys", `r/${ids[3]}`), ":1");
    assert.equal(await redis("HSET", VALUES, `r/${ids[4]}`, "nonsense"), ":0");
    assert.equal(await redis("EVAL", `"return redis.call('HSET',KEYS[1],ARGV[2],redis.call('HGET',KEYS[1],ARGV[1]))"`, "1",
      VALUES, `r/${ids[6]}`, `r/${ids[5]}`), ":0");

    for (const [id, kind] of [[ids[3], "missing"], [ids[4], "unreadable"], [ids[5], "foreign"]]) {
      await until(`azure repairs ${id}`, () => azure.host.log.includes(`event=divergence-repaired key=${id} kind=${kind}`), REPAIR_LIMIT_MS);
    }
    for (const site of lattice.sites) {
      assert.deepEqual(await titles(site), wanted);
      const { code, stdout, stderr } = await kv(site, "verify");
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /^30 keys compared at .*: 0 differences\n$/);
      if (site !== azure) assert.doesNotMatch(site.host.log, /event=(divergence|index)-/);
    }
  }));
});
