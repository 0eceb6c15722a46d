// A redis-server with a folder of its own, in which every command that it has answered is on the disk.
import net from "node:net";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

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
  static async create(folder, name) {
    const server = new RedisServer();
    const port = await freePort();
    const data = join(folder, `redis-${name}`);
    mkdirSync(data, { recursive: true });
    const command = ["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--dir", data, "--save", "",
      "--appendonly", "yes", "--appendfsync", "always"];
    server.port = port;
    server.service = new Service(`redis-server ${name}`, command, async () => (await ask(port, "PING")) === "+PONG");
    return server;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}/0`;
  }

  ask(command) {
    return ask(this.port, command);
  }

  start() {
    return this.service.start();
  }

  // One command by hand, of words without spaces; the first line of the answer.
  ask(command) {
    return ask(this.port, command);
  }
}
