// The 16 cases of the TodoBackend contract (tests/todo-backend), against each of five sites of one lattice.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { root, within } from "../integration/host.mjs";
import { Lattice } from "./site.mjs";

const SUITE_LIMIT_MS = 120_000;
const names = ["cosmonic", "aws", "azure", "gcp", "oracle"];
let lattice;

before(async () => {
  lattice = await Lattice.start(names);
});
after(() => lattice?.stop());

async function suite(url) {
  // Without the runner's own variable, or it would report to the outer one what it has to print.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, [join(root, "tests/todo-backend/run.mjs")], {
    env: { ...env, HEDGEROW_URL: url }, stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
  const ended = new Promise((done) => child.once("close", (code) => done(code)));
  try {
    return { code: await within(SUITE_LIMIT_MS, "the suite's end", ended), text };
  } finally {
    child.kill("SIGKILL");
  }
}

describe("the TodoBackend suite", () => {
  for (const name of names)
    it(`passes at ${name}`, async () => {
      const { code, text } = await suite(lattice.site(name).url);
      assert.equal(code, 0, text);
      assert.match(text, /^# pass 16$|^ℹ pass 16$/m, text);
    });
});
