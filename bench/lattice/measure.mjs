// Measures lattices of 1, 3 and 5 sites against the plain NATS that carries them (README.md), in turn within each round.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { root } from "../../tests/integration/host.mjs";
import { Service } from "../../tests/lattice/service.mjs";
import { Lattice } from "../../tests/lattice/site.mjs";

const ROUNDS = Number(process.env.ROUNDS || 5);
const SECONDS_EACH = Number(process.env.SECONDS_EACH || 3);
const SITES = (process.env.SITES || "1,3,5").split(",").map(Number);
const STORE = process.env.STORE || "redis";
const IN_FLIGHT = 64;
const program = join(root, "build/bench-lattice/bench_lattice");
const names = ["cosmonic", "aws", "azure", "gcp", "oracle"];
const body = JSON.stringify({ title: "water the plants", completed: false, order: 7 });
const replyBytes = { reads: 140, writes: 160 }; // as long as kv's are

const majority = (sites) => (sites >> 1) + 1;
const settings = [
  ["1", () => 1],
  ["2", (sites) => Math.min(2, sites)],
  ["majority", majority],
  ["all", (sites) => sites],
];

// The rate with many requests in flight, and how long one takes that is alone.
async function ask(url, subject, want, content) {
  const one = async (inFlight) => {
    const { stdout } = await promisify(execFile)(program, ["ask", url, subject, `${want}`, `${inFlight}`, `${SECONDS_EACH}`, content]);
    return JSON.parse(stdout);
  };
  return { rate: (await one(IN_FLIGHT)).rate, alone: (await one(1)).p50_us / 1000 };
}

async function responder(site, subject, queue, bytes) {
  const service = new Service(`responder of ${subject} at ${site.name}`,
    [program, "respond", site.nats.url, subject, queue, `${bytes}`], () => service.log.includes("ready"));
  await service.start();
  return service;
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

// Lets floor and system take turns; one line of the table.
async function compare(label, floor, system) {
  const results = { floor: [], system: [] };
  for (let round = 0; round < ROUNDS; round++) {
    results.floor.push(await floor());
    results.system.push(await system());
  }
  const of = (kind, figure) => median(results[kind].map((result) => result[figure]));
  const [rate, floorRate, alone, floorAlone] = [of("system", "rate"), of("floor", "rate"), of("system", "alone"), of("floor", "alone")];
  console.log(`| ${label} | ${Math.round(rate)} | ${Math.round(floorRate)} | ${(floorRate / rate).toFixed(2)} | ${alone.toFixed(2)} ms | ${floorAlone.toFixed(2)} ms | ${(alone / floorAlone).toFixed(2)} |`);
}

async function restart(lattice, acks) {
  await Promise.all(lattice.sites.map((site) => site.host.stop()));
  await Promise.all(lattice.sites.map((site) => {
    site.env.HEDGEROW_WRITE_ACKS = acks;
    return site.startHost();
  }));
  await lattice.settled();
}

async function measure(count) {
  const lattice = await Lattice.start(names.slice(0, count), { store: STORE, env: { HEDGEROW_WORKERS: process.env.WORKERS || "0" } });
  const responders = [];
  try {
    for (const site of lattice.sites) {
      responders.push(await responder(site, "floor.get", "floor", replyBytes.reads));
      responders.push(await responder(site, "floor.set", "-", replyBytes.writes));
    }
    const { url } = lattice.sites[0].nats;
    for (const [acks, number] of settings) {
      await restart(lattice, acks);
      const want = number(count);
      await compare(`${count} sites, writes, acks ${acks}`, () => ask(url, "floor.set", want, body), () => ask(url, "wasmkv.set.bench-%", 1, body));
      if (acks === "2")
        await compare(`${count} sites, reads`, () => ask(url, "floor.get", 1, ""), () => ask(url, "wasmkv.get.bench-%", 1, ""));
    }
  } finally {
    await Promise.allSettled(responders.map((service) => service.kill()));
    await lattice.stop();
  }
}

console.log(`${ROUNDS} rounds of ${SECONDS_EACH} s each, store ${STORE}: requests/s with ${IN_FLIGHT} in flight, and the median time of one that is alone`);
console.log("| what | hedgerow | floor | times fewer | hedgerow, alone | floor, alone | times longer |");
console.log("|---|---|---|---|---|---|---|");
for (const count of SITES) await measure(count);
process.exit();
