// Five sites under load for MINUTES (default 10) or SECONDS, while every five seconds a random part of a random site is killed
// (its host, its redis, its nats-server, or all) or brought back. In the end all is brought back, and
//
//   all sites answer the same list;
//   every acknowledged creation is there with its last acknowledged change, unless it was deleted; nothing deleted is back;
//   memory and open files of each host, and subscriptions at each nats-server, are what they were after the warm-up, with
//   the slack below.
//
// Prints what it did; on failure also the seed and the history of kills. Run through `make soak`, not in CI.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

import { until } from "../integration/host.mjs";
import { Random } from "../integration/random.mjs";
import { ms, print, summary } from "./figures.mjs";
import { Load } from "./load.mjs";
import { Lattice } from "./site.mjs";

const SEED = Number(process.env.HEDGEROW_SEED ?? randomInt(2 ** 31));
const SECONDS = Number(process.env.SECONDS ?? 60 * Number(process.env.MINUTES || 10));
const EVERY_MS = 5000;
const AGREE_LIMIT_MS = 60_000;
const IDLE_LIMIT_MS = 60_000;
const names = ["cosmonic", "aws", "azure", "gcp", "oracle"];
const parts = ["host", "redis", "nats", "all"];
// At most this many sites are hit at a time, so that a majority is always well.
const HIT_MAX = 2;

// The slack. Memory: freed memory stays with the allocator and with the pool of instances, which grows to the most calls that
// were ever under way. Open files: keep-alive connections of other hosts' health and of this program come and go.
const MEMORY_FACTOR = 1.5;
const MEMORY_BYTES = 48 << 20;
const FILES = 16;
const SUBSCRIPTIONS = 0;

// As many creations as deletions, or the list would grow all the time.
const mix = { creates: 12, patches: 12, deletes: 11, lists: 5 };

const memoryOf = (pid) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
const filesOf = (pid) => readdirSync(`/proc/${pid}/fd`).length;

async function measure(lattice) {
  return Promise.all(lattice.sites.map(async (site) => ({
    site: site.name,
    memory: memoryOf(site.host.pid),
    files: filesOf(site.host.pid),
    subscriptions: await site.nats.subscriptionCount(),
  })));
}

function tooMuch(before, now) {
  return now.flatMap((one, i) => {
    const was = before[i];
    const found = [];
    if (one.memory > was.memory * MEMORY_FACTOR + MEMORY_BYTES) found.push(`memory at ${one.site}: ${was.memory} before, ${one.memory} now`);
    if (one.files > was.files + FILES) found.push(`open files at ${one.site}: ${was.files} before, ${one.files} now`);
    if (Math.abs(one.subscriptions - was.subscriptions) > SUBSCRIPTIONS)
      found.push(`subscriptions at ${one.site}: ${was.subscriptions} before, ${one.subscriptions} now`);
    return found;
  });
}

// What is hit now: site name to part.
class Storm {
  constructor(lattice, random) {
    Object.assign(this, { lattice, random, hit: new Map(), history: [], began: performance.now() });
  }

  #note(what, site, part) {
    this.history.push(`${((performance.now() - this.began) / 1000).toFixed(1)} s: ${what} ${part} of ${site}`);
  }

  async heal(name) {
    const part = this.hit.get(name);
    this.hit.delete(name);
    this.#note("heal", name, part);
    await this.lattice.site(name).heal(part);
  }

  async step() {
    if (this.hit.size === HIT_MAX || (this.hit.size > 0 && this.random.percent(40))) {
      await this.heal(this.random.of([...this.hit.keys()]));
      return;
    }
    const name = this.random.of(names.filter((one) => !this.hit.has(one)));
    const part = this.random.of(parts);
    this.hit.set(name, part);
    this.#note("kill", name, part);
    await this.lattice.site(name).kill(part);
  }

  async calm() {
    for (const name of [...this.hit.keys()]) await this.heal(name);
  }
}

function tell(ledger) {
  for (const kind of ["read", "write"]) {
    const entries = ledger.select((entry) => entry.kind === kind);
    const failed = entries.filter((entry) => entry.failure);
    print(`${summary(`${kind}s`, entries.map((entry) => entry.ms))}; ${failed.length} failed (${names.map((name) => `${name} ${failed.filter((entry) => entry.site === name).length}`).join(", ")})`);
  }
  for (const [site, counts] of ledger.acks) print(`acks at ${site}: ${JSON.stringify(counts)}`);
}

async function soak(lattice, random, storm) {
  const warmUp = new Load(lattice.sites, random, { mix });
  warmUp.start();
  await warmUp.pass(5000);
  const first = await warmUp.stop();
  first.judge((await lattice.agreement(AGREE_LIMIT_MS)).list);
  const before = await measure(lattice);

  const load = new Load(lattice.sites, random, { mix });
  // What the warm-up left goes on being true.
  load.ledger.serial = first.serial;
  load.ledger.todos = first.todos;
  load.ledger.gone = first.gone;
  load.ledger.creates = first.creates;
  load.start();
  const end = performance.now() + SECONDS * 1000;
  while (performance.now() < end) {
    const next = performance.now() + EVERY_MS;
    await storm.step();
    await load.pass(Math.max(0, Math.min(next, end) - performance.now()));
  }
  await storm.calm();
  const ledger = await load.stop();
  tell(ledger);

  await lattice.meshed();
  await lattice.settled();
  const { list, ms: took } = await lattice.agreement(AGREE_LIMIT_MS);
  const checked = ledger.judge(list);
  print(`all agree ${ms(took)} after all were back; ${checked} acknowledged todos are there, ${ledger.gone.size} deleted ones are not`);

  let left = [];
  await until("memory, files and subscriptions are as before", async () => {
    left = tooMuch(before, await measure(lattice));
    return left.length === 0;
  }, IDLE_LIMIT_MS).catch(() => assert.deepEqual(left, [], "something was left behind"));
  for (const [i, one] of (await measure(lattice)).entries())
    print(`${one.site}: ${before[i].memory >> 20} -> ${one.memory >> 20} MiB, ${before[i].files} -> ${one.files} files, ${before[i].subscriptions} -> ${one.subscriptions} subscriptions`);
}

export async function run() {
  print(`soak of ${SECONDS} s: HEDGEROW_SEED=${SEED} repeats its choices (not its timing)`);
  const random = new Random(SEED);
  const lattice = await Lattice.start(names);
  const storm = new Storm(lattice, random);
  try {
    await soak(lattice, random, storm);
    print(`${storm.history.length} kills and heals`);
  } catch (error) {
    print(`seed ${SEED}; what was killed and healed:`);
    for (const line of storm.history) print(line);
    print(`the logs are in ${lattice.keepLogs("soak")}`);
    throw error;
  } finally {
    await lattice.stop();
  }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  try {
    await run();
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
