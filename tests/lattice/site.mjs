// Sites of one lattice on this machine: each with its own nats-server, its own store and its own host, all on ports of their
// own that stay the same when a part is killed and started again.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Host, removeFolder, root, tempFolder, until } from "../integration/host.mjs";
import { request } from "../integration/http.mjs";
import { NatsServer } from "./nats_server.mjs";
import { freePorts } from "./ports.mjs";
import { Proxy } from "./proxy.mjs";
import { RedisServer } from "./redis_server.mjs";
import { withParent } from "./service.mjs";

export const READY_LIMIT_MS = 60_000;
export const SETTLE_LIMIT_MS = 30_000;

// From the page of sites of a host; null when it does not answer.
async function sitesOf(url) {
  try {
    const answer = await request("GET", `${url}/api/sites`, { limitMs: 5000, agent: false });
    return answer.status === 200 ? answer.json() : null;
  } catch {
    return null;
  }
}

export class Site {
  constructor(name, { folder, nats, store, env }) {
    Object.assign(this, { name, folder, nats, store, env, hostLogs: [] });
  }

  // kind: "redis" or "lmdb"; fsync: the redis-server's appendfsync.
  static async create(name, { folder, kind, fsync, nats, env, args = [] }) {
    const store = kind === "redis" ? await RedisServer.create(folder, name, fsync) : null;
    const [http, admin] = await freePorts(2);
    const site = new Site(name, {
      folder, nats, store,
      env: {
        HEDGEROW_HTTP: `127.0.0.1:${http}`,
        HEDGEROW_ADMIN: `127.0.0.1:${admin}`,
        HEDGEROW_STORE: store ? store.url : `lmdb:${join(folder, `store-${name}`)}`,
        HEDGEROW_NATS: nats.url,
        HEDGEROW_SITE: name,
        HEDGEROW_WORKERS: "1",
        ...env,
      },
    });
    Object.assign(site, { url: `http://127.0.0.1:${http}`, adminUrl: `http://127.0.0.1:${admin}`, args });
    return site;
  }

  get api() {
    return `${this.url}/api`;
  }

  async startHost() {
    this.host = await Host.start({ cwd: this.folder, env: this.env, args: this.args, wrapper: withParent });
    await this.isReady();
  }

  async isReady() {
    await until(`${this.name} is ready; its log:\n${this.host.log}`, async () => {
      if (this.host.exit) throw new Error(`the host of ${this.name} ended:\n${this.host.log}`);
      const answer = await request("GET", `${this.adminUrl}/readyz`, { agent: false }).catch(() => null);
      return answer?.status === 200;
    }, READY_LIMIT_MS);
  }

  // Which parts a word means.
  #parts(part) {
    return part === "all" ? ["host", "redis", "nats"] : [part];
  }

  // As a loss of power would.
  async kill(part) {
    await Promise.all(this.#parts(part).map(async (one) => {
      if (one === "nats") await this.nats.service.kill();
      else if (one === "redis") await this.store?.service.kill();
      else {
        this.hostLogs.push(this.host.log);
        await this.host.kill("SIGKILL");
      }
    }));
  }

  async heal(part) {
    const parts = this.#parts(part);
    await Promise.all([
      parts.includes("nats") && this.nats.start(),
      parts.includes("redis") && this.store?.start(),
    ]);
    if (parts.includes("host")) await this.startHost();
  }

  sites() {
    return sitesOf(this.url);
  }

  // The sites that this one sees alive, itself among them.
  async aliveSites() {
    const seen = await this.sites();
    return seen ? seen.sites.filter((site) => site.alive).map((site) => site.name).sort() : [];
  }

  // All todos, over as many pages as it takes; only out of this site's own store, unless others will do.
  async list({ own = true } = {}) {
    const todos = [];
    for (let url = this.api; url;) {
      const answer = await request("GET", url);
      if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${answer.text}`);
      const by = answer.headers["hedgerow-site"];
      if (own && by !== this.name) throw new Error(`${url}: ${by} answered`);
      todos.push(...answer.json());
      const next = /<([^>]*)>; rel="next"/.exec(answer.headers.link ?? "");
      url = next && new URL(next[1], url).href;
    }
    // The place of a todo is each site's own.
    return todos.map(({ url, ...todo }) => todo);
  }

  async serves(limitMs = SETTLE_LIMIT_MS) {
    await until(`${this.name} serves`, () => this.list().then(() => true, () => false), limitMs);
  }

  // One number out of the metrics: the sum of all series of this name.
  async metric(name) {
    const { text } = await request("GET", `${this.adminUrl}/metrics`, { agent: false });
    const lines = text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    if (!lines.length) throw new Error(`${this.name} has no metric ${name}`);
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  logs() {
    return {
      host: [...this.hostLogs, this.host?.log ?? ""].join("\n---- killed and started again\n"),
      nats: this.nats.service?.log ?? "",
      redis: this.store?.service.log ?? "",
    };
  }
}

// For whoever looks into a failure: build/test-logs/lattice/<test>/<site>-<part>.log. Gives the folder.
export function keepLogs(sites, test) {
  const folder = join(root, "build/test-logs/lattice", test.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 80));
  mkdirSync(folder, { recursive: true });
  for (const site of sites)
    for (const [part, log] of Object.entries(site.logs()))
      if (log) writeFileSync(join(folder, `${site.name}-${part}.log`), log);
  return folder;
}

export class Lattice {
  // names: the sites. store: "redis" or "lmdb"; fsync: the redis-servers' appendfsync. proxied: each pair of sites meets through a proxy of its own (`between`).
  // env: variables of all hosts, or a function of the site's name. servers: programs of nats-servers by the site's name.
  static async start(names, { store = "redis", fsync, proxied = false, env = {}, servers = {} } = {}) {
    const lattice = new Lattice();
    Object.assign(lattice, { folder: tempFolder("lattice"), sites: [], pairs: new Map() });
    try {
      await lattice.#start(names, { store, fsync, proxied, env, servers });
      return lattice;
    } catch (error) {
      lattice.keepLogs("start");
      await lattice.stop();
      throw error;
    }
  }

  async #start(names, { store, fsync, proxied, env, servers }) {
    // Of each pair the later one dials, so that one proxy stands for the way between the two.
    for (const name of names) {
      const routes = [];
      for (const site of this.sites) {
        const direct = `127.0.0.1:${site.nats.cluster}`;
        if (proxied) {
          const proxy = await Proxy.open(site.nats.cluster);
          this.pairs.set(`${site.name} ${name}`, proxy);
          routes.push(proxy.address);
        } else routes.push(direct);
      }
      const nats = await NatsServer.create(this.folder, name, { program: servers[name], routes, hidden: true });
      const own = typeof env === "function" ? env(name) : env;
      this.sites.push(await Site.create(name, { folder: this.folder, kind: store, fsync, nats, env: own }));
    }
    await Promise.all(this.sites.flatMap((site) => [site.nats.start(), site.store?.start()]));
    await this.meshed();
    await Promise.all(this.sites.map((site) => site.startHost()));
    await this.settled();
    await this.serving();
  }

  site(name) {
    return this.sites.find((site) => site.name === name);
  }

  others(name) {
    return this.sites.filter((site) => site.name !== name);
  }

  // Of all hosts that run, and of the nats-servers.
  pids() {
    return this.sites.flatMap((site) => [site.host?.exit ? null : site.host?.pid, site.nats.service?.pid].filter(Boolean));
  }

  // The proxy between two sites.
  between(one, other) {
    return this.pairs.get(`${one} ${other}`) ?? this.pairs.get(`${other} ${one}`);
  }

  // Those between two groups of sites.
  across(some, others) {
    return some.flatMap((one) => others.map((other) => this.between(one, other)));
  }

  async meshed() {
    await until("every nats-server has a route to every other", async () => {
      const counts = await Promise.all(this.sites.map((site) => site.nats.routeCount().catch(() => 0)));
      return counts.every((count) => count >= this.sites.length - 1);
    }, SETTLE_LIMIT_MS);
  }

  // Every host sees every site alive.
  async settled(limitMs = SETTLE_LIMIT_MS) {
    const all = this.sites.map((site) => site.name).sort().join();
    await until("every site sees all the others", async () => {
      const seen = await Promise.all(this.sites.map((site) => site.aliveSites()));
      return seen.every((alive) => alive.join() === all);
    }, limitMs);
  }

  // Every site answers out of its own store: it has caught up since it was started.
  async serving(limitMs = SETTLE_LIMIT_MS) {
    for (const site of this.sites) await site.serves(limitMs);
  }

  // Waits until all sites answer the same list, each out of its own store; {list, ms}.
  async agreement(limitMs = SETTLE_LIMIT_MS, sites = this.sites) {
    const began = performance.now();
    let list;
    await until("all sites answer the same list", async () => {
      const lists = await Promise.all(sites.map((site) => site.list().catch((error) => ({ error: error.message }))));
      const [first, ...rest] = lists.map((one) => JSON.stringify(one));
      list = lists[0];
      return Array.isArray(list) && rest.every((one) => one === first);
    }, limitMs);
    return { list, ms: performance.now() - began };
  }

  keepLogs(test) {
    return keepLogs(this.sites, test);
  }

  // Ends everything, whatever state it is in.
  async stop() {
    await Promise.allSettled(this.sites.map((site) => site.host?.kill("SIGKILL")));
    await Promise.allSettled(this.sites.flatMap((site) => [site.nats.service.kill(), site.store?.service.kill()]));
    removeFolder(this.folder);
  }
}

// A test's body with a lattice of its own: `it("...", withLattice(["aws", "gcp"], {}, async (lattice) => ...))`.
export function withLattice(names, options, body) {
  return async (t) => {
    const lattice = await Lattice.start(names, options);
    try {
      await body(lattice, t);
    } catch (error) {
      console.log(`# the logs are in ${lattice.keepLogs(t.name)}`);
      throw error;
    } finally {
      await lattice.stop();
    }
  };
}
