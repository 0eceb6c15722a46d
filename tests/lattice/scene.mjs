// For tests that are not about a lattice of equal sites: servers and hosts one by one, all ended at the test's end.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { hedgerow, removeFolder, tempFolder, until } from "../integration/host.mjs";
import { NatsServer } from "./nats_server.mjs";
import { SETTLE_LIMIT_MS, Site, keepLogs } from "./site.mjs";

// The built-in manifest's part of each actor, as text by its name.
async function builtInActors() {
  const { stdout, stderr, code } = await hedgerow(["manifest"]);
  if (code !== 0) throw new Error(`hedgerow manifest ended with ${code}: ${stderr}`);
  const text = stdout.slice(stdout.indexOf("\nactors:\n") + "\nactors:\n".length);
  const blocks = text.split(/^(?= {2}[a-z])/m);
  return new Map(blocks.map((block) => [/^ {2}([a-z0-9-]+):/.exec(block)[1], block]));
}

export class Scene {
  constructor() {
    this.folder = tempFolder("scene");
    this.sites = [];
    this.servers = [];
  }

  // A nats-server that runs.
  async nats(name, options) {
    const server = await NatsServer.create(this.folder, name, options);
    this.servers.push(server);
    await server.start();
    return server;
  }

  // A manifest with these of the built-in actors; files: modules that take the place of an actor's own.
  async manifest(name, actors, files = {}) {
    const known = await builtInActors();
    const blocks = actors.map((actor) => (files[actor] ? `  ${actor}:\n    file: ${JSON.stringify(files[actor])}\n` : known.get(actor)));
    const path = join(this.folder, `${name}.yaml`);
    writeFileSync(path, `actors:\n${blocks.join("")}`);
    return path;
  }

  // A host that is not started yet. options: nats (a server), kind ("lmdb"), fsync (of a redis-server), env, and actors and files of a manifest of its own.
  async site(name, { nats, kind = "lmdb", fsync, env = {}, actors, files } = {}) {
    const args = actors ? [await this.manifest(name, actors, files)] : [];
    const site = await Site.create(name, { folder: this.folder, kind, fsync, nats, env, args });
    this.sites.push(site);
    await site.store?.start();
    return site;
  }

  async start(name, options) {
    const site = await this.site(name, options);
    await site.startHost();
    return site;
  }

  // Until this site sees exactly these alive.
  async sees(site, names, limitMs = SETTLE_LIMIT_MS) {
    const wanted = [...names].sort().join();
    await until(`${site.name} sees ${wanted}`, async () => (await site.aliveSites()).join() === wanted, limitMs);
  }

  keepLogs(test) {
    return keepLogs(this.sites, test);
  }

  async stop() {
    await Promise.allSettled(this.sites.map((site) => site.host?.kill("SIGKILL")));
    await Promise.allSettled([
      ...this.sites.map((site) => site.store?.service.kill()),
      ...this.servers.map((server) => server.service.kill()),
    ]);
    removeFolder(this.folder);
  }
}

export function withScene(body) {
  return async (t) => {
    const scene = new Scene();
    try {
      await body(scene, t);
    } catch (error) {
      console.log(`# the logs are in ${scene.keepLogs(t.name)}`);
      throw error;
    } finally {
      await scene.stop();
    }
  };
}
