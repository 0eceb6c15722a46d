// The routes between {aws} and {azure, gcp} fail for a while, and heal: silently (every byte is held, as when packets are
// lost), or with connections reset. Each side goes on for its clients; afterwards all agree, and nothing acknowledged is lost.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, it } from "node:test";

import { json, request } from "../integration/http.mjs";
import { Random } from "../integration/random.mjs";
import { ms, print, summary } from "./figures.mjs";
import { Load } from "./load.mjs";
import { withLattice } from "./site.mjs";

const SEED = Number(process.env.HEDGEROW_SEED ?? randomInt(2 ** 31));
// Until a side knows that the other one is gone (3 s of silence and the next look), writes there wait for acks that cannot come.
const NOTICE_MS = 5000;
const APART_MS = 4000;
// The 2 s, and 3 s more for two cores that run everything and for nats-server, which tries a lost route once a second.
const AGREE_MS = 5000;

const names = ["aws", "azure", "gcp"];
const ways = {
  "held bytes": (proxy) => proxy.hold(),
  "reset connections": (proxy) => proxy.cut(),
};

describe(`partition (HEDGEROW_SEED=${SEED})`, () => {
  const random = new Random(SEED);
  for (const [kind, part] of Object.entries(ways)) {
    it(`by ${kind}: both sides serve, and agree when it heals`, withLattice(names, { proxied: true }, async (lattice) => {
      const between = lattice.across(["aws"], ["azure", "gcp"]);
      const load = new Load(lattice.sites, random);
      load.start();
      await load.warm();

      const apart = performance.now();
      await Promise.all(between.map(part));
      await load.pass(NOTICE_MS);
      const noticed = performance.now();
      await load.pass(APART_MS);
      const acksApart = await acksNow(lattice);
      const ledger = await load.stop();
      const healed = performance.now();
      await Promise.all(between.map((proxy) => proxy.heal()));
      const { list } = await lattice.agreement();
      const agreed = performance.now() - healed;

      const entries = (kindOf, from) => ledger.select((entry) => entry.kind === kindOf && entry.began >= from);
      print(`${kind}: while apart: ${summary("reads", entries("read", apart).map((entry) => entry.ms))}`);
      print(`${kind}: while apart: ${summary("writes", entries("write", apart).map((entry) => entry.ms))}`);
      const early = entries("write", apart).filter((entry) => entry.failure && entry.began < noticed);
      print(`${kind}: ${early.length} writes failed before the sides knew (${[...new Set(early.map((entry) => entry.failure))].slice(0, 2).join("; ")})`);
      print(`${kind}: acks while apart: ${JSON.stringify(acksApart)}`);
      print(`${kind}: all agree ${ms(agreed)} after it healed; ${ledger.todos.size} acknowledged todos are there`);

      ledger.judge(list);
      const failedReads = entries("read", apart).filter((entry) => entry.failure);
      assert.deepEqual(failedReads.slice(0, 5), [], `${failedReads.length} reads failed`);
      const failedWrites = entries("write", noticed).filter((entry) => entry.failure);
      assert.deepEqual(failedWrites.slice(0, 5), [], `${failedWrites.length} writes failed when the sides knew`);
      assert.match(acksApart.aws, /^1\//);
      for (const name of ["azure", "gcp"]) assert.match(acksApart[name], /^2\//);
      assert.ok(agreed < AGREE_MS, `agreement took ${ms(agreed)}`);
      await lattice.settled();
    }));
  }
});

// What a write at each site is told now; outside the load's ledger, on a key of the site's own.
async function acksNow(lattice) {
  const acks = {};
  for (const site of lattice.sites) {
    const answer = await json("POST", site.api, { title: "acks" });
    acks[site.name] = answer.headers["hedgerow-acks"];
    await request("DELETE", `${site.api}/${answer.json().id}`);
  }
  return acks;
}
