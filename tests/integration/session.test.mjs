// docs/api.md, Sessions: tokens and cookies of one host, through the three actors and a real store.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { join } from "node:path";

import { Host, removeFolder, tempFolder } from "./host.mjs";
import { json, request } from "./http.mjs";

let host, folder, api;

before(async () => {
  folder = tempFolder("session");
  host = await Host.start({ cwd: folder, env: { HEDGEROW_STORE: `lmdb:${join(folder, "store")}` } });
  api = `${host.url}/api`;
});
after(async () => {
  const exit = await host?.stop();
  removeFolder(folder);
  assert.deepEqual(exit, { code: 0, signal: null });
});

const TOKEN = /^[A-Za-z0-9_-]{30,691}$/;
const patch = (url, value, headers = {}) =>
  request("PATCH", url, { headers: { "Content-Type": "application/merge-patch+json", ...headers }, body: JSON.stringify(value) });
const withToken = (token) => ({ headers: { "Hedgerow-Session": token } });

// [[origin, clock], ...] of a token.
function parse(token) {
  const bytes = Buffer.from(token, "base64url");
  assert.equal(bytes[0], 1);
  assert.equal(bytes.length, 2 + bytes[1] * 16 + 4);
  return Array.from({ length: bytes[1] }, (_, i) => [bytes.readBigUInt64BE(2 + i * 16), bytes.readBigUInt64BE(10 + i * 16)]);
}

function assertPrivate(answer) {
  assert.match(answer.headers["cache-control"], /\bprivate\b/);
  assert.match(answer.headers["cache-control"], /\bno-cache\b/);
}

describe("sessions", () => {
  it("begin with a write, whatever it writes, and each token is above the one before", async () => {
    const created = await json("POST", api, { title: "mow" });
    const url = `${api}/${created.json().id}`;
    const answers = [created, await patch(url, { completed: true }), await request("DELETE", url), await request("DELETE", api)];
    assert.deepEqual(answers.map((answer) => answer.status), [201, 200, 204, 204]);
    let last = 0n;
    for (const answer of answers) {
      const token = answer.headers["hedgerow-session"];
      assert.match(token, TOKEN);
      assert.deepEqual(answer.headers["set-cookie"], [`hedgerow-session=${token}; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax`]);
      assertPrivate(answer);
      const [[, clock], ...more] = parse(token);
      assert.deepEqual(more, []);
      assert.ok(clock > last);
      last = clock;
    }
  });

  it("are no concern of those who bring no token", async () => {
    const created = (await json("POST", api, { title: "mow" })).json();
    for (const url of [api, `${api}/${created.id}`, `${api}/018f0000-0000-7000-8000-000000000000`, `${host.url}/api/sites`]) {
      const answer = await request("GET", url, { headers: { Cookie: "theme=dark; hedgerow-sessions=1" } });
      assert.equal(answer.headers["hedgerow-session"], undefined);
      assert.equal(answer.headers["set-cookie"], undefined);
      assert.doesNotMatch(answer.headers["cache-control"], /private/);
    }
  });

  it("go on with reads: the header's and the cookie's token are the same, and are newer when something newer was seen", async () => {
    const created = await json("POST", api, { title: "mow" });
    const url = `${api}/${created.json().id}`;
    const first = created.headers["hedgerow-session"];
    const same = await request("GET", url, withToken(first));
    assert.equal(same.headers["hedgerow-session"], first);
    assert.equal(same.headers["set-cookie"], undefined);
    assertPrivate(same);
    const newest = (await patch(url, { completed: true })).headers["hedgerow-session"];
    for (const at of [url, api]) {
      const seen = await request("GET", at, { headers: { Cookie: `a=b; hedgerow-session=${first}` } });
      assert.equal(seen.headers["hedgerow-session"], newest);
      assert.match(seen.headers["set-cookie"][0], new RegExp(`^hedgerow-session=${newest};`));
      assertPrivate(seen);
    }
  });

  it("remember what is no longer there", async () => {
    const created = await json("POST", api, { title: "mow" });
    const url = `${api}/${created.json().id}`;
    const deleted = (await request("DELETE", url)).headers["hedgerow-session"];
    const missing = await request("GET", url, withToken(created.headers["hedgerow-session"]));
    assert.equal(missing.status, 404);
    assert.equal(missing.headers["hedgerow-session"], deleted);
  });

  it("begin with a read if the header is empty", async () => {
    await json("POST", api, { title: "mow" });
    const answer = await request("GET", api, withToken(""));
    assert.equal(answer.status, 200);
    assert.match(answer.headers["hedgerow-session"], TOKEN);
  });

  it("do not hide that nothing has changed", async () => {
    const created = await json("POST", api, { title: "mow" });
    const url = `${api}/${created.json().id}`;
    for (const at of [url, api]) {
      const { etag } = (await request("GET", at)).headers;
      const again = await request("GET", at, {
        headers: { "If-None-Match": etag, Cookie: `hedgerow-session=${created.headers["hedgerow-session"]}` },
      });
      assert.equal(again.status, 304);
      assert.equal(again.headers.etag, etag);
      assert.match(again.headers["hedgerow-session"], TOKEN);
      assertPrivate(again);
    }
  });

  it("are refused as a header, and begun anew as a cookie, if the token is none", async () => {
    const good = (await json("POST", api, { title: "mow" })).headers["hedgerow-session"];
    const bytes = Buffer.from(good, "base64url");
    bytes[9] ^= 1;
    const ahead = Buffer.from(good, "base64url");
    ahead.writeBigUInt64BE(ahead.readBigUInt64BE(10) + (3600_000n << 16n), 10);
    ahead.writeUInt32BE(crc32c(ahead.subarray(0, -4)), ahead.length - 4);
    for (const bad of ["A", "AAAA", "!", good.slice(1), bytes.toString("base64url"), ahead.toString("base64url")]) {
      const answer = await request("GET", api, withToken(bad));
      assert.equal(answer.status, 400, bad);
      assert.match(answer.json().detail, /^Header Hedgerow-Session /);
      const other = await request("GET", api, { headers: { Cookie: `hedgerow-session=${bad}` } });
      assert.equal(other.status, 200, bad);
    }
    assert.equal((await request("GET", api, withToken(good))).status, 200);
  });

  it("are something that pages of other origins may use", async () => {
    const answer = await request("OPTIONS", api);
    assert.match(answer.headers["access-control-allow-headers"], /\bHedgerow-Session\b/);
    assert.match(answer.headers["access-control-expose-headers"], /\bHedgerow-Session\b/);
    assert.match(answer.headers["access-control-expose-headers"], /\bHedgerow-Behind\b/);
  });
});

// RFC 3720's, bit by bit.
function crc32c(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
