// A redis-server with a folder of its own, in which every command that it has answered is on the disk, unless its appendfsync is another
// one than `always`.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";

import { until } from "../integration/host.mjs";
import { freePort } from "./ports.mjs";
import { Service } from "./service.mjs";

const ANSWER_LIMIT_MS = 1000;

// One command by hand; the first line of the answer, or "" when nothing came.
function ask(port, command) {
  return new Promise((done) => {
    const socket = net.connect(port, "127.0.0.1", () => socket.write(`${command}\r\n`));
    const end = (text) => {
      socket.destroy();
      done(text);
    };
    socket.setTimeout(ANSWER_LIMIT_MS, () => end(""));
    socket.once("data", (chunk) => end(String(chunk).split("\r\n")[0]));
    socket.once("error", () => end(""));
  });
}

export class RedisServer {
  static async create(folder, name, fsync = "always") {
    const server = new RedisServer();
    const port = await freePort();
    const data = join(folder, `redis-${name}`);
    mkdirSync(data, { recursive: true });
    const command = ["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--dir", data, "--save", "",
      "--appendonly", "yes", "--appendfsync", fsync];
    server.port = port;
    server.data = data;
    server.service = new Service(`redis-server ${name}`, command, async () => (await ask(port, "PING")) === "+PONG");
    return server;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}/0`;
  }

  start() {
    return this.service.start();
  }

  // One command by hand, of words without spaces; the first line of the answer.
  ask(command) {
    return ask(this.port, command);
  }

  // What a loss of power later on may leave: all that it has answered by now. Gives a function that kills it and starts it from that.
  async remember() {
    const mark = randomUUID();
    assert.equal(await this.ask(`SET test:mark ${mark}`), "+OK");
    const written = () => readdirSync(this.data, { recursive: true }).map((name) => join(this.data, name))
      .some((path) => statSync(path).isFile() && readFileSync(path).includes(mark));
    await until("the redis-server has written what it has answered", written);
    const copy = `${this.data}-copy`;
    cpSync(this.data, copy, { recursive: true });
    return async () => {
      await this.service.kill();
      rmSync(this.data, { recursive: true });
      cpSync(copy, this.data, { recursive: true });
      await this.start();
    };
  }
}
