// Fails when what the page loads is bigger than it may be. Usage: node size.mjs DIST_FOLDER
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 40 * 1024;
const COUNTED = /\.(html|js|css|svg|webmanifest)$/;

const folder = process.argv[2];
if (!folder) throw new Error("usage: node size.mjs DIST_FOLDER");
const files = readdirSync(folder, { recursive: true })
  .map(String)
  .filter((name) => COUNTED.test(name))
  .sort();
if (!files.some((name) => name.endsWith(".js"))) throw new Error(`${folder} has no built page`);
let total = 0;
for (const name of files) {
  const size = gzipSync(readFileSync(join(folder, name)), { level: 9 }).length;
  total += size;
  console.log(`${String(size).padStart(7)} bytes gzip  ${name}`);
}
console.log(`${String(total).padStart(7)} bytes gzip  in all, of ${LIMIT_BYTES} allowed`);
if (total > LIMIT_BYTES) {
  console.error(`size: ${total - LIMIT_BYTES} bytes over the limit`);
  process.exit(1);
}
