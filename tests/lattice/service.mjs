// One server of somebody else's (nats-server, redis-server) as a child process: started until it answers, killed, started again.
// None outlives this process, however that ends: its parent's death kills it.
import { spawn } from "node:child_process";

import { until, within } from "../integration/host.mjs";

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;
const LOG_BYTES_MAX = 1 << 20;

export const withParent = ["setpriv", "--pdeathsig", "KILL"];

export class Service {
  // command: program and arguments; isReady: whether it serves, asked again and again.
  constructor(name, command, isReady) {
    this.name = name;
    this.command = command;
    this.isReady = isReady;
    this.log = "";
  }

  get pid() {
    return this.child?.pid;
  }

  get runs() {
    return Boolean(this.child) && !this.exit;
  }

  #keep(chunk) {
    this.log = (this.log + chunk).slice(-LOG_BYTES_MAX);
  }

  async start() {
    const [program, ...args] = [...withParent, ...this.command];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    this.exit = null;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (chunk) => this.#keep(chunk));
      stream.unref();
    }
    child.unref();
    this.exited = new Promise((done) => {
      const end = (exit) => {
        if (this.child === child) this.exit = exit;
        done(exit);
      };
      child.once("error", (error) => end({ error: error.message }));
      child.once("exit", (code, signal) => end({ code, signal }));
    });
    await until(`${this.name} serves`, async () => {
      if (this.exit) throw new Error(`${this.name} ended with ${JSON.stringify(this.exit)}:\n${this.log}`);
      return this.isReady();
    }, START_LIMIT_MS);
  }

  async kill(signal = "SIGKILL") {
    if (!this.runs) return;
    this.child.kill("SIGCONT"); // one that is paused would not hear of anything but SIGKILL
    this.child.kill(signal);
    await within(STOP_LIMIT_MS, `the end of ${this.name} after ${signal}`, this.exited);
  }

  // Not a word from it until `resume`, although it lives.
  pause() {
    this.child.kill("SIGSTOP");
  }

  resume() {
    this.child.kill("SIGCONT");
  }
}
