// A site of three that is up, but may not serve from its own store yet: its host stays ready, because other sites answer
// its clients, and everybody can see it: in /readyz, in /api/sites and /lattice of every site, and in the metrics.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { withLattice } from "./site.mjs";

const names = ["aws", "azure", "gcp"];
const READY = "ready\n";
const READY_BY_OTHERS = "ready\nthis site is catching up: other sites answer its clients\n";

const readyz = (site) => request("GET", `${site.adminUrl}/readyz`, { agent: false });

// What @site's host says of all sites, by their names.
async function states(site) {
  const page = await site.sites();
  return page && Object.fromEntries(page.sites.map((one) => [one.name, one.state]));
}

// Waits until @site's host says so.
function says(site, wanted) {
  const text = JSON.stringify(names.map((name) => [name, wanted[name]]));
  let told;
  return until(`${site.name} says ${text}`, async () => {
    told = await states(site);
    return told && JSON.stringify(names.map((name) => [name, told[name]])) === text;
  });
}

describe("a site that is catching up", () => {
  it("is seen everywhere, and its host is ready", withLattice(names, { store: "lmdb" }, async (lattice) => {
    const [aws, azure, gcp] = names.map((name) => lattice.site(name));
    const all = { aws: "active", azure: "active", gcp: "active" };
    for (const site of lattice.sites) {
      await says(site, all);
      assert.equal((await readyz(site)).text, READY);
    }
    const made = await json("POST", azure.api, { title: "before" });
    assert.equal(made.status, 201, made.text);
    await lattice.agreement();

    // With its store lost it needs both others, and only one is there.
    await aws.host.stop();
    await gcp.host.stop();
    rmSync(join(lattice.folder, "store-aws"), { recursive: true });
    await aws.startHost();
    await says(azure, { ...all, aws: "catching-up", gcp: "gone" });
    await says(aws, { aws: "catching-up", azure: "active" });
    const ready = await readyz(aws);
    assert.equal(ready.status, 200);
    assert.equal(ready.text, READY_BY_OTHERS);
    assert.equal((await readyz(azure)).text, READY);
    const answer = await request("GET", aws.api);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers["hedgerow-site"], "azure");
    assert.deepEqual(answer.json().map((todo) => todo.title), ["before"]);
    for (const site of [aws, azure]) {
      const known = (await request("GET", `${site.adminUrl}/lattice`, { agent: false })).json();
      for (const { name, catching_up: is } of known.sites) assert.equal(is, name === "aws", `${name} at ${site.name}`);
      assert.equal(await site.metric("hedgerow_lattice_sites_catching_up"), 1);
    }

    await gcp.startHost();
    for (const site of lattice.sites) await says(site, all);
    assert.equal((await readyz(aws)).text, READY);
    // One read may be slow here and be answered there (hedged).
    await until("aws answers out of its own store", async () => (await request("GET", aws.api)).headers["hedgerow-site"] === "aws");
    assert.equal(await azure.metric("hedgerow_lattice_sites_catching_up"), 0);
  }));
});
