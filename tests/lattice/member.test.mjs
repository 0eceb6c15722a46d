// A site that is gone for good is taken out of the group by the operator, at one site; the others hear of it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { hedgerow, until } from "../integration/host.mjs";
import { json } from "../integration/http.mjs";
import { SETTLE_LIMIT_MS, withLattice } from "./site.mjs";

const HEARD_LIMIT_MS = 20_000;

const kv = (site, ...args) => hedgerow(["kv", ...args, "--admin", site.adminUrl]);
const status = async (site) => {
  const { stdout } = await kv(site, "status", "--json");
  return new Map(JSON.parse(stdout).sites.map((row) => [row.name, row]));
};

describe("members", () => {
  it("are taken out by name, once they are not alive, everybody knows, and they begin anew when they are back", withLattice(["aws", "azure", "gcp"], { store: "lmdb" }, async (lattice) => {
    const [aws, azure, gcp] = lattice.sites;
    assert.equal((await json("POST", gcp.api, { title: "stays" })).status, 201);
    const goes = await json("POST", gcp.api, { title: "goes" });
    assert.equal(goes.status, 201);
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
    const gone = await json("DELETE", `${aws.api}/${goes.json().id}`);
    assert.equal(gone.status, 204);
    const answer = await json("POST", aws.api, { title: "without it" });
    assert.equal(answer.headers["hedgerow-acks"], "2/2");
    assert.equal((await kv(aws, "verify")).code, 0);

    // It is back, with a store that holds what was deleted meanwhile.
    await gcp.startHost();
    await until("gcp has the others' todos and no other", async () => {
      const [here, there] = await Promise.all([gcp.list(), aws.list()]).catch(() => [[], [null]]);
      return isDeepStrictEqual(here, there);
    }, SETTLE_LIMIT_MS);
    assert.deepEqual((await gcp.list()).map((todo) => todo.title).sort(), ["stays", "without it"]);
    assert.match(gcp.host.log, /event=site-out/);
    assert.match(gcp.host.log, /event=store-wiped/);
    for (const site of [aws, azure])
      await until(`${site.name} knows that gcp is back`, async () => (await status(site)).get("gcp")?.member === true, HEARD_LIMIT_MS);
    assert.equal((await kv(aws, "verify")).code, 0);
  }));
});
