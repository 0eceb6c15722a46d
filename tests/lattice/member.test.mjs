// A site that is gone for good is taken out of the group by the operator, at one site; the others hear of it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { hedgerow, until } from "../integration/host.mjs";
import { json } from "../integration/http.mjs";
import { withLattice } from "./site.mjs";

const HEARD_LIMIT_MS = 20_000;

const kv = (site, ...args) => hedgerow(["kv", ...args, "--admin", site.adminUrl]);
const status = async (site) => {
  const { stdout } = await kv(site, "status", "--json");
  return new Map(JSON.parse(stdout).sites.map((row) => [row.name, row]));
};

describe("members", () => {
  it("are taken out by name, once they are not alive, and everybody knows", withLattice(["aws", "azure", "gcp"], { store: "lmdb" }, async (lattice) => {
    const [aws, azure, gcp] = lattice.sites;
    assert.equal((await json("POST", gcp.api, { title: "stays" })).status, 201);
    for (const [name, pattern] of [["gcp", /alive: stop its hosts first/], ["nobody", /no such site/], ["aws", /by another one/]]) {
      const { code, stderr } = await kv(aws, "member", "remove", name);
      assert.equal(code, 2);
      assert.match(stderr, pattern);
    }
    await gcp.kill("host");
    await until("aws knows that gcp is gone", async () => (await status(aws)).get("gcp")?.alive === false, HEARD_LIMIT_MS);
    const { code, stdout, stderr } = await kv(aws, "member", "remove", "gcp");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^gcp is out of the group/);
    for (const site of [aws, azure]) {
      await until(`${site.name} knows that gcp is out`, async () => (await status(site)).get("gcp")?.member === false, HEARD_LIMIT_MS);
      assert.match((await kv(site, "status")).stdout, /^gcp +taken out/m);
    }
    const answer = await json("POST", aws.api, { title: "without it" });
    assert.equal(answer.headers["hedgerow-acks"], "2/2");
    assert.equal((await kv(aws, "verify")).code, 0);
  }));
});
