// A plain HTTP client for tests, that hides nothing: raw bodies, raw header lists, and sockets for what a good
// client would never send.
import http from "node:http";
import net from "node:net";

import { within } from "./host.mjs";

export const ANSWER_LIMIT_MS = 30_000;

const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });

// {status, headers, body (Buffer), text, json()}; rejects when the connection fails.
export function request(method, url, { headers = {}, body, limitMs = ANSWER_LIMIT_MS, ...options } = {}) {
  const exchange = new Promise((done, fail) => {
    const outgoing = http.request(url, { method, headers, agent, ...options }, (incoming) => {
      const chunks = [];
      incoming.on("data", (chunk) => chunks.push(chunk));
      incoming.once("error", fail);
      incoming.once("end", () => {
        const bytes = Buffer.concat(chunks);
        done({
          status: incoming.statusCode,
          headers: incoming.headers,
          rawHeaders: incoming.rawHeaders,
          body: bytes,
          text: bytes.toString("utf8"),
          json: () => JSON.parse(bytes.toString("utf8")),
        });
      });
    });
    outgoing.once("error", fail);
    // What is left behind by a failed test keeps no process alive; the limit does, as long as somebody waits.
    outgoing.once("socket", (socket) => socket.unref());
    outgoing.end(body);
  });
  return within(limitMs, `an answer to ${method} ${url}`, exchange);
}

export function json(method, url, value, options = {}) {
  return request(method, url, {
    ...options,
    headers: { "Content-Type": "application/json", ...options.headers },
    body: JSON.stringify(value),
  });
}

// A TCP connection by hand.
export class Wire {
  constructor(port) {
    this.received = Buffer.alloc(0);
    this.watchers = new Set();
    this.socket = net.connect(port, "127.0.0.1");
    this.socket.setNoDelay(true);
    this.socket.unref();
    this.connected = new Promise((done, fail) => {
      this.socket.once("connect", done);
      this.socket.once("error", fail);
    });
    this.connected.catch(() => {});
    this.closed = new Promise((done) => this.socket.once("close", () => done(true)));
    this.closed.then(() => this.#wake());
    this.socket.on("error", (error) => (this.error = error));
    this.socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#wake();
    });
  }

  #wake() {
    for (const watch of this.watchers) watch();
  }

  get text() {
    return this.received.toString("latin1");
  }

  async open() {
    await within(ANSWER_LIMIT_MS, "a connection", this.connected);
    return this;
  }

  // False when the peer no longer takes it.
  write(bytes) {
    return new Promise((done) => this.socket.write(bytes, (error) => done(!error)));
  }

  // Waits until what has been received matches, or the peer has closed; gives the match.
  receive(pattern, limitMs = ANSWER_LIMIT_MS) {
    const promise = new Promise((done, fail) => {
      const watch = () => {
        const match = pattern.exec(this.text);
        if (match) {
          this.watchers.delete(watch);
          done(match);
        } else if (this.socket.destroyed) {
          this.watchers.delete(watch);
          fail(new Error(`closed before ${pattern}: ${JSON.stringify(this.text)} ${this.error ?? ""}`));
        }
      };
      this.watchers.add(watch);
      watch();
    });
    return within(limitMs, `${pattern} in ${JSON.stringify(this.text.slice(0, 400))}`, promise);
  }

  destroy() {
    this.socket.destroy();
  }
}
