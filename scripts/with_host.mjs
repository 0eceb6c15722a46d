#!/usr/bin/env node
// Runs a command against a host of its own, or several that know nothing of each other: free ports, empty stores in a
// temporary folder, all gone afterwards. The command finds the host by HEDGEROW_URL and HEDGEROW_ADMIN_URL (the first,
// of several), and all of them by HEDGEROW_URLS, separated by commas. Exit status: the command's; 1 if a host did not
// start, or did not stop as it should.
// Usage: scripts/with_host.mjs [--hosts=COUNT] COMMAND [ARGUMENT...]
import { spawn } from "node:child_process";
import { join } from "node:path";

import { Host, removeFolder, tempFolder, until } from "../tests/integration/host.mjs";
import { request } from "../tests/integration/http.mjs";

async function isReady(host) {
  const answer = await request("GET", `${host.adminUrl}/readyz`);
  return answer.status === 200;
}

function run(command, env) {
  return new Promise((done) => {
    const child = spawn(command[0], command.slice(1), { stdio: "inherit", env: { ...process.env, ...env } });
    child.once("error", (error) => {
      console.error(`with_host: ${command[0]}: ${error.message}`);
      done(127);
    });
    child.once("close", (code, signal) => done(signal ? 128 : code));
  });
}

const command = process.argv.slice(2);
const counted = /^--hosts=([1-9]\d?)$/.exec(command[0] ?? "");
if (counted) command.shift();
if (command.length === 0 || command[0].startsWith("--")) {
  console.error("usage: scripts/with_host.mjs [--hosts=COUNT] COMMAND [ARGUMENT...]");
  process.exit(2);
}
const folder = tempFolder("with-host");
const hosts = [];
let status = 1;
try {
  for (let i = 0; i < Number(counted?.[1] ?? 1); i++) {
    const host = await Host.start({ cwd: folder, env: { HEDGEROW_STORE: `lmdb:${join(folder, `store-${i}`)}` } });
    hosts.push(host);
    await until("/readyz answers 200", () => isReady(host));
  }
  status = await run(command, {
    HEDGEROW_URL: hosts[0].url,
    HEDGEROW_ADMIN_URL: hosts[0].adminUrl,
    HEDGEROW_URLS: hosts.map((host) => host.url).join(","),
  });
  for (const host of hosts) {
    const exit = await host.stop();
    if (exit.code !== 0) {
      console.error(`with_host: a host ended with ${JSON.stringify(exit)}`);
      status = status || 1;
    }
  }
} catch (error) {
  console.error(`with_host: ${error.message}`);
  for (const host of hosts) await host.kill();
  status = status || 1;
}
if (status !== 0) for (const host of hosts) console.error(`with_host: a host's log:\n${host.log}`);
removeFolder(folder);
process.exitCode = status;
