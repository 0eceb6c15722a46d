// How the page's files are served: in the best coding, with ETags, and with the headers that protect them.
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { url } from "./support.mjs";

/** A plain request: nothing is decoded on the way. */
function get(path, headers = {}, method = "GET") {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const sent = request({ hostname, port, path, method, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, bytes: Buffer.concat(chunks) }),
      );
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end();
  });
}

const decoders = { br: brotliDecompressSync, gzip: gunzipSync };
const served = process.env.HEDGEROW_DEV_SERVER ? { skip: "the development server compresses nothing" } : {};

async function page() {
  const html = (await get("/")).bytes.toString();
  const linked = [...html.matchAll(/(?:src|href)="(\/[^"]+\.\w+)"/g)].map((match) => match[1]);
  assert.ok(
    linked.some((path) => path.endsWith(".js")) && linked.some((path) => path.endsWith(".css")),
    html,
  );
  return ["/", ...linked];
}

test(
  "each file comes in brotli and gzip as what it is without, each with an ETag of its own",
  served,
  async () => {
    for (const path of await page()) {
      const plain = await get(path, { "Accept-Encoding": "identity" });
      assert.equal(plain.status, 200, path);
      assert.equal(plain.headers["content-encoding"], undefined);
      const etags = new Set([plain.headers.etag]);
      for (const [coding, decode] of Object.entries(decoders)) {
        const packed = await get(path, { "Accept-Encoding": coding });
        const is = packed.headers["content-encoding"];
        if (!is) continue;
        assert.equal(is, coding, path);
        assert.deepEqual(decode(packed.bytes), plain.bytes, path);
        assert.ok(packed.bytes.length < plain.bytes.length, path);
        etags.add(packed.headers.etag);
        assert.match(packed.headers.vary, /accept-encoding/i);
      }
      if (/js|css/.test(path)) assert.equal(etags.size, 3, path);
      for (const etag of etags) assert.match(etag, /^"[0-9a-f]{64}"$/);
    }
  },
);

test(
  "brotli is preferred when it is liked as well as gzip, and not when it is liked less",
  served,
  async () => {
    assert.equal(
      (await get("/", { "Accept-Encoding": "gzip, deflate, br" })).headers["content-encoding"],
      "br",
    );
    assert.equal(
      (await get("/", { "Accept-Encoding": "br;q=0.5, gzip" })).headers["content-encoding"],
      "gzip",
    );
    assert.equal(
      (await get("/", { "Accept-Encoding": "br;q=0, gzip;q=0" })).headers["content-encoding"],
      undefined,
    );
  },
);

test("a file that the browser has is not sent again", served, async () => {
  for (const path of await page()) {
    const first = await get(path, { "Accept-Encoding": "br" });
    const again = await get(path, { "Accept-Encoding": "br", "If-None-Match": first.headers.etag });
    assert.equal(again.status, 304, path);
    assert.equal(again.bytes.length, 0);
    const other = await get(path, { "Accept-Encoding": "br", "If-None-Match": '"0"' });
    assert.equal(other.status, 200, path);
  }
});

test(
  "names that tell the content may be kept for ever, the others are asked for each time",
  served,
  async () => {
    for (const path of await page()) {
      const { headers } = await get(path);
      const expected = path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
      assert.equal(headers["cache-control"], expected, path);
    }
  },
);

test("every file has its type and the protecting headers", served, async () => {
  const types = {
    "/": "text/html; charset=utf-8",
    js: "text/javascript; charset=utf-8",
    css: "text/css; charset=utf-8",
    svg: "image/svg+xml",
    webmanifest: "application/manifest+json",
  };
  for (const path of await page()) {
    const { headers } = await get(path);
    assert.equal(headers["content-type"], types[path === "/" ? path : path.split(".").pop()], path);
    assert.match(
      headers["content-security-policy"],
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    );
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["referrer-policy"], "no-referrer");
    assert.equal(headers["cross-origin-opener-policy"], "same-origin");
    assert.equal(headers["cross-origin-resource-policy"], "same-origin");
    assert.ok(headers["permissions-policy"]);
  }
});

test("a place within the page is the page; a file that is not there is 404", async () => {
  const home = await get("/");
  assert.deepEqual((await get("/some/place")).bytes, home.bytes);
  for (const path of ["/missing.js", "/assets/none-00000000.css", "/favicon.ico"])
    assert.equal((await get(path)).status, 404, path);
});

test("a path that leads elsewhere, or that is not well encoded, is no file", async () => {
  for (const path of [
    "/../../etc/passwd.txt",
    "/%2e%2e/%2e%2e/etc/passwd.txt",
    "/assets/..%2f..%2fetc.txt",
    "/%zz.js",
    "/a%00.js",
  ]) {
    const { status } = await get(path);
    assert.ok(status === 404 || status === 400, `${path}: ${status}`);
  }
});

test("HEAD tells what GET would, without sending it", served, async () => {
  const head = await get("/", { "Accept-Encoding": "br" }, "HEAD");
  const full = await get("/", { "Accept-Encoding": "br" });
  assert.equal(head.status, 200);
  assert.equal(head.headers.etag, full.headers.etag);
  assert.equal(head.bytes.length, 0);
});
