// Five clouds for tests: `hedgerow clouds` in a folder of its own, on ports that are free.
import { existsSync, readFileSync } from "node:fs";
import net from "node:net";
import { delimiter, join } from "node:path";

import { hedgerow, root } from "./host.mjs";

export const SITES = ["cosmonic", "aws", "azure", "gcp", "oracle"];
const PORTS = 41; // CLOUDS_PORTS of cli/clouds_plan.h
const tools = join(root, "build/deps/tools-go/bin");
export const newestNatsServer = existsSync(join(tools, "nats-server")) ? join(tools, "nats-server") : null;

// Listens on a port of the loopback; null if somebody does.
export function listen(port) {
  return new Promise((done, fail) => {
    const server = net.createServer();
    server.once("error", (error) => (error.code === "EADDRINUSE" ? done(null) : fail(error)));
    server.listen(port, "127.0.0.1", () => done(server));
  });
}

export const close = (server) => new Promise((done) => server.close(done));

async function isFree(port) {
  const server = await listen(port);
  if (server) await close(server);
  return server !== null;
}

async function areFree(base) {
  for (let port = base; port < base + PORTS; port++) if (!(await isFree(port))) return false;
  return true;
}

// The first of as many free ports in a row as five clouds take, below those that the system gives to whoever dials.
export async function freePorts() {
  for (let tries = 0; tries < 200; tries++) {
    const base = 10_000 + Math.floor(Math.random() * 22_000);
    if (await areFree(base)) return base;
  }
  throw new Error("no free ports");
}

export class Clouds {
  constructor(folder, base) {
    this.folder = folder;
    this.base = base;
  }

  // A verb to its end: {code, signal, stdout, stderr}. The tools of `make deps` come last on PATH.
  run(verb, args = [], options = {}) {
    const env = { PATH: [process.env.PATH, tools].join(delimiter), ...options.env };
    return hedgerow(["clouds", verb, ...args, "--dir", this.folder], { ...options, env });
  }

  async must(verb, args = [], options = {}) {
    const run = await this.run(verb, args, options);
    if (run.code !== 0) throw new Error(`clouds ${verb} ${args.join(" ")}: ${JSON.stringify(run, null, 1)}`);
    return run;
  }

  up(args = [], options = {}) {
    return this.must("up", ["--base-port", String(this.base), ...args], options);
  }

  // What is recorded: processes and addresses.
  get state() {
    return JSON.parse(readFileSync(join(this.folder, "clouds.json"), "utf8"));
  }

  url(site) {
    return `http://127.0.0.1:${this.base + SITES.indexOf(site)}`;
  }

  // {sites: {aws: {host, redis, nats, ready, alive, ...}}, cuts: [...], text}
  async status(args = []) {
    const { stdout } = await this.must("status", args);
    const [heading, ...lines] = stdout.trimEnd().split("\n");
    const names = heading.split(/ {2,}/).map((name) => name.toLowerCase());
    const sites = {};
    for (const line of lines.splice(0, SITES.length)) {
      const cells = line.split(/ {2,}/);
      const row = Object.fromEntries(names.map((name, i) => [name, cells[i]]));
      sites[row.site] = row;
    }
    return { sites, rest: lines.slice(1), text: stdout };
  }

  async down() {
    if (existsSync(join(this.folder, "clouds.json"))) await this.must("down");
  }
}
