// A nats-server with a folder, a client port, a monitoring port and a port for routes of its own.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "../integration/host.mjs";
import { request } from "../integration/http.mjs";
import { freePorts } from "./ports.mjs";
import { Service } from "./service.mjs";

// What a server tells others to reach it by: nobody is there, and a route that was not configured is tried once only. So
// each pair of servers has the one route that was configured, through its proxy if it has one. Two that dial each other
// at the same time may both hang up, and not try again (seen with 2.9.10).
const NOWHERE = "127.0.0.1:1";

// The system's, and the newest one where scripts/deps.sh could build it.
export const usual = "nats-server";
const built = join(root, "build/deps/tools-go/bin/nats-server");
export const newest = existsSync(built) ? built : null;

export class NatsServer {
  // routes: addresses that this server dials. hidden: others must not dial it by what it says about itself.
  // extra: lines of configuration ("authorization {...}").
  static async create(folder, name, { program = usual, routes = [], hidden = false, extra = [] } = {}) {
    const server = new NatsServer();
    const [port, monitor, cluster] = await freePorts(3);
    Object.assign(server, { name, folder, port, monitor, cluster, routes, hidden, extra });
    const config = join(folder, `nats-${name}.conf`);
    const command = ["env", `GOGC=${process.env.GOGC ?? 400}`, program, "-c", config]; // as `hedgerow clouds up` starts it
    server.service = new Service(`nats-server ${name}`, command, () => server.#isHealthy());
    server.config = config;
    return server;
  }

  get url() {
    return `nats://127.0.0.1:${this.port}`;
  }

  async start() {
    const cluster = [
      "name: lattice",
      `listen: "127.0.0.1:${this.cluster}"`,
      `routes: [${this.routes.map((address) => `"nats-route://${address}"`).join(", ")}]`,
      ...(this.hidden ? [`advertise: "${NOWHERE}"`] : []),
      "no_advertise: true", // clients keep to the servers that they were told of
    ];
    writeFileSync(this.config, [
      `server_name: "${this.name}"`,
      `listen: "127.0.0.1:${this.port}"`,
      `http: "127.0.0.1:${this.monitor}"`,
      `cluster {\n  ${cluster.join("\n  ")}\n}`,
      ...this.extra,
      "",
    ].join("\n"));
    await this.service.start();
  }

  async #isHealthy() {
    try {
      return (await this.monitored("healthz")).status === 200;
    } catch {
      return false;
    }
  }

  // What the server says about itself; "varz", "routez", "connz?subs=1", ...
  async monitored(what) {
    return request("GET", `http://127.0.0.1:${this.monitor}/${what}`, { limitMs: 5000, agent: false });
  }

  async routeCount() {
    return (await this.monitored("routez")).json().num_routes;
  }

  async subscriptionCount() {
    return (await this.monitored("subsz")).json().num_subscriptions;
  }
}
