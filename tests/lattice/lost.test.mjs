// Writes that only one site held, and that its Redis has lost since while the host lived on: the log names exactly these.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { parseLogLine, until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { withScene } from "./scene.mjs";
import { withLattice } from "./site.mjs";

// Two workers, so that several connections find out what was lost.
const LAZY = { HEDGEROW_DURABILITY: "lazy", HEDGEROW_WORKERS: "2" };
const FSYNC = "everysec";
const TOLD_LIMIT_MS = 30_000;

async function create(site, title) {
  const answer = await json("POST", site.api, { title });
  assert.equal(answer.status, 201, answer.text);
  return { id: answer.json().id, acks: answer.headers["hedgerow-acks"]?.split("/")[0] };
}

async function createAlone(site, count, title) {
  const made = await Promise.all(Array.from({ length: count }, (_, i) => create(site, `${title} ${i}`)));
  for (const one of made) assert.equal(one.acks ?? "1", "1", "nobody else has it");
  return made.map((one) => one.id);
}

// The lines of the event writes-lost.
const linesOf = (site) => site.host.log.split("\n").map(parseLogLine).map((fields) => fields?.message)
  .filter((message) => message?.startsWith("event=writes-lost ")).map(parseLogLine);

const keysOf = (lines) => lines.flatMap((line) => line.keys.split(","));

// Once as many keys are named as are lost; gives the lines.
async function told(site, ids) {
  await until(`${site.name} names ${ids.length} keys; its log:\n${site.host.log}`, () => keysOf(linesOf(site)).length >= ids.length,
    TOLD_LIMIT_MS);
  return linesOf(site);
}

function namesExactly(lines, ids) {
  assert.deepEqual(keysOf(lines).sort(), [...ids].sort());
  for (const line of lines) assert.equal(line.more, undefined);
}

describe("a Redis that comes back without its tail, while the host lives", () => {
  it("at a site that was cut off: what it lost for good is named when all have said that they have not got it",
    withLattice(["aws", "azure", "gcp"], { fsync: FSYNC, env: LAZY }, async (lattice) => {
      const site = lattice.site("aws");
      const others = lattice.others("aws");
      const kept = (await Promise.all([0, 1, 2].map((i) => create(site, `kept ${i}`)))).map((one) => one.id);
      await lattice.agreement();
      await site.kill("nats");
      await until(`${site.name} is alone`, async () => (await site.aliveSites()).join() === site.name, TOLD_LIMIT_MS);
      await site.serves();
      const lose = await site.store.remember();
      const lost = await createAlone(site, 5, "lost");
      const [changed, deleted] = kept;
      assert.equal((await json("PATCH", `${site.api}/${changed}`, { completed: true })).status, 200);
      assert.equal((await request("DELETE", `${site.api}/${deleted}`)).status, 204);
      await lose();
      await until(`${site.name} has noticed`, async () => {
        const answer = await request("GET", site.api).catch(() => null);
        return answer?.status !== 200 || !answer.text.includes(lost[0]);
      }, TOLD_LIMIT_MS);
      assert.deepEqual(linesOf(site), [], "the others may have it");
      await site.heal("nats");
      const lines = await told(site, [...lost, changed, deleted]);
      namesExactly(lines, [...lost, changed, deleted]);
      const { list } = await lattice.agreement(TOLD_LIMIT_MS);
      assert.deepEqual(list.map((todo) => todo.id).sort(), [...kept].sort());
      const after = await create(site, "after");
      await lattice.agreement(TOLD_LIMIT_MS);
      namesExactly(linesOf(site), [...lost, changed, deleted]);
      for (const other of others) assert.deepEqual(linesOf(other), []);
      assert.ok((await site.list()).some((todo) => todo.id === after.id));
    }));

  it("at a site with others: what they have is got back, and not named",
    withLattice(["aws", "azure", "gcp"], { fsync: FSYNC, env: LAZY }, async (lattice) => {
      const site = lattice.site("aws");
      const before = await create(site, "before");
      await lattice.agreement();
      const lose = await site.store.remember();
      const held = await Promise.all(Array.from({ length: 5 }, (_, i) => create(site, `held ${i}`)));
      for (const one of held) assert.notEqual(one.acks, "1");
      await lose();
      await site.serves(TOLD_LIMIT_MS);
      const { list } = await lattice.agreement(TOLD_LIMIT_MS);
      assert.deepEqual(list.map((todo) => todo.id).sort(), [before, ...held].map((one) => one.id).sort());
      const sealed = await create(site, "afterwards");
      await lattice.agreement(TOLD_LIMIT_MS);
      assert.ok(sealed.id);
      assert.deepEqual(linesOf(site), []);
    }));

  it("at a site that is alone: what it lost is named at once", withScene(async (scene) => {
    const nats = await scene.nats("one");
    const site = await scene.start("aws", { nats, kind: "redis", fsync: FSYNC, env: LAZY });
    await site.serves();
    const kept = await createAlone(site, 3, "kept");
    const lose = await site.store.remember();
    const lost = await createAlone(site, 40, "lost");
    await lose();
    namesExactly(await told(site, lost), lost);
    await site.serves();
    assert.deepEqual((await site.list()).map((todo) => todo.id).sort(), [...kept].sort());
    await createAlone(site, 1, "after");
    namesExactly(linesOf(site), lost);
  }));
});
