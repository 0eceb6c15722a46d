#!/usr/bin/env node
// Runs a command against a host of its own: free ports, an empty store in a temporary folder, both gone afterwards.
// The command finds the host by HEDGEROW_URL and HEDGEROW_ADMIN_URL. Exit status: the command's; 1 if the host did
// not start, or did not stop as it should.
// Usage: scripts/with_host.mjs COMMAND [ARGUMENT...]
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
if (command.length === 0) {
  console.error("usage: scripts/with_host.mjs COMMAND [ARGUMENT...]");
  process.exit(2);
}
const folder = tempFolder("with-host");
let status = 1;
let host;
try {
  host = await Host.start({ cwd: folder, env: { HEDGEROW_STORE: `lmdb:${join(folder, "store")}` } });
  await until("/readyz answers 200", () => isReady(host));
  status = await run(command, { HEDGEROW_URL: host.url, HEDGEROW_ADMIN_URL: host.adminUrl });
  const exit = await host.stop();
  if (exit.code !== 0) {
    console.error(`with_host: the host ended with ${JSON.stringify(exit)}`);
    status = status || 1;
  }
} catch (error) {
  console.error(`with_host: ${error.message}`);
  await host?.kill();
  status = status || 1;
}
if (status !== 0 && host) console.error(`with_host: the host's log:\n${host.log}`);
removeFolder(folder);
process.exitCode = status;
