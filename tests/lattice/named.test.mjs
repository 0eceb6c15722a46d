// Sites that the manifest names are members from the first start: a store that was lost cannot forget them, and so its site decides
// nothing without them, though they are away and nobody is there who would tell it of them.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { hedgerow, until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { withScene } from "./scene.mjs";
import { withLattice } from "./site.mjs";

const LIMIT_MS = 20_000;
const C_ID = 77;
const NAMED = `a,b,c=${C_ID}`;
const sites = (name) => ({ HEDGEROW_SITES: NAMED, HEDGEROW_WRITE_ACKS: "1", HEDGEROW_SITE_ID: name === "c" ? `${C_ID}` : undefined });
const options = { store: "lmdb", env: sites };

async function create(site, title) {
  const answer = await json("POST", site.api, { title });
  assert.equal(answer.status, 201, answer.text);
  return answer;
}

async function stop(site) {
  site.hostLogs.push(site.host.log);
  await site.host.stop();
}

const loseStore = (lattice, site) => rmSync(join(lattice.folder, `store-${site.name}`), { recursive: true });

// Its clients are told so, and by nobody else's answer, because no site serves.
const waitsForC = (site) =>
  until(`${site.name} says that it waits for c`, async () => {
    const answer = await request("GET", site.api);
    assert.equal(answer.status, 503, `${site.name} serves: ${answer.text}`);
    return new RegExp(`it waits for those with the ids .*\\b${C_ID}\\b`).test(answer.text);
  }, LIMIT_MS);

const says = (site, start) => site.host.events.filter((fields) => fields.message?.startsWith(start));

async function removeC(asked, name) {
  const { code, stdout, stderr } = await hedgerow(["kv", "member", "remove", name, "--admin", asked.adminUrl]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`^${name} is out of the group`));
}

describe("sites that are named", () => {
  it("are waited for by those that lost their stores while they were away", withLattice(["a", "b", "c"], options, async (lattice) => {
    const [a, b, c] = lattice.sites;
    await lattice.agreement();
    await Promise.all([a, b].map((site) => stop(site)));
    const { id } = (await create(c, "only c has it")).json();
    await c.kill("host");
    for (const site of [a, b]) loseStore(lattice, site);
    await a.startHost();
    await waitsForC(a);
    await b.startHost();
    await waitsForC(b);
    await waitsForC(a);
    await c.startHost();
    for (const site of lattice.sites) await site.serves(LIMIT_MS);
    const { list } = await lattice.agreement();
    assert.deepEqual(list.map((todo) => todo.id), [id]);
    assert.equal(says(a, "event=writes-lost").length + says(b, "event=writes-lost").length, 0);
  }));

  it("are all waited for at the very first start, however many hold a write", withScene(async (scene) => {
    const nats = await scene.nats("one");
    const env = (name) => ({ ...sites(name), HEDGEROW_WRITE_ACKS: "3" });
    const [a, b] = await Promise.all(["a", "b"].map((name) => scene.start(name, { nats, env: env(name) })));
    for (const site of [a, b]) await waitsForC(site);
    const c = await scene.start("c", { nats, env: env("c") });
    for (const site of [a, b, c]) await site.serves(LIMIT_MS);
  }));

  it("are not waited for any more once they are taken out", withLattice(["a", "b", "c"], options, async (lattice) => {
    const [a, b, c] = lattice.sites;
    const { id } = (await create(c, "b has it")).json();
    await lattice.agreement();
    await c.kill("host");
    await stop(a);
    loseStore(lattice, a);
    await a.startHost();
    const joining = new RegExp(`waiting-for=.*\\b${C_ID}\\b`);
    await a.host.event((fields) => fields.event === "actor.log" && joining.test(fields.message ?? ""), LIMIT_MS);
    assert.equal((await request("GET", a.api)).headers["hedgerow-site"], "b", "a passes it on");
    await until("b knows that c is gone", async () => !(await b.aliveSites()).includes("c"), LIMIT_MS);
    await removeC(b, "c");
    await a.serves(LIMIT_MS);
    // The manifests name it still: whoever is there tells the next lost store that it is out.
    await stop(a);
    loseStore(lattice, a);
    await a.startHost();
    await a.serves(LIMIT_MS);
    assert.deepEqual((await a.list()).map((todo) => todo.id), [id]);
  }));

  it("are taken out by their id where no host has heard of them", withLattice(["a", "b", "c"], options, async (lattice) => {
    const [a, b, c] = lattice.sites;
    await c.kill("host");
    await Promise.all([a, b].map((site) => stop(site)));
    for (const site of [a, b]) loseStore(lattice, site);
    await Promise.all([a, b].map((site) => site.startHost()));
    for (const site of [a, b]) await waitsForC(site);
    await removeC(a, `${C_ID}`);
    for (const site of [a, b]) await site.serves(LIMIT_MS);
    assert.equal((await create(a, "without it")).headers["hedgerow-acks"].split("/")[1], "2");
  }));

  it("are all there are: whoever else is heard is warned of, once for a site", withScene(async (scene) => {
    const nats = await scene.nats("one");
    const own = await scene.start("a", { nats, env: { HEDGEROW_SITES: "a,b=9" } });
    const others = await Promise.all(["b", "d"].map((name) => scene.start(name, { nats, env: { HEDGEROW_SITE_ID: name === "d" ? "4" : "8" } })));
    await scene.sees(own, ["a", "b", "d"]);
    const [, d] = others;
    await d.host.stop();
    await scene.sees(own, ["a", "b"]);
    await d.startHost();
    await scene.sees(own, ["a", "b", "d"]);
    const warnings = own.host.events.filter((fields) => fields.event === "lattice.unnamed_site");
    assert.deepEqual(warnings.map(({ level, site, reason }) => [level, site, reason]).sort((x, y) => x[1].localeCompare(y[1])), [
      ["warn", "b", "its number is 8, and not 9 as in `sites`: write `b=8` in the manifests of all sites"],
      ["warn", "d", "`sites` does not name it: add `d=4` in the manifests of all sites"],
    ]);
    for (const { host } of others) assert.doesNotMatch(host.log, /unnamed_site/, "they name none themselves");
  }));
});
