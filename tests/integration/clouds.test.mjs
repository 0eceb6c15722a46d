// `hedgerow clouds`: five sites on this machine are started, looked at, hurt, healed and stopped.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { join } from "node:path";

import { Clouds, SITES, close, freePorts, listen, newestNatsServer } from "./clouds.mjs";
import { hedgerow, removeFolder, tempFolder, until } from "./host.mjs";
import { json, request } from "./http.mjs";

const ROUTE_LIMIT_MS = 20_000;
const ms = (cell) => (cell.endsWith(" ms") ? Number(cell.slice(0, -3)) : NaN);

function processes(state) {
  const list = [state.proxies];
  for (const site of state.sites) list.push(site.host, site.redis, site.nats_server);
  return list;
}

// Zombies have ended: it is only that nobody has asked for them.
function runs({ pid, started }) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
    return fields[0] !== "Z" && Number(fields[19]) === started;
  } catch {
    return false;
  }
}

// The round trips to the other sites, as servers and hosts measure them: less than the table's counts as wrong, because a server
// under way around the proxies would say that; and the best ones are little more. A busy machine adds to some, and an old
// nats-server measures but once.
async function assertDistances(clouds, from) {
  const best = {};
  await until(`round trips from ${from} that are the table's`, async () => {
    const { sites } = await clouds.status(["--from", from]);
    assert.equal(ms(sites[from].table), 0);
    for (const site of SITES.filter((name) => name !== from)) {
      const { table, route, lattice } = sites[site];
      const measured = [route, lattice].map(ms).filter((time) => time >= ms(table) - 0.5);
      best[site] = Math.min(best[site] ?? Infinity, ...measured.map((time) => time - ms(table)));
    }
    return Object.values(best).every((more) => more < 25);
  }, ROUTE_LIMIT_MS).catch((error) => {
    throw new Error(`${error.message}; at best so much more: ${JSON.stringify(best)}`);
  });
}

describe("five clouds", () => {
  let folder;
  let clouds;
  before(async () => {
    folder = tempFolder("clouds");
    // A name that every configuration file would have to quote.
    clouds = new Clouds(join(folder, 'five "clouds" \'#$'), await freePorts());
    const run = await clouds.up();
    for (const site of SITES) assert.ok(run.stdout.includes(`${site} `), run.stdout);
  });
  after(async () => {
    await clouds.down();
    removeFolder(folder);
  });

  it("are all up and ready, and see each other", async () => {
    await until("five sites alive at each site", async () => {
      const { sites } = await clouds.status();
      for (const site of SITES) {
        const { host, redis, nats, ready, http } = sites[site];
        assert.deepEqual({ host, redis, nats, ready, http }, { host: "up", redis: "up", nats: "up", ready: "yes",
          http: clouds.url(site) });
      }
      return SITES.every((site) => sites[site].alive === "5/5");
    });
  });

  it("have nats-servers that do not clean up their memory each time it has doubled", () => {
    for (const { nats_server: server } of clouds.state.sites) {
      const variables = readFileSync(`/proc/${server.pid}/environ`, "utf8").split("\0");
      assert.deepEqual(variables.filter((one) => one.startsWith("GOGC=")), [`GOGC=${process.env.GOGC ?? 400}`]);
    }
  });

  it("are as far apart as the table says", async () => {
    await assertDistances(clouds, "cosmonic");
    await assertDistances(clouds, "gcp");
  });

  it("say what runs when they are started once more", async () => {
    const before = clouds.state;
    const again = await clouds.run("up");
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /run already/);
    assert.match(again.stdout, /^aws +host up, redis up, nats up$/m);
    assert.deepEqual(clouds.state, before);
    const elsewhere = await clouds.run("up", ["--base-port", String(clouds.base + 1)]);
    assert.equal(elsewhere.code, 1);
    assert.match(elsewhere.stderr, /they have other ports/);
  });

  it("refuse a second set on the same ports, and start nothing of it", async () => {
    const second = new Clouds(join(folder, "second"), clouds.base);
    const run = await second.run("up", ["--base-port", String(clouds.base)]);
    assert.equal(run.code, 1);
    assert.match(run.stderr, new RegExp(`port ${clouds.base} \\(cosmonic http\\) is in use`));
    assert.match(run.stderr, /and 36 more ports/);
    assert.match(run.stderr, /choose 41 free ones in a row/);
    assert.equal((await second.run("status")).code, 1);
  });

  for (const part of ["host", "redis", "nats"])
    it(`lose the ${part} of one, and get it back`, async () => {
      const kill = await clouds.must("kill", ["aws", "--part", part]);
      assert.match(kill.stdout, new RegExp(`^aws: ${part} \\(process \\d+\\) is killed$`, "m"));
      const { sites } = await clouds.status();
      assert.equal(sites.aws[part], "down");
      for (const other of SITES.filter((site) => site !== "aws"))
        assert.deepEqual([sites[other].host, sites[other].redis, sites[other].nats], ["up", "up", "up"]);
      const again = await clouds.run("kill", ["aws", "--part", part]);
      assert.equal(again.code, 1);
      assert.match(again.stdout, new RegExp(`^aws: ${part} does not run$`, "m"));
      await clouds.must("heal", ["aws"]);
      const healed = (await clouds.status()).sites.aws;
      assert.deepEqual([healed.host, healed.redis, healed.nats, healed.ready], ["up", "up", "up", "yes"]);
    });

  it("keep what was written while a whole site is killed, and it has that again when it is healed", async () => {
    const todo = await json("POST", `${clouds.url("aws")}/api`, { title: "kept" });
    assert.equal(todo.status, 201, todo.text);
    await clouds.must("kill", ["aws"]);
    const { aws } = (await clouds.status()).sites;
    assert.deepEqual([aws.host, aws.redis, aws.nats, aws.ready, aws.todos], ["down", "down", "down", "no", "-"]);
    assert.equal((await request("GET", `${clouds.url("gcp")}/api`)).status, 200);
    await clouds.must("heal", ["aws"]);
    const { id } = todo.json();
    await until("the todo at aws", async () => (await request("GET", `${clouds.url("aws")}/api/${id}`)).status === 200);
  });

  it("are not waited for when they are stopped", async () => {
    const stop = await clouds.must("kill", ["azure", "--signal", "stop"]);
    assert.equal(stop.stdout.match(/ is stopped$/gm).length, 3, stop.stdout);
    const began = Date.now();
    const { azure } = (await clouds.status()).sites;
    assert.ok(Date.now() - began < 5000, "status takes its time");
    assert.deepEqual([azure.host, azure.redis, azure.nats, azure.ready], ["stopped", "stopped", "stopped", "no"]);
    const again = await clouds.run("up");
    assert.equal(again.code, 1);
    assert.match(again.stderr, /not all of it/);
    await clouds.must("heal", ["azure"]);
    const healed = (await clouds.status()).sites.azure;
    assert.deepEqual([healed.host, healed.redis, healed.nats, healed.ready], ["up", "up", "up", "yes"]);
  });

  // `deaf`: the ends that hear nothing of the other one any more. Their hosts notice before their servers do, which take
  // what they send for a sign of life.
  for (const [name, args, from, to, deaf, said] of [
    ["cut by refusing", ["--refuse"], "aws", "gcp", ["aws", "gcp"], "cut: aws - gcp, connections are refused"],
    ["cut silently", [], "gcp", "oracle", ["gcp", "oracle"], "cut: gcp - oracle, nothing arrives"],
    ["cut one way", ["--one-way"], "azure", "cosmonic", ["cosmonic"], "cut: azure -> cosmonic, nothing arrives"],
  ])
    it(`have links that can be ${name}, and healed`, async () => {
      await clouds.must("cut", [from, to, ...args]);
      await until("an end that misses the other one", async () => {
        const { sites, rest } = await clouds.status();
        assert.ok(rest.includes(said), rest.join("\n"));
        for (const other of SITES.filter((site) => ![from, to].includes(site))) assert.equal(sites[other].alive, "5/5");
        return deaf.every((site) => sites[site].alive === "4/5");
      }, ROUTE_LIMIT_MS);
      await clouds.must("heal", [from, to]);
      await until("five sites alive at each site", async () => {
        const { sites, rest } = await clouds.status(["--from", from]);
        assert.deepEqual(rest, []);
        assert.notEqual(sites[to].route, "-");
        return SITES.every((site) => sites[site].alive === "5/5");
      });
    });

  it("get their links back when the proxies have died", async () => {
    process.kill(clouds.state.proxies.pid, "SIGKILL");
    await until("the end of the proxies", () => !runs(clouds.state.proxies));
    assert.match((await clouds.status()).text, /toxiproxy-server is down: no site reaches another/);
    assert.equal((await clouds.run("cut", ["aws", "gcp"])).code, 1);
    const heal = await clouds.must("heal", ["oracle"]);
    assert.match(heal.stdout, /^links: toxiproxy-server \(process \d+\) is started$/m);
    await assertDistances(clouds, "oracle");
  });

  it("do not run after down, which leaves alone what only has the number of one of them", async () => {
    const state = clouds.state;
    const all = processes(state);
    assert.equal(all.length, 16);
    for (const one of all) assert.ok(runs(one), `process ${one.pid} runs`);
    // As if the number of a host had gone to another process: this one.
    const forged = structuredClone(state);
    const mine = forged.sites[0].host;
    mine.pid = process.pid;
    writeFileSync(join(clouds.folder, "clouds.json"), JSON.stringify(forged));
    await clouds.must("down");
    const left = all.filter(runs);
    assert.deepEqual(left, [state.sites[0].host]);
    process.kill(state.sites[0].host.pid, "SIGTERM");
    await until("the end of the forgotten host", () => !runs(state.sites[0].host));
    assert.ok(existsSync(join(clouds.folder, "aws", "data")), "the data stays");
    for (const site of SITES)
      assert.doesNotMatch(readFileSync(join(clouds.folder, site, "host.log"), "utf8"), /Sanitizer|runtime error/);
    const again = await clouds.run("down");
    assert.equal(again.code, 1);
    assert.match(again.stderr, /no clouds in /);
  });
});

describe("clouds that cannot be", () => {
  let folder;
  before(() => {
    folder = tempFolder("clouds");
  });
  after(() => removeFolder(folder));

  it("are asked wrongly: status 2, a reason, nothing made", async () => {
    const dir = join(folder, "none");
    for (const [args, reason] of [
      [[], /clouds needs a verb/],
      [["sideways"], /clouds has no verb sideways/],
      [["up", "aws"], /that is not how it is called: clouds up/],
      [["up", "--base-port", "80"], /--base-port is a number from 1024 to 65495, not 80/],
      [["up", "--base-port", "x"], /--base-port is a number/],
      [["up", "--base-port"], /nothing follows --base-port/],
      [["up", "--dir", ""], /--dir needs a folder/],
      [["up", "--part", "host"], /there is no such option here: --part/],
      [["kill"], /that is not how it is called: clouds kill/],
      [["kill", "moon"], /there is no site moon; there are cosmonic aws azure gcp oracle/],
      [["kill", "aws", "gcp"], /that is not how it is called/],
      [["kill", "aws", "--part", "disk"], /--part is host, redis, nats or all, not disk/],
      [["kill", "aws", "--signal", "term"], /--signal is kill or stop, not term/],
      [["cut", "aws"], /that is not how it is called/],
      [["cut", "aws", "aws"], /two different ends/],
      [["cut", "aws", "gcp", "--one-way", "--refuse"], /--refuse goes both ways/],
      [["heal", "aws", "gcp", "oracle"], /too many words: oracle/],
      [["status", "--from", "moon"], /there is no site moon/],
      [["down", "--wat"], /there is no such option here: --wat/],
    ]) {
      const run = await hedgerow(["clouds", ...args], { cwd: folder });
      assert.equal(run.code, 2, JSON.stringify([args, run]));
      assert.equal(run.stdout, "");
      assert.match(run.stderr, reason);
      assert.match(run.stderr, /^hedgerow: /);
    }
    assert.ok(!existsSync(dir) && !existsSync(join(folder, "clouds")));
  });

  it("do not run: status 1, and what to do", async () => {
    for (const args of [["status"], ["down"], ["kill", "aws"], ["heal", "aws"], ["cut", "aws", "gcp"]]) {
      const run = await new Clouds(join(folder, "none"), 0).run(args[0], args.slice(1));
      assert.equal(run.code, 1, JSON.stringify([args, run]));
      assert.match(run.stderr, /`hedgerow clouds up` starts some|No such file/);
    }
  });

  it("lack a port, and say which and whose", async () => {
    const base = await freePorts();
    const taken = await listen(base + 27);
    try {
      const clouds = new Clouds(join(folder, "taken"), base);
      const run = await clouds.run("up", ["--base-port", String(base)]);
      assert.equal(run.code, 1);
      assert.match(run.stderr, new RegExp(`port ${base + 27} \\(azure redis\\) is in use`));
      assert.ok(!existsSync(join(clouds.folder, "clouds.json")));
    } finally {
      await close(taken);
    }
  });

  it("lack a program, and say which", async () => {
    const clouds = new Clouds(join(folder, "lacking"), await freePorts());
    const run = await clouds.run("up", ["--nats-server", "no-such-server"]);
    assert.equal(run.code, 1);
    assert.match(run.stderr, /no-such-server is not installed: `make deps`/);
  });

  it("have a server that ends at once: its name, the end of its log, and nothing left running", async () => {
    const base = await freePorts();
    const clouds = new Clouds(join(folder, "ending"), base);
    const program = join(folder, "ending-server");
    writeFileSync(program, "#!/bin/sh\necho 'no use'\nexit 3\n", { mode: 0o755 });
    const run = await clouds.run("up", ["--base-port", String(base), "--nats-server", program]);
    assert.equal(run.code, 1);
    assert.match(run.stderr, /: nats has ended\n---- the end of .*nats\.log:\nno use\n----\n/);
    assert.match(run.stderr, /what was started is stopped again/);
    assert.ok(!existsSync(join(clouds.folder, "clouds.json")));
    const again = await listen(base + 30);
    assert.ok(again, "the proxies' address is free");
    await close(again);
  });

  it("are not read out of a damaged record", async () => {
    const clouds = new Clouds(tempFolder("damaged"), 0);
    writeFileSync(join(clouds.folder, "clouds.json"), '{"version": 1}');
    for (const args of [["up"], ["status"], ["down"]]) {
      const run = await clouds.run(args[0], args.slice(1));
      assert.equal(run.code, 1);
      assert.match(run.stderr, /clouds\.json is not what `hedgerow clouds` wrote/);
    }
    removeFolder(clouds.folder);
  });
});

describe("five clouds with the newest nats-server", { skip: newestNatsServer ? false : "it is not built here" }, () => {
  it("are as far apart as the table says", async () => {
    const folder = tempFolder("clouds");
    const clouds = new Clouds(join(folder, "clouds"), await freePorts());
    try {
      await clouds.up(["--nats-server", newestNatsServer]);
      await assertDistances(clouds, "azure");
    } finally {
      await clouds.down();
      removeFolder(folder);
    }
  });
});
