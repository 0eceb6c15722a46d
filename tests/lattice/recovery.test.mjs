// Data that recovers, with real servers: a site that was away while the others wrote, a Redis that was flushed, a store that was
// put back to an old copy, a clock an hour ahead. Nothing that was acknowledged is lost, and nothing that was deleted comes back.
// RECORDS is how many writes the long absence lasts.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { describe, it } from "node:test";

import { hedgerow, until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { print, summary } from "./figures.mjs";
import { withLattice } from "./site.mjs";

const RECORDS = Number(process.env.RECORDS ?? 10_000);
const WRITERS = 32;
const CATCH_UP_LIMIT_MS = 120_000;
const RSS_MIB_MAX = 512;
// Debian's libfaketime, wherever this architecture has it.
const FAKETIME = readdirSync("/usr/lib", { withFileTypes: true })
  .map((entry) => join("/usr/lib", entry.name, "faketime/libfaketime.so.1")).find(existsSync);
const HOUR_S = 3600;

async function create(site, title) {
  const answer = await json("POST", site.api, { title });
  assert.equal(answer.status, 201, answer.text);
  return answer.json().id;
}

async function createMany(site, count, name) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: WRITERS });
  let next = 0;
  const ids = [];
  await Promise.all(Array.from({ length: WRITERS }, async () => {
    while (next < count) {
      const answer = await json("POST", site.api, { title: `${name} ${next++}` }, { agent });
      assert.equal(answer.status, 201, answer.text);
      ids.push(answer.json().id);
    }
  }));
  agent.destroy();
  return ids;
}

async function remove(site, id) {
  const answer = await request("DELETE", `${site.api}/${id}`);
  assert.equal(answer.status, 204, answer.text);
}

async function kvStatus(site) {
  const { stdout, stderr, code } = await hedgerow(["kv", "status", "--json", "--admin", site.adminUrl]);
  assert.ok(code < 2, stderr);
  return JSON.parse(stdout).sites;
}

// It answers its clients out of its own store: it has caught up.
const servesItself = (site, limitMs = CATCH_UP_LIMIT_MS) =>
  until(`${site.name} serves out of its own store`, async () => {
    const answer = await request("GET", `${site.api}?limit=1`).catch(() => null);
    return answer?.status === 200 && answer.headers["hedgerow-site"] === site.name;
  }, limitMs);

async function haveExactly(lattice, there, gone) {
  const { list } = await lattice.agreement(60_000);
  const found = new Set(list.map((todo) => todo.id));
  assert.deepEqual(there.filter((id) => !found.has(id)).slice(0, 5), [], "acknowledged, and lost");
  assert.deepEqual(gone.filter((id) => found.has(id)).slice(0, 5), [], "deleted, and back");
  assert.equal(list.length, there.length, "nobody made the others");
}

// Reads at a site, one after the other, until it is told to stop; their times.
function reader(site) {
  const times = [];
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      const began = performance.now();
      const answer = await request("GET", `${site.api}?limit=20`, { agent });
      assert.equal(answer.status, 200, answer.text);
      times.push(performance.now() - began);
      await new Promise((wake) => setTimeout(wake, 2));
    }
    agent.destroy();
  })();
  running.catch(() => {}); // whoever stops it gets it
  return async () => {
    stopped = true;
    await running;
    return times;
  };
}

// PIN=1: the site that comes back, its nats-server too, has a processor for itself, and all others share one, as on machines of their own: what is measured
// then is what the others do for it, and not what it takes from them by sharing theirs.
const PIN = process.env.PIN === "1";
function pin(processor, pids) {
  for (const pid of PIN ? pids : []) execFileSync("taskset", ["-a", "-c", "-p", `${processor}`, `${pid}`]);
}

// IDLE=1: the site that comes back runs in the idle class of the scheduler: it takes what nobody else wants.
function stepBack(pid) {
  if (process.env.IDLE === "1") execFileSync("chrt", ["-a", "--idle", "-p", "0", `${pid}`]);
}

// CONTROL=1: the same reads beside a program that only counts, at the lowest priority, while the site is still away: so much of
// what follows is any work's doing on this machine, whoever does it.
const CONTROL = process.env.CONTROL === "1";
async function besideAnything(site) {
  const busy = spawn("nice", ["-n", "19", process.execPath, "-e", "for (;;);"], { stdio: "ignore" });
  pin(1, [busy.pid]);
  try {
    const reads = reader(site);
    await new Promise((wake) => setTimeout(wake, 3000)); // a span of time to measure
    print(`at ${site.name} beside a program that only counts: ${summary("reads", await reads())}`);
  } finally {
    busy.kill("SIGKILL");
  }
}

// What a host has used of the processors (ticks of 1/100 s, proc(5)) and written to files since it was started.
function used(host) {
  const stat = readFileSync(`/proc/${host.pid}/stat`, "utf8");
  const [utime, stime] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number);
  const bytes = Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${host.pid}/io`, "utf8"))[1]);
  return { us: (utime + stime) * 10_000, bytes };
}

const peakRssMib = (host) => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${host.pid}/status`, "utf8"))[1]) / 1024;

const SITES = ["aws", "gcp", "azure"];

describe("a site that comes back", () => {
  it(`after ${RECORDS} writes: it catches up while the others serve`,
    withLattice(SITES, { store: "lmdb", env: { HEDGEROW_WRITE_ACKS: "1" } }, async (lattice) => {
      const away = lattice.site("azure");
      const [writer, other] = lattice.others("azure");
      const first = await create(away, "before");
      await lattice.agreement();
      await away.kill("host");
      const ids = await createMany(writer, RECORDS, "meanwhile");
      pin(0, [process.pid, ...lattice.pids()]);
      const quiet = reader(other);
      await new Promise((wake) => setTimeout(wake, CONTROL ? 8000 : 1500)); // a span of time to measure, not to wait for something
      const before = await quiet();
      if (CONTROL) await besideAnything(other);
      const busy = reader(other);
      await away.startHost();
      pin(1, [away.host.pid, away.nats.service.pid]);
      stepBack(away.host.pid);
      const isJoined = (fields) => fields.event === "actor.log" && fields.message?.startsWith("event=joined");
      const joined = await away.host.event(isJoined, CATCH_UP_LIMIT_MS);
      const took = Date.parse(joined.ts) - Date.parse(away.host.ready.ts);
      await servesItself(away);
      const during = await busy();
      const rss = peakRssMib(away.host);
      const { us, bytes } = used(away.host);
      print(`caught up ${RECORDS} records in ${took.toFixed(0)} ms: ${(RECORDS / took * 1000).toFixed(0)} records/s; its memory at most ${rss.toFixed(0)} MiB`);
      print(`for each it took ${(us / RECORDS).toFixed(1)} µs of a processor, and wrote ${(bytes / RECORDS / 1024).toFixed(1)} KiB`);
      print(`at ${other.name} before: ${summary("reads", before)}`);
      print(`at ${other.name} while it caught up: ${summary("reads", during)}`);
      assert.ok(rss < RSS_MIB_MAX, `the host grew to ${rss} MiB`);
      await haveExactly(lattice, [first, ...ids], []);
    }));

  it("with a Redis that was flushed while it ran", withLattice(SITES, {}, async (lattice) => {
    const site = lattice.site("aws");
    const ids = await createMany(site, 200, "kept");
    const gone = ids.splice(0, 50);
    for (const id of gone) await remove(site, id);
    await lattice.agreement();
    await site.store.ask("FLUSHALL");
    await servesItself(site);
    ids.push(await create(site, "after"));
    await haveExactly(lattice, ids, gone);
  }));

  it("with a store that was put back to an old copy", withLattice(SITES, { store: "lmdb" }, async (lattice) => {
    const site = lattice.site("gcp");
    const folder = join(lattice.folder, "store-gcp");
    const other = lattice.site("aws");
    const ids = await createMany(site, 200, "old");
    await lattice.agreement();
    await site.host.stop();
    const copy = join(lattice.folder, "copy-gcp");
    cpSync(folder, copy, { recursive: true });
    await site.startHost();
    await servesItself(site);
    const gone = ids.splice(0, 100);
    for (const id of gone) await remove(site, id);
    const deleted = Date.now();
    ids.push(...await createMany(site, 100, "new"));
    await lattice.agreement();
    // Until nobody remembers the deletions any more: they could not stand up for themselves.
    await until("the floor has passed the deletions, and what they left is collected", async () => {
      const sites = await kvStatus(other);
      return sites.length === 3 && sites.every((one) => one["floor-ms"] > deleted && one.litter === 0);
    }, 60_000);
    await site.host.stop();
    rmSync(folder, { recursive: true });
    cpSync(copy, folder, { recursive: true });
    await site.startHost();
    await servesItself(site);
    ids.push(await create(site, "afterwards"));
    await haveExactly(lattice, ids, gone);
  }));

  it("with a clock an hour ahead", { skip: !FAKETIME && "libfaketime is not there" },
    withLattice(SITES, { store: "lmdb" }, async (lattice) => {
      const site = lattice.site("azure");
      const clock = join(lattice.folder, "clock");
      writeFileSync(clock, "+0\n");
      await site.host.stop();
      Object.assign(site.env, {
        LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1", DONT_FAKE_MONOTONIC: "1",
      });
      await site.startHost();
      await servesItself(site);
      await lattice.settled();
      const ids = await createMany(site, 50, "right");
      writeFileSync(clock, `+${HOUR_S}\n`);
      // What it acknowledges by itself in its first moment of error, the others take later; all else goes through them.
      const wrong = await Promise.all(Array.from({ length: 20 }, (_, i) => json("POST", site.api, { title: `wrong ${i}` })));
      ids.push(...wrong.filter((answer) => answer.status === 201).map((answer) => answer.json().id));
      await until("its writes go through others", async () => {
        const answer = await json("POST", site.api, { title: "through another" });
        if (answer.status === 201) ids.push(answer.json().id);
        return answer.status === 201 && answer.headers["hedgerow-site"] !== site.name;
      }, 20_000);
      const [gone] = ids.splice(10, 1);
      await remove(site, gone);
      writeFileSync(clock, "+0\n");
      await until("it makes writes itself again, or says why not", async () => {
        const answer = await json("POST", site.api, { title: "right again" });
        if (answer.status === 201) ids.push(answer.json().id);
        return answer.status === 201;
      }, 20_000);
      const known = new Set(ids);
      await until("every acknowledged todo is at the sites with right clocks", async () => {
        const list = await lattice.site("aws").list();
        const found = new Set(list.map((todo) => todo.id));
        return [...known].every((id) => found.has(id)) && !found.has(gone);
      }, 30_000);
    }));
});
