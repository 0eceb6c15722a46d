// Runs the suite in as many lanes as there are servers. A server's list is everybody's, so each lane has a server of
// its own and runs one part at a time; a part is a share of one file's scenarios.
//
// node run.mjs [FILE ...]   HEDGEROW_URLS: the servers, separated by commas; else HEDGEROW_URL, the only one.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("./", import.meta.url));
const urls = (process.env.HEDGEROW_URLS ?? process.env.HEDGEROW_URL ?? "").split(",").filter(Boolean);
if (urls.length === 0) throw new Error("HEDGEROW_URL is not set: give the address of a running Hedgerow");
const files = process.argv.slice(2);
if (files.length === 0) files.push(...readdirSync(folder).filter((name) => name.endsWith(".test.mjs")));

// Only against what never ends: each wait within has a limit of its own.
const PART_LIMIT_MS = 600_000;

/** Runs a part; its output is shown as one piece when it has ended. */
function run({ file, share, shares }, url) {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ["--test", "--test-reporter=spec", file], {
      cwd: folder,
      env: { ...process.env, HEDGEROW_URL: url, HEDGEROW_SHARE: `${share}/${shares}` },
      stdio: ["ignore", "pipe", "inherit"],
      timeout: PART_LIMIT_MS,
    });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => (text += chunk));
    child.once("error", fail);
    child.once("close", (code, signal) => {
      // Without the part's counts, which are summed up below; what else the runner has to say stays.
      const told = text.split("\n").filter((line) => !/^ℹ \w+ [\d.]+$/.test(line));
      const count = (what) => Number(new RegExp(`^ℹ ${what} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
      console.log(`${file} ${share + 1}/${shares}\n${told.join("\n").trim()}\n`);
      if (code !== 0) console.log(`run: ${file} ${share + 1}/${shares} ended with ${signal ?? code}`);
      const counts = { tests: count("tests"), pass: count("pass"), fail: count("fail") + count("cancelled") };
      done({ file, ...counts, failed: code !== 0 });
    });
  });
}

const began = Date.now();
const parts = files.flatMap((file) => {
  const scenarios = readFileSync(join(folder, file), "utf8").match(/^scenario\(/gm) ?? [];
  const shares = Math.max(1, Math.min(urls.length, scenarios.length));
  return Array.from({ length: shares }, (_, share) => ({ file, share, shares }));
});
const results = [];
await Promise.all(
  urls.map(async (url) => {
    for (let part = parts.shift(); part; part = parts.shift()) results.push(await run(part, url));
  }),
);
const failed = [...new Set(results.filter((result) => result.failed).map((result) => result.file))];
const sum = (what) => results.reduce((all, result) => all + result[what], 0);
const tests = sum("tests");
console.log(`${tests} tests in ${urls.length} lanes, ${((Date.now() - began) / 1000).toFixed(1)} s`);
// As node's own runner closes.
for (const what of ["tests", "pass", "fail"]) console.log(`ℹ ${what} ${sum(what)}`);
if (failed.length > 0) console.log(`failed: ${failed.join(", ")}`);
process.exitCode = failed.length > 0 || tests === 0 ? 1 : 0;
