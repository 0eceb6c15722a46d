// Measures the three servers in turn, round after round, so that whatever else the machine does falls on all of them.
// Prints each round, then medians and ratios.
import { execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { Host, removeFolder, root, tempFolder, within } from "../../tests/integration/host.mjs";
import { request } from "../../tests/integration/http.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const SECONDS_EACH = Number(process.env.SECONDS_EACH ?? 3);
const CONNECTIONS = 64;
const THREADS = cpus().length;
const out = join(root, "build/bench-hello");

function program(command, args, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  const address = new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", () => fail(new Error(`${command} ended:\n${text}`)));
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => {
        text += chunk;
        const match = /http:\/\/127\.0\.0\.1:\d+/.exec(text);
        if (match) done(match[0]);
      });
  });
  return within(60_000, `the address of ${command}`, address).then((url) => ({ url, stop: () => child.kill() }));
}

async function startHedgerow(folder) {
  const manifest = join(folder, "hedgerow.yaml");
  const actors = { hello: { file: join(out, "hello.wasm"), links: { http: {} } } };
  writeFileSync(manifest, JSON.stringify({ store: "lmdb:./store", actors }));
  const host = await Host.start({ args: [manifest], cwd: folder, env: { HEDGEROW_WORKERS: `${THREADS}` } });
  return { url: host.url, stop: () => host.stop() };
}

// Not execFileSync: the servers' own output has to be read meanwhile, or they stop when its pipe is full.
async function measure(url) {
  const { stdout: text } = await promisify(execFile)("wrk", ["-t", "2", "-c", `${CONNECTIONS}`, "-d", `${SECONDS_EACH}s`, "--latency", url], { encoding: "utf8" });
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(`not every answer was good:\n${text}`);
  const milliseconds = (label) => {
    const [, number, unit] = new RegExp(`${label}\\s+([\\d.]+)(us|ms|s)`).exec(text);
    return Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit];
  };
  return { rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]), p50: milliseconds("50%"), p99: milliseconds("99%") };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

const folder = tempFolder("bench");
const servers = [
  ["hedgerow", await startHedgerow(folder)],
  ["wasmtime serve", await program(process.env.WASMTIME, ["serve", "--addr", "127.0.0.1:0", join(out, "hello-component.wasm")])],
  ["libmicrohttpd", await program(join(out, "mhd_hello"), [`${THREADS}`])],
];
try {
  for (const [name, server] of servers) {
    const answer = await request("GET", server.url);
    if (answer.text !== "Hello, world!\n") throw new Error(`${name} answers ${answer.status} ${answer.text}`);
  }
  const results = new Map(servers.map(([name]) => [name, []]));
  console.log(`${ROUNDS} rounds of ${SECONDS_EACH} s each, ${CONNECTIONS} connections, ${THREADS} threads of each server on ${cpus().length} cores, wrk on the same`);
  for (let round = 1; round <= ROUNDS; round++) {
    const line = [];
    for (const [name, server] of servers) {
      const result = await measure(server.url);
      if (!(result.rate > 0)) throw new Error(`${name} answered nothing in round ${round}`);
      results.get(name).push(result);
      line.push(`${name} ${Math.round(result.rate)}/s`);
    }
    console.log(`round ${round}: ${line.join(", ")}`);
  }
  const rate = (name) => median(results.get(name).map((result) => result.rate));
  for (const [name, list] of results)
    console.log(`${name.padEnd(15)} median ${Math.round(rate(name))} requests/s, p50 ${median(list.map((r) => r.p50)).toFixed(2)} ms, p99 ${median(list.map((r) => r.p99)).toFixed(2)} ms`);
  for (const other of ["wasmtime serve", "libmicrohttpd"])
    console.log(`hedgerow : ${other} = ${(rate("hedgerow") / rate(other)).toFixed(2)}`);
} finally {
  for (const [, server] of servers) await server.stop();
  removeFolder(folder);
}
process.exit();
