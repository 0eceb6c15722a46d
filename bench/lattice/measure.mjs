// Measures lattices of 1, 3 and 5 sites against the plain NATS that carries them (README.md), in turn within each round.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { root } from "../../tests/integration/host.mjs";
import { Service } from "../../tests/lattice/service.mjs";
import { Lattice } from "../../tests/lattice/site.mjs";
import { cpuOf, cpuSince } from "./cpu.mjs";

const ROUNDS = Number(process.env.ROUNDS || 5);
const SECONDS_EACH = Number(process.env.SECONDS_EACH || 3);
const SITES = (process.env.SITES || "1,3,5").split(",").map(Number);
const ACKS = (process.env.ACKS || "1,2,majority,all").split(",");
const STORE = process.env.STORE || "redis";
const IN_FLIGHT = Number(process.env.IN_FLIGHT || 64);
const program = join(root, "build/bench-lattice/bench_lattice");
const names = ["cosmonic", "aws", "azure", "gcp", "oracle"];
const body = JSON.stringify({ title: "water the plants", completed: false, order: 7 });
const replyBytes = { reads: 140, writes: 160 }; // as long as kv's are

const needed = {
  1: () => 1,
  2: (sites) => Math.min(2, sites),
  majority: (sites) => (sites >> 1) + 1,
  all: (sites) => sites,
};

// The rate with many requests in flight and what each process computed for one of them; and how long one takes that is alone.
async function ask(processes, url, subject, want, content) {
  const one = async (inFlight) => {
    const { stdout } = await promisify(execFile)(program, ["ask", url, subject, `${want}`, `${inFlight}`, `${SECONDS_EACH}`, content]);
    return JSON.parse(stdout);
  };
  const before = cpuOf(processes);
  const many = await one(IN_FLIGHT);
  const cpu = { client: many.cpu_us, ...cpuSince(before, processes) };
  for (const name of Object.keys(cpu)) cpu[name] /= many.done;
  return { rate: many.rate, cpu, alone: (await one(1)).p50_us / 1000 };
}

// One of the floor's programs. file: where it keeps what it is asked to, before it answers.
async function responder(site, subject, queue, bytes, file) {
  const service = new Service(`responder of ${subject} at ${site.name}`,
    [program, file ? "keep" : "respond", site.nats.url, subject, queue, `${bytes}`, ...(file ? [file] : [])],
    () => service.log.includes("ready"));
  await service.start();
  return service;
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

// Lets the systems take turns; one line of each table. systems: [name, how to measure it], hedgerow first.
async function compare(label, systems) {
  const results = systems.map(() => []);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, [, measureOnce]] of systems.entries()) results[i].push(await measureOnce());
  const rates = results.map((rounds) => median(rounds.map((round) => round.rate)));
  const alone = results.map((rounds) => median(rounds.map((round) => round.alone)));
  const cells = (values, text, ratio) => values.flatMap((value, i) => i ? [text(value), ratio(value).toFixed(2)] : [text(value)]);
  const pad = (list) => [...list, ...Array(5 - list.length).fill("")];
  console.log(`| ${[label, ...pad(cells(rates, (rate) => `${Math.round(rate)}`, (rate) => rate / rates[0])),
    ...pad(cells(alone, (ms) => `${ms.toFixed(2)} ms`, (ms) => alone[0] / ms))].join(" | ")} |`);
  return systems.map(([name], i) => [`${label}: ${name}`, results[i].map((round) => round.cpu)]);
}

async function restart(lattice, acks) {
  await Promise.all(lattice.sites.map((site) => site.host.stop()));
  await Promise.all(lattice.sites.map((site) => {
    site.env.HEDGEROW_WRITE_ACKS = acks;
    return site.startHost();
  }));
  await lattice.settled();
}

async function measure(count, cpuLines) {
  const lattice = await Lattice.start(names.slice(0, count), { store: STORE, env: { HEDGEROW_WORKERS: process.env.WORKERS || "1" } });
  const responders = [];
  const processes = () => ({
    nats: lattice.sites.map((site) => site.nats.service.pid),
    hosts: lattice.sites.map((site) => site.host.pid),
    ...(STORE === "redis" && { redis: lattice.sites.map((site) => site.store.service.pid) }),
    responders: responders.map((service) => service.pid),
  });
  try {
    for (const site of lattice.sites) {
      responders.push(await responder(site, "floor.get", "floor", replyBytes.reads));
      responders.push(await responder(site, "floor.set", "-", replyBytes.writes));
      responders.push(await responder(site, "floor.keep", "-", replyBytes.writes, join(lattice.folder, `kept-${site.name}`)));
    }
    const { url } = lattice.sites[0].nats;
    const once = (...what) => () => ask(processes(), url, ...what);
    for (const acks of ACKS) {
      await restart(lattice, acks);
      const want = needed[acks](count);
      cpuLines.push(...await compare(`${count} sites, writes, acks ${acks}`, [
        ["hedgerow", once("wasmkv.set.bench-%", 1, body)],
        ["floor", once("floor.set", want, body)],
        ["floor that syncs", once("floor.keep", want, body)],
      ]));
      if (acks === "2")
        cpuLines.push(...await compare(`${count} sites, reads`, [
          ["hedgerow", once("wasmkv.get.bench-%", 1, "")],
          ["floor", once("floor.get", 1, "")],
        ]));
    }
  } finally {
    await Promise.allSettled(responders.map((service) => service.kill()));
    await lattice.stop();
  }
}

console.log(`${ROUNDS} rounds of ${SECONDS_EACH} s each, store ${STORE}: requests/s with ${IN_FLIGHT} in flight, and the median time of one that is alone`);
console.log("| what | hedgerow | floor | times fewer | floor that syncs | times fewer | hedgerow, alone | floor, alone | times longer | floor that syncs, alone | times longer |");
console.log(`|${"---|".repeat(11)}`);
const cpuLines = [];
for (const count of SITES) await measure(count, cpuLines);

const kinds = ["client", "nats", "hosts", "redis", "responders"];
console.log("\nMicroseconds that the processes computed for each request of the rates above, all sites together:");
console.log(`| what | ${kinds.join(" | ")} | together |`);
console.log(`|${"---|".repeat(kinds.length + 2)}`);
for (const [label, rounds] of cpuLines) {
  const each = kinds.map((kind) => median(rounds.map((cpu) => cpu[kind] ?? 0)));
  console.log(`| ${label} | ${each.map((us) => us.toFixed(1)).join(" | ")} | ${each.reduce((sum, us) => sum + us).toFixed(1)} |`);
}
process.exit();
