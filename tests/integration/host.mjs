// Runs `hedgerow` processes for tests: start until ready, read their log, stop or kill, and be sure that none is
// left behind. The host chooses its own ports (port 0) and says them in its log, so nothing can collide.
//
// HEDGEROW_BIN names the program to test; default build/release/hedgerow.
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const binary = resolve(root, process.env.HEDGEROW_BIN ?? "build/release/hedgerow");

// A first start compiles the modules; with sanitizers on a busy machine that takes its time.
export const START_LIMIT_MS = 90_000;
// HR_HOST_DRAIN_MS and some room for closing.
export const STOP_LIMIT_MS = 15_000;

// Compiled modules of tests lie apart from the user's own.
export const cacheHome = join(root, "build/test-cache");

// A test that fails leaves its host behind: it neither keeps the process alive nor outlives it. So whoever waits for
// a child does it within a limit (whose timer keeps the process alive).
const living = new Set();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});
function adopt(child) {
  living.add(child);
  child.unref();
  child.stdout.unref();
  child.stderr.unref();
}
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

export function tempFolder(name) {
  return mkdtempSync(join(tmpdir(), `hedgerow-${name}-`));
}

// Also what a test has made unreadable.
export function removeFolder(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) chmodSync(join(folder, entry.name), 0o700);
  rmSync(folder, { recursive: true, force: true });
}

// The promise's outcome, or an error that says what did not happen in time.
export async function within(limitMs, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms: ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Asks `condition` again and again until it gives something; for what nobody announces.
export async function until(what, condition, limitMs = 10_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((wake) => setTimeout(wake, 10));
  }
}

// `key=value key="quoted as in JSON"` as an object; null for a line of another kind.
export function parseLogLine(line) {
  const fields = {};
  const pattern = /([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)/y;
  while (pattern.lastIndex < line.length) {
    const match = pattern.exec(line);
    if (!match) return null;
    const [, key, raw] = match;
    fields[key] = raw.startsWith('"') ? JSON.parse(raw) : raw;
  }
  return fields.event ? fields : null;
}

function environment(extra) {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (name.startsWith("HEDGEROW_")) delete env[name];
  const merged = { ...env, XDG_CACHE_HOME: cacheHome, ...extra };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
}

// Reads a child's output by lines as they come, and wakes whoever waits for one.
class Output {
  constructor(stream, onLine) {
    this.text = "";
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk) => {
      this.text += chunk;
      const parts = (rest + chunk).split("\n");
      rest = parts.pop();
      for (const part of parts) onLine(part);
    });
  }
}

// One process of hedgerow.
export class Host {
  // options: args (after "up"), env, cwd, program, and wrapper: a command that runs the program ("setpriv", ...).
  constructor({ args = [], env = {}, cwd, program = binary, wrapper = [] } = {}) {
    mkdirSync(cacheHome, { recursive: true });
    const command = [...wrapper, program, "up", ...args];
    this.events = [];
    this.waiting = new Set();
    this.child = spawn(command[0], command.slice(1), {
      cwd,
      env: environment({
        HEDGEROW_HTTP: "127.0.0.1:0",
        HEDGEROW_ADMIN: "127.0.0.1:0",
        ...env,
      }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    adopt(this.child);
    this.pid = this.child.pid;
    this.stdout = new Output(this.child.stdout, () => {});
    this.stderr = new Output(this.child.stderr, (line) => this.#onLine(line));
    this.exited = new Promise((done, fail) => {
      this.child.once("error", fail);
      this.child.once("close", (code, signal) => {
        living.delete(this.child);
        this.exit = { code, signal };
        for (const waiter of this.waiting) waiter.end();
        done(this.exit);
      });
    });
    this.exited.catch(() => {}); // whoever waits for it gets it
  }

  #onLine(line) {
    const fields = parseLogLine(line);
    if (!fields) return;
    this.events.push(fields);
    for (const waiter of this.waiting) waiter.see(fields);
  }

  get log() {
    return this.stderr.text;
  }

  // The first log line, past or to come, that `matches` (a function, or fields that must be equal).
  event(matches, limitMs = 10_000) {
    const test = typeof matches === "function"
      ? matches
      : (fields) => Object.entries(matches).every(([key, value]) => fields[key] === String(value));
    const found = this.events.find(test);
    if (found) return Promise.resolve(found);
    const what = `a log line ${typeof matches === "function" ? matches : JSON.stringify(matches)}`;
    const promise = new Promise((done, fail) => {
      const waiter = {
        see: (fields) => {
          if (test(fields)) {
            this.waiting.delete(waiter);
            done(fields);
          }
        },
        end: () => fail(new Error(`the host ended before ${what}; its log:\n${this.log}`)),
      };
      if (this.exit) waiter.end();
      else this.waiting.add(waiter);
    });
    return within(limitMs, `${what}; its log:\n${this.log}`, promise);
  }

  // Starts a host and waits until it serves.
  static async start(options = {}) {
    const host = new Host(options);
    try {
      const ready = await host.event({ event: "host.ready" }, START_LIMIT_MS);
      host.ready = ready;
      host.url = `http://${ready.http}`;
      host.port = Number(ready.http.split(":").pop());
      host.adminUrl = ready.admin ? `http://${ready.admin}` : "";
      return host;
    } catch (error) {
      host.child.kill("SIGKILL");
      throw error;
    }
  }

  // An orderly stop; what the process ended with.
  async stop() {
    if (!this.exit) this.child.kill("SIGTERM");
    return within(STOP_LIMIT_MS, `the end of the host after SIGTERM; its log:\n${this.log}`, this.exited);
  }

  async kill(signal = "SIGKILL") {
    if (!this.exit) this.child.kill(signal);
    return within(STOP_LIMIT_MS, `the end of the host after ${signal}`, this.exited);
  }
}

// Runs a verb to its end: {code, signal, stdout, stderr}.
export async function hedgerow(args, { env = {}, cwd, limitMs = START_LIMIT_MS, program = binary, wrapper = [] } = {}) {
  const command = [...wrapper, program, ...args];
  const child = spawn(command[0], command.slice(1), { cwd, env: environment(env), stdio: ["ignore", "pipe", "pipe"] });
  adopt(child);
  const stdout = new Output(child.stdout, () => {});
  const stderr = new Output(child.stderr, () => {});
  const ended = new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code, signal) => done({ code, signal }));
  });
  try {
    const exit = await within(limitMs, `the end of hedgerow ${args.join(" ")}`, ended);
    return { ...exit, stdout: stdout.text, stderr: stderr.text };
  } finally {
    child.kill("SIGKILL");
    living.delete(child);
  }
}
