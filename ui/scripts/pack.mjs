// Turns the built page into a C file for the ui actor: each file's bytes as they are, and compressed
// with gzip and brotli where that makes them smaller, with a strong ETag for each.
// Usage: node pack.mjs DIST_FOLDER OUTPUT.c
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { extname, join, sep } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const CONTENT_TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
};
// Vite puts a digest of the content into the names of what it writes to assets/.
const HASHED = /^assets\/.+-[\w-]{8}\.\w+$/;
const LINE_BYTES = 32;

const [dist, output] = process.argv.slice(2);
if (!dist || !output) throw new Error("usage: node pack.mjs DIST_FOLDER OUTPUT.c");

const brotli = (bytes) =>
  brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_LGWIN]: 24,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });

function variantsOf(bytes) {
  const compressed = [
    ["UI_CODING_BR", brotli(bytes)],
    ["UI_CODING_GZIP", gzipSync(bytes, { level: 9 })],
  ];
  return [["UI_CODING_IDENTITY", bytes], ...compressed.filter(([, packed]) => packed.length < bytes.length)];
}

function contentType(path) {
  const type = CONTENT_TYPES[extname(path)];
  if (!type)
    throw new Error(
      `${path}: no content type is known for ${extname(path) || "no extension"}; add it to ui/scripts/pack.mjs`,
    );
  return type;
}

// {text, length} of a struct hr_str; the lengths are in bytes, and no text here has any to escape but quotes.
const str = (text) => `{${JSON.stringify(text)}, ${Buffer.byteLength(text)}}`;

function arrayOf(name, bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += LINE_BYTES)
    lines.push(`    ${[...bytes.subarray(at, at + LINE_BYTES)].join(",")},`);
  return `static const unsigned char ${name}[] = {\n${lines.join("\n")}\n};\n`;
}

const paths = readdirSync(dist, { recursive: true })
  .map((path) => String(path).split(sep).join("/"))
  .filter((path) => statSync(join(dist, path)).isFile())
  .sort();
if (!paths.includes("index.html")) throw new Error(`${dist} has no index.html: build the page first`);

const arrays = [];
const tables = [];
const files = [];
paths.forEach((path, i) => {
  const rows = variantsOf(readFileSync(join(dist, path))).map(([coding, bytes]) => {
    const name = `file_${i}_${coding.slice("UI_CODING_".length).toLowerCase()}`;
    const etag = `"${createHash("sha256").update(bytes).digest("hex")}"`;
    arrays.push(arrayOf(name, bytes));
    return `    {${coding}, ${str(etag)}, {(const char *)${name}, sizeof ${name}}},`;
  });
  tables.push(`static const struct ui_variant file_${i}[] = {\n${rows.join("\n")}\n};\n`);
  files.push(
    `    {${str(path)}, ${str(contentType(path))}, ${HASHED.test(path)}, file_${i}, ${rows.length}},`,
  );
});

const source = `/* Made by ui/scripts/pack.mjs out of the built web page. */
#include "actors/ui/built_bundle.h"

${arrays.join("\n")}
${tables.join("\n")}
static const struct ui_file files[] = {
${files.join("\n")}
};

const struct ui_bundle ui_built_bundle = {files, ${files.length}};
`;
if (!existsSync(output) || readFileSync(output, "utf8") !== source) writeFileSync(output, source);
