// Runs `redis-server` processes for tests: on a free port of the loopback, in a folder of their own, stopped by their
// process id.
import { spawn } from "node:child_process";
import net from "node:net";

import { removeFolder, tempFolder, until, within } from "./host.mjs";

export const SYNC = ["--appendonly", "yes", "--appendfsync", "always"];
export const LAZY = ["--appendonly", "yes", "--appendfsync", "everysec"];

const living = new Set();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

function freePort() {
  return new Promise((done, fail) => {
    const server = net.createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

export class Redis {
  // Starts a server and waits until it serves.
  static async start(args = SYNC) {
    const redis = new Redis();
    redis.args = args;
    redis.folder = tempFolder("redis");
    redis.port = await freePort();
    await redis.again();
    return redis;
  }

  // Starts it anew, on the same port and folder.
  async again() {
    this.child = spawn("redis-server", ["--port", this.port, "--bind", "127.0.0.1", "--dir", this.folder, "--save", "",
      "--daemonize", "no", ...this.args], { stdio: "ignore" });
    living.add(this.child);
    this.child.unref();
    this.ended = new Promise((done, fail) => {
      this.child.once("error", fail);
      this.child.once("close", () => done(living.delete(this.child)));
    });
    this.ended.catch(() => {});
    await until("redis-server serves", () => this.ask("PING").catch(() => ""), 20_000);
  }

  // One command of plain words; the first line of the answer.
  ask(...words) {
    return this.askIn(0, ...words);
  }

  // In another database.
  askIn(database, ...words) {
    return within(5_000, `an answer to ${words[0]}`, new Promise((done, fail) => {
      const commands = `SELECT ${database}\r\n${words.join(" ")}\r\n`;
      const socket = net.connect(this.port, "127.0.0.1", () => socket.write(commands));
      let text = "";
      socket.once("error", fail);
      socket.on("data", (bytes) => {
        text += bytes.toString();
        const [, line, rest] = text.split("\r\n");
        if (rest === undefined) return;
        socket.destroy();
        if (line.startsWith("-")) fail(new Error(line));
        else done(line);
      });
    }));
  }

  async kill(signal = "SIGKILL") {
    this.child.kill(signal);
    await within(10_000, `the end of redis-server after ${signal}`, this.ended);
  }

  async drop() {
    if (living.has(this.child)) await this.kill();
    removeFolder(this.folder);
  }
}
