// The proxies' own thread (proxy.mjs is its other end): TCP from a port to a target, each direction under rules that
// change while connections live:
//
//   delayMs   every byte comes that much later, in order
//   hold      nothing comes; what was sent meanwhile comes when the hold ends, as after a partition of a network
//   cut       connections are reset, and new ones too
//   slow      {match, percent, ms}: of a NATS server's messages whose subject matches, so many percent, chosen by a seeded
//             die, come `ms` later, each by itself, while others pass it
import net from "node:net";
import { parentPort } from "node:worker_threads";

import { Random } from "../integration/random.mjs";

const QUEUED_BYTES_MAX = 16 << 20; // of a direction; then its sender is not read for a while

// Cuts a NATS server's stream into what may be sent by itself.
// Each frame is {bytes, subject}; subject is "" for what is no message. Frames (docs.nats.io, "Client Protocol"):
//   MSG <subject> <sid> [reply] <bytes>    HMSG <subject> <sid> [reply] <header bytes> <bytes>    others: one line
class NatsFrames {
  constructor() {
    this.rest = Buffer.alloc(0);
  }

  push(chunk) {
    this.rest = this.rest.length ? Buffer.concat([this.rest, chunk]) : chunk;
    const frames = [];
    for (;;) {
      const line = this.rest.indexOf("\r\n");
      if (line < 0) return frames;
      const words = this.rest.toString("latin1", 0, line).split(/[ \t]+/);
      const isMessage = words[0] === "MSG" || words[0] === "HMSG";
      const length = line + 2 + (isMessage ? Number(words.at(-1)) + 2 : 0);
      if (this.rest.length < length) return frames;
      frames.push({ bytes: this.rest.subarray(0, length), subject: isMessage ? words[1] : "" });
      this.rest = this.rest.subarray(length);
    }
  }
}

const HALF_CLOSE = Symbol("half close");
const CLOSE = Symbol("close");
const lengthOf = (bytes) => bytes.length ?? 0;

// One direction of one connection.
class Way {
  constructor(from, to, rules, dice) {
    Object.assign(this, { from, to, rules, dice, queue: [], queuedBytes: 0, timer: null, frames: null });
    from.on("data", (chunk) => this.#take(chunk));
    // The end of a connection is held and late like its bytes.
    from.once("end", () => this.#push(HALF_CLOSE, performance.now() + rules.delayMs));
    from.once("close", () => this.#push(CLOSE, performance.now() + rules.delayMs));
    to.on("drain", () => this.#breathe());
  }

  #take(chunk) {
    const due = performance.now() + this.rules.delayMs;
    if (this.rules.slow) this.frames ??= new NatsFrames();
    if (!this.frames) {
      this.#push(chunk, due);
      return;
    }
    for (const { bytes, subject } of this.frames.push(chunk)) {
      const slow = this.rules.slow;
      if (slow && subject.includes(slow.match) && this.dice.below(10_000) < slow.percent * 100) {
        parentPort.postMessage({ slowed: subject });
        setTimeout(() => this.#write(bytes), slow.ms);
      } else this.#push(bytes, due);
    }
  }

  #push(bytes, due) {
    this.queue.push({ bytes, due });
    this.queuedBytes += lengthOf(bytes);
    this.flush();
    this.#breathe();
  }

  #breathe() {
    if (this.queuedBytes > QUEUED_BYTES_MAX || this.to.writableNeedDrain) this.from.pause();
    else this.from.resume();
  }

  #write(bytes) {
    if (this.to.destroyed) return;
    if (bytes === HALF_CLOSE) this.to.end();
    else if (bytes === CLOSE) this.to.destroySoon();
    else this.to.write(bytes);
  }

  // Passes on what is due, and comes back for the rest.
  flush() {
    clearTimeout(this.timer);
    if (this.rules.hold) return;
    const now = performance.now();
    while (this.queue.length && this.queue[0].due <= now + 0.5) {
      const { bytes } = this.queue.shift();
      this.queuedBytes -= lengthOf(bytes);
      this.#write(bytes);
    }
    if (this.queue.length) this.timer = setTimeout(() => this.flush(), this.queue[0].due - now);
  }
}

class Proxy {
  constructor(id, target, seed) {
    this.target = target;
    this.dice = new Random(seed);
    this.rules = { up: { delayMs: 0, hold: false, slow: null }, down: { delayMs: 0, hold: false, slow: null } };
    this.isCut = false;
    this.connections = new Set();
    this.server = net.createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
    this.server.on("error", (error) => parentPort.postMessage({ id, error: error.message }));
  }

  #accept(client) {
    if (this.isCut) {
      client.resetAndDestroy();
      return;
    }
    const server = net.connect({ port: this.target, host: "127.0.0.1", allowHalfOpen: true });
    const connection = { client, server, up: new Way(client, server, this.rules.up, this.dice), down: new Way(server, client, this.rules.down, this.dice) };
    this.connections.add(connection);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", () => {}); // its close says it all
      socket.once("close", () => {
        if (client.destroyed && server.destroyed) this.connections.delete(connection);
      });
    }
  }

  set({ cut = this.isCut, up = {}, down = {} }) {
    this.isCut = cut;
    Object.assign(this.rules.up, up);
    Object.assign(this.rules.down, down);
    for (const connection of [...this.connections]) {
      if (cut) {
        connection.client.resetAndDestroy();
        connection.server.resetAndDestroy();
      } else {
        connection.up.flush();
        connection.down.flush();
      }
    }
  }
}

const proxies = new Map();

parentPort.on("message", (message) => {
  const { id, open, set } = message;
  if (open) {
    const proxy = new Proxy(id, open.target, open.seed);
    proxies.set(id, proxy);
    proxy.server.listen(open.port, "127.0.0.1", () => parentPort.postMessage({ id }));
  } else {
    proxies.get(message.proxy).set(set);
    parentPort.postMessage({ id });
  }
});
