// TCP proxies on loopback that delay, hold, cut and pick messages to be slow (proxy_thread.mjs says how). They run on a
// thread of their own, so that what a test does meanwhile is no delay.
import { Worker } from "node:worker_threads";

import { within } from "../integration/host.mjs";
import { freePort } from "./ports.mjs";

const ANSWER_LIMIT_MS = 10_000;

let thread;
let serial = 0;
const waiting = new Map();
const slowed = { count: 0 };

function ask(message) {
  if (!thread) {
    thread = new Worker(new URL("./proxy_thread.mjs", import.meta.url));
    thread.on("message", ({ id, error, slowed: subject }) => {
      if (subject !== undefined) {
        slowed.count++;
        return;
      }
      const { done, fail } = waiting.get(id);
      waiting.delete(id);
      if (error) fail(new Error(`proxy: ${error}`));
      else done();
    });
    thread.unref(); // after the listener, which would keep the process alive
  }
  const id = ++serial;
  const answer = new Promise((done, fail) => {
    waiting.set(id, { done, fail });
    thread.postMessage({ id, ...message });
  });
  return within(ANSWER_LIMIT_MS, "the proxies' answer", answer).then(() => id);
}

export class Proxy {
  static async open(target, { seed = 1 } = {}) {
    const proxy = new Proxy();
    proxy.port = await freePort();
    proxy.id = await ask({ open: { port: proxy.port, target, seed } });
    return proxy;
  }

  get address() {
    return `127.0.0.1:${this.port}`;
  }

  // How many messages all proxies of this process have made slow.
  static get slowed() {
    return slowed.count;
  }

  async set(rules) {
    await ask({ proxy: this.id, set: rules });
  }

  // There and back together.
  delay(roundTripMs) {
    return this.set({ up: { delayMs: roundTripMs / 2 }, down: { delayMs: roundTripMs / 2 } });
  }

  cut() {
    return this.set({ cut: true });
  }

  // way: "both", "up" (from who dialled) or "down".
  hold(way = "both") {
    return this.set({ up: { hold: way !== "down" }, down: { hold: way !== "up" } });
  }

  heal() {
    return this.set({ cut: false, up: { hold: false }, down: { hold: false } });
  }
}
