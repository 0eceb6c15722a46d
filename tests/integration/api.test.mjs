// docs/api.md, row by row, through the three actors and a real store.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { gunzipSync, brotliDecompressSync } from "node:zlib";
import { join } from "node:path";

import { Host, removeFolder, tempFolder } from "./host.mjs";
import { Wire, json, request } from "./http.mjs";

let host, folder, api;
const SITE = "isle";

before(async () => {
  folder = tempFolder("api");
  host = await Host.start({ cwd: folder, env: { HEDGEROW_STORE: `lmdb:${join(folder, "store")}`, HEDGEROW_SITE: SITE } });
  api = `${host.url}/api`;
});
after(async () => {
  const exit = await host?.stop();
  removeFolder(folder);
  assert.deepEqual(exit, { code: 0, signal: null });
});
beforeEach(async () => {
  assert.equal((await request("DELETE", api)).status, 204);
});

const create = async (todo) => {
  const answer = await json("POST", api, todo);
  assert.equal(answer.status, 201, answer.text);
  return { ...answer.json(), etag: answer.headers.etag };
};
const list = async (query = "") => (await request("GET", `${api}${query}`)).json();
const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const absentId = "018f0000-0000-7000-8000-000000000000";

// What every answer has, whatever it answers.
function assertCommon(answer) {
  assert.equal(answer.headers["access-control-allow-origin"], "*");
  assert.equal(answer.headers["hedgerow-site"], SITE);
}

function assertProblem(answer, status, detail) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  assertCommon(answer);
  const problem = answer.json();
  assert.deepEqual(Object.keys(problem).sort(), ["detail", "status", "title", "type"]);
  assert.equal(problem.type, "about:blank");
  assert.equal(problem.status, status);
  assert.ok(problem.title.length > 0);
  assert.match(problem.detail, detail);
}

function assertAcks(answer) {
  assert.equal(answer.headers["hedgerow-acks"], "1/1");
}

describe("POST /api", () => {
  it("answers 201 with the todo, its Location and its ETag", async () => {
    const answer = await json("POST", api, { title: "mow", completed: true, order: 3 });
    assert.equal(answer.status, 201);
    assertCommon(answer);
    assertAcks(answer);
    assert.match(answer.headers["content-type"], /^application\/json/);
    const todo = answer.json();
    assert.deepEqual(Object.keys(todo).sort(), ["completed", "id", "order", "title", "url"]);
    assert.match(todo.id, uuidV7);
    assert.equal(todo.url, `${api}/${todo.id}`);
    assert.equal(answer.headers.location, todo.url);
    assert.match(answer.headers.etag, /^"[^"]+"$/);
    assert.deepEqual([todo.title, todo.completed, todo.order], ["mow", true, 3]);
    const read = await request("GET", todo.url);
    assert.deepEqual(read.json(), todo);
    assert.equal(read.headers.etag, answer.headers.etag);
  });

  it("fills in what is optional: not completed, no order", async () => {
    const todo = await create({ title: "x" });
    assert.equal(todo.completed, false);
    assert.equal(todo.order, null);
    assert.equal((await create({ title: "x", order: null })).order, null);
  });

  it("takes every JSON number as an order, and gives it back", async () => {
    for (const order of [0, -1, 1.5, 9007199254740991, -9007199254740991, 1e300])
      assert.equal((await create({ title: "n", order })).order, order);
  });

  it("gives each todo an id of its own, in order of time", async () => {
    const todos = [];
    for (let i = 0; i < 20; i++) todos.push(await create({ title: `${i}` }));
    const ids = todos.map((todo) => todo.id);
    assert.equal(new Set(ids).size, 20);
    assert.deepEqual(ids, [...ids].sort());
  });

  it("takes a body without Content-Type, and one with parameters", async () => {
    const bare = await request("POST", api, { body: '{"title":"bare"}' });
    assert.equal(bare.status, 201, bare.text);
    const charset = await request("POST", api, {
      headers: { "Content-Type": "Application/JSON; charset=UTF-8" }, body: '{"title":"charset"}' });
    assert.equal(charset.status, 201, charset.text);
  });

  it("takes a chunked body", async () => {
    const answer = await request("POST", api, {
      headers: { "Content-Type": "application/json", "Transfer-Encoding": "chunked" }, body: '{"title":"chunked"}' });
    assert.equal(answer.status, 201);
    assert.equal(answer.json().title, "chunked");
  });

  const bad = [
    ["no body", "", /./],
    ["malformed JSON", '{"title":', /./],
    ["two values", '{"title":"a"} {}', /./],
    ["an array", '[{"title":"a"}]', /object/],
    ["no title", '{"completed":true}', /title/],
    ["an empty title", '{"title":""}', /title/],
    ["a title of 4,097 bytes", JSON.stringify({ title: "x".repeat(4097) }), /title/],
    ["a title of 4,098 bytes in 2,049 characters", JSON.stringify({ title: "é".repeat(2049) }), /title/],
    ["a numeric title", '{"title":7}', /title/],
    ["a null title", '{"title":null}', /title/],
    ["U+0000 in the title", '{"title":"a\\u0000b"}', /title/],
    ["half a surrogate pair", '{"title":"\\ud83d"}', /./],
    ["bytes that are not UTF-8", Buffer.from('{"title":"\xff"}', "latin1"), /./],
    ["a completed that is no boolean", '{"title":"a","completed":"yes"}', /completed/],
    ["a null completed", '{"title":"a","completed":null}', /completed/],
    ["an order that is no number", '{"title":"a","order":"1"}', /order/],
    ["an unknown field", '{"title":"a","colour":"red"}', /colour/],
    ["a field twice", '{"title":"a","title":"b"}', /title/],
    ["an id of the client's", `{"title":"a","id":"${absentId}"}`, /id/],
    ["a url of the client's", '{"title":"a","url":"http://x/"}', /url/],
  ];
  for (const [what, body, detail] of bad)
    it(`answers 400 to ${what}, and stores nothing`, async () => {
      const answer = await request("POST", api, { headers: { "Content-Type": "application/json" }, body });
      assertProblem(answer, 400, detail);
      assert.deepEqual(await list(), []);
    });

  it("answers 415 with Accept-Post to another type", async () => {
    const answer = await request("POST", api, { headers: { "Content-Type": "text/plain" }, body: '{"title":"a"}' });
    assertProblem(answer, 415, /application\/json/);
    assert.match(answer.headers["accept-post"], /application\/json/);
    assert.deepEqual(await list(), []);
  });

  it("answers 413 to a body above 64 KiB", async () => {
    const body = JSON.stringify({ title: "a", completed: false }).padEnd(65537, " ");
    assertProblem(await request("POST", api, { headers: { "Content-Type": "application/json" }, body }), 413, /./);
    const fits = body.slice(0, 65536);
    assert.equal((await request("POST", api, { headers: { "Content-Type": "application/json" }, body: fits })).status, 201);
  });
});

describe("titles", () => {
  const titles = {
    "4,096 ASCII bytes": "x".repeat(4096),
    "4,096 bytes of four-byte characters": "🦔".repeat(1024),
    "4,096 bytes of three-byte characters, with one to spare": "籬".repeat(1365) + "x",
    "combining characters, not normalised": "e\u0301 é ﬁ Å Å",
    "what JSON must escape": 'quote " backslash \\ slash / tab \t line \n return \r bell \u0007 del \u007f',
    "bidirectional and zero-width characters": "\u202eabc\u202c \u200b\ufeff\u2028\u2029",
    "the last code points": "\uffff \u{10ffff} \ue000",
    "markup and percent signs": "<script>alert(1)</script> %s %n &amp; %00",
    "a blank": " ",
  };
  for (const [what, title] of Object.entries(titles))
    it(`keeps ${what} byte for byte`, async () => {
      const bytes = Buffer.from(title, "utf8");
      assert.ok(bytes.length <= 4096);
      const todo = await create({ title });
      const patched = await json("PATCH", todo.url, { title: "other" });
      assert.equal(patched.status, 200);
      const back = await json("PATCH", todo.url, { title });
      for (const found of [todo, back.json(), (await request("GET", todo.url)).json(), (await list())[0]])
        assert.deepEqual(Buffer.from(found.title, "utf8"), bytes);
    });
});

describe("GET /api", () => {
  it("is an empty array at first", async () => {
    const answer = await request("GET", api);
    assert.equal(answer.status, 200);
    assertCommon(answer);
    assert.equal(answer.text, "[]");
    assert.equal(answer.headers.link, undefined);
  });

  it("gives all of 250 todos in order of creation, and by pages with Link", async () => {
    const titles = Array.from({ length: 250 }, (_, i) => `todo ${i}`);
    for (const title of titles) await create({ title });
    const all = await request("GET", api);
    assert.deepEqual(all.json().map((todo) => todo.title), titles);
    assert.equal(all.headers.link, undefined);

    for (const limit of [1, 7, 100, 125, 249, 250, 251, 1000]) {
      const seen = [];
      let next = `${api}?limit=${limit}`;
      let pages = 0;
      while (next && limit > 1 || (next && pages < 3)) {
        const page = await request("GET", next);
        assert.equal(page.status, 200);
        const todos = page.json();
        assert.ok(todos.length >= 1 && todos.length <= limit);
        seen.push(...todos);
        pages++;
        const link = page.headers.link;
        if (!link) { next = null; continue; }
        const [, target] = /^<([^>]+)>; rel="next"$/.exec(link) ?? assert.fail(link);
        assert.equal(new URL(target).searchParams.get("after"), todos.at(-1).id);
        assert.equal(new URL(target).searchParams.get("limit"), `${limit}`);
        next = target;
      }
      const expected = limit === 1 ? titles.slice(0, 3) : titles;
      assert.deepEqual(seen.map((todo) => todo.title), expected, `limit=${limit}`);
    }
  });

  it("goes on after an id that is not there (any more)", async () => {
    const [a, b, c] = [await create({ title: "a" }), await create({ title: "b" }), await create({ title: "c" })];
    await request("DELETE", b.url);
    assert.deepEqual((await list(`?after=${b.id}`)).map((todo) => todo.id), [c.id]);
    assert.deepEqual((await list(`?after=${absentId}`)).map((todo) => todo.id), [a.id, c.id]);
    assert.deepEqual(await list(`?after=${c.id}`), []);
  });

  for (const query of ["limit=0", "limit=1001", "limit=-1", "limit=a", "limit=", "limit=1&limit=2", "after=", "after=a%20b"])
    it(`answers 400 to ?${query}`, async () => {
      assertProblem(await request("GET", `${api}?${query}`), 400, new RegExp(query.split("=")[0]));
    });

  it("has an ETag that changes with every change, and 304 to If-None-Match", async () => {
    const tags = [];
    const look = async () => {
      const answer = await request("GET", api);
      tags.push(answer.headers.etag);
      const again = await request("GET", api, { headers: { "If-None-Match": answer.headers.etag } });
      assert.equal(again.status, 304);
      assert.equal(again.body.length, 0);
      assert.equal(again.headers.etag, answer.headers.etag);
      assertCommon(again);
    };
    await look();
    const todo = await create({ title: "a" });
    await look();
    await json("PATCH", todo.url, { completed: true });
    await look();
    await request("DELETE", todo.url);
    await create({ title: "b" });
    await look();
    assert.equal(new Set(tags).size, 4);
    const stale = await request("GET", api, { headers: { "If-None-Match": tags[1] } });
    assert.equal(stale.status, 200);
    const many = await request("GET", api, { headers: { "If-None-Match": `"x", W/${tags[3]}` } });
    assert.equal(many.status, 304);
    assert.equal((await request("GET", api, { headers: { "If-None-Match": "*" } })).status, 304);
  });
});

describe("DELETE /api", () => {
  it("answers 204 and leaves nothing, whether there was something or not", async () => {
    const todo = await create({ title: "a" });
    for (let i = 0; i < 2; i++) {
      const answer = await request("DELETE", api);
      assert.equal(answer.status, 204);
      assert.equal(answer.body.length, 0);
      assertCommon(answer);
      assertAcks(answer);
      assert.deepEqual(await list(), []);
    }
    assert.equal((await request("GET", todo.url)).status, 404);
    await create({ title: "after" });
    assert.equal((await list()).length, 1);
  });
});

describe("GET /api/<id>", () => {
  it("answers 200 with the todo, 304 to its ETag", async () => {
    const todo = await create({ title: "a" });
    const answer = await request("GET", todo.url);
    assert.equal(answer.status, 200);
    assertCommon(answer);
    const same = await request("GET", todo.url, { headers: { "If-None-Match": todo.etag } });
    assert.equal(same.status, 304);
    assert.equal(same.headers.etag, todo.etag);
    assert.equal(same.body.length, 0);
    await json("PATCH", todo.url, { title: "b" });
    const changed = await request("GET", todo.url, { headers: { "If-None-Match": todo.etag } });
    assert.equal(changed.status, 200);
    assert.notEqual(changed.headers.etag, todo.etag);
  });

  for (const id of [absentId, "1", "not%20an%20id", "%ff", "a/b", "..", "x".repeat(300), "a%00b"])
    it(`answers 404 to ${id.slice(0, 40)}`, async () => {
      const wire = await new Wire(host.port).open(); // a client library would tidy up the path
      await wire.write(`GET /api/${id} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`);
      const [, status] = await wire.receive(/^HTTP\/1\.1 (\d+)/);
      assert.equal(status, "404");
      await wire.receive(/application\/problem\+json/);
      wire.destroy();
    });
});

describe("PATCH /api/<id>", () => {
  it("changes what is named and nothing else", async () => {
    const todo = await create({ title: "a", completed: false, order: 1 });
    const answer = await json("PATCH", todo.url, { completed: true });
    assert.equal(answer.status, 200);
    assertCommon(answer);
    assertAcks(answer);
    assert.deepEqual(answer.json(), { id: todo.id, url: todo.url, title: "a", completed: true, order: 1 });
    assert.notEqual(answer.headers.etag, todo.etag);
    assert.equal((await request("GET", todo.url)).headers.etag, answer.headers.etag);
  });

  it("is a merge patch: null removes the order, and cannot remove the title", async () => {
    const todo = await create({ title: "a", order: 1 });
    const merge = (value) =>
      json("PATCH", todo.url, value, { headers: { "Content-Type": "application/merge-patch+json" } });
    assert.equal((await merge({ order: null })).json().order, null);
    assert.equal((await request("GET", todo.url)).json().order, null);
    assertProblem(await merge({ title: null }), 400, /title/);
    assert.equal((await request("GET", todo.url)).json().title, "a");
  });

  it("changes nothing when nothing is named", async () => {
    const todo = await create({ title: "a" });
    const answer = await json("PATCH", todo.url, {});
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.etag, todo.etag);
  });

  it("lets a client send the whole todo back", async () => {
    const { etag, ...todo } = await create({ title: "a" });
    assert.equal((await json("PATCH", todo.url, { ...todo, title: "b" })).json().title, "b");
    assertProblem(await json("PATCH", todo.url, { ...todo, id: absentId }), 400, /id/);
  });

  it("answers 412 when If-Match is of an older version, and 200 when it is of this one", async () => {
    const todo = await create({ title: "a" });
    const first = await json("PATCH", todo.url, { title: "b" }, { headers: { "If-Match": todo.etag } });
    assert.equal(first.status, 200);
    const second = await json("PATCH", todo.url, { title: "c" }, { headers: { "If-Match": todo.etag } });
    assertProblem(second, 412, /./);
    assert.equal((await request("GET", todo.url)).json().title, "b");
    const both = await json("PATCH", todo.url, { title: "d" }, {
      headers: { "If-Match": `${todo.etag}, ${first.headers.etag}` } });
    assert.equal(both.status, 200);
    assert.equal((await json("PATCH", todo.url, { title: "e" }, { headers: { "If-Match": "*" } })).status, 200);
    const weak = await json("PATCH", todo.url, { title: "f" }, {
      headers: { "If-Match": `W/${(await request("GET", todo.url)).headers.etag}` } });
    assertProblem(weak, 412, /./);
    assertProblem(await json("PATCH", todo.url, { title: "g" }, { headers: { "If-Match": "unquoted" } }), 400, /If-Match/);
  });

  it("lets exactly one of many writers with the same If-Match through", async () => {
    const todo = await create({ title: "a" });
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) =>
      json("PATCH", todo.url, { title: `writer ${i}` }, { headers: { "If-Match": todo.etag } })));
    const statuses = answers.map((answer) => answer.status).sort();
    assert.deepEqual(statuses, [200, ...Array(23).fill(412)]);
    const winner = answers.find((answer) => answer.status === 200).json();
    assert.deepEqual((await request("GET", todo.url)).json(), winner);
  });

  it("answers 404 where no todo is, with and without If-Match", async () => {
    const gone = await create({ title: "a" });
    await request("DELETE", gone.url);
    for (const url of [`${api}/${absentId}`, gone.url]) {
      assertProblem(await json("PATCH", url, { title: "b" }), 404, /./);
      assertProblem(await json("PATCH", url, { title: "b" }, { headers: { "If-Match": gone.etag } }), 404, /./);
      assert.equal((await request("GET", url)).status, 404);
    }
    assert.deepEqual(await list(), []);
  });

  it("answers 415 with Accept-Patch to another type", async () => {
    const todo = await create({ title: "a" });
    const answer = await request("PATCH", todo.url, {
      headers: { "Content-Type": "application/json-patch+json" }, body: "[]" });
    assertProblem(answer, 415, /merge-patch/);
    assert.match(answer.headers["accept-patch"], /application\/merge-patch\+json/);
  });

  for (const [body, detail] of [['{"title":', /./], ['{"title":1}', /title/], ['{"completed":0}', /completed/],
    ['{"order":true}', /order/], ['{"x":1}', /x/], ["[]", /object/]])
    it(`answers 400 to ${body}`, async () => {
      const todo = await create({ title: "a" });
      assertProblem(await request("PATCH", todo.url, { headers: { "Content-Type": "application/json" }, body }), 400, detail);
      assert.equal((await request("GET", todo.url)).headers.etag, todo.etag);
    });
});

describe("DELETE /api/<id>", () => {
  it("answers 204, then 404", async () => {
    const todo = await create({ title: "a" });
    const other = await create({ title: "b" });
    const answer = await request("DELETE", todo.url);
    assert.equal(answer.status, 204);
    assertCommon(answer);
    assertAcks(answer);
    assertProblem(await request("DELETE", todo.url), 404, /./);
    assert.equal((await request("GET", todo.url)).status, 404);
    assert.deepEqual((await list()).map((found) => found.id), [other.id]);
  });

  it("answers 412 when If-Match is of an older version", async () => {
    const todo = await create({ title: "a" });
    const patched = await json("PATCH", todo.url, { title: "b" });
    assertProblem(await request("DELETE", todo.url, { headers: { "If-Match": todo.etag } }), 412, /./);
    assert.equal((await request("GET", todo.url)).status, 200);
    assert.equal((await request("DELETE", todo.url, { headers: { "If-Match": patched.headers.etag } })).status, 204);
  });
});

describe("GET /api/sites", () => {
  it("tells of the own site alone where there is no lattice, and is not to be stored", async () => {
    const answer = await request("GET", `${api}/sites`);
    assert.equal(answer.status, 200);
    assertCommon(answer);
    assert.equal(answer.headers["cache-control"], "no-store");
    assert.equal(answer.headers.etag, undefined);
    const { here, sites } = answer.json();
    assert.equal(here, SITE);
    assert.equal(sites.length, 1);
    assert.deepEqual({ ...sites[0], id: 0 },
      { name: SITE, id: 0, here: true, alive: true, state: "active", store: true, hosts: 1, round_trip_ms: sites[0].round_trip_ms, silent_ms: 0 });
    assert.ok(Number.isInteger(sites[0].id) && sites[0].id > 0);
  });

  it("is no todo's place", async () => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const answer = await request(method, `${api}/sites`, { body: method === "DELETE" ? undefined : "{}" });
      assertProblem(answer, 405, /GET, HEAD, OPTIONS/);
      assert.equal(answer.headers.allow, "GET, HEAD, OPTIONS");
    }
    const head = await request("HEAD", `${api}/sites`);
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
  });
});

describe("other methods", () => {
  it("answers OPTIONS * for the server as a whole", async () => {
    const wire = await new Wire(host.port).open();
    await wire.write("OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    const [, status] = await wire.receive(/^HTTP\/1\.1 (\d+)/);
    assert.equal(status, "204");
    await wire.receive(/\r\nAllow: GET, HEAD, POST, PATCH, DELETE, OPTIONS\r\n/);
    wire.destroy();
  });

  it("answers OPTIONS with 204, Allow and what CORS asks for", async () => {
    const todo = await create({ title: "a" });
    const rows = [[api, ["GET", "HEAD", "POST", "DELETE", "OPTIONS"]], [todo.url, ["GET", "HEAD", "PATCH", "DELETE", "OPTIONS"]],
      [`${host.url}/`, ["GET", "HEAD", "OPTIONS"]]];
    for (const [url, methods] of rows) {
      const answer = await request("OPTIONS", url, {
        headers: { Origin: "http://elsewhere", "Access-Control-Request-Method": "GET" } });
      assert.equal(answer.status, 204);
      assert.equal(answer.body.length, 0);
      assertCommon(answer);
      const split = (name) => answer.headers[name].split(",").map((item) => item.trim());
      assert.deepEqual(split("allow").sort(), [...methods].sort());
      for (const method of methods) assert.ok(split("access-control-allow-methods").includes(method));
      const headers = split("access-control-allow-headers").map((item) => item.toLowerCase());
      for (const header of ["content-type", "if-match", "if-none-match"]) assert.ok(headers.includes(header), header);
    }
  });

  it("lets pages of other origins read the headers that they need", async () => {
    const answer = await json("POST", api, { title: "a" }, { headers: { Origin: "http://elsewhere" } });
    const exposed = answer.headers["access-control-expose-headers"].toLowerCase();
    for (const name of ["etag", "link", "location", "hedgerow-site", "hedgerow-acks"]) assert.ok(exposed.includes(name), name);
  });

  it("answers HEAD as GET, without the body", async () => {
    const todo = await create({ title: "a" });
    for (const url of [api, `${api}?limit=1`, todo.url, `${api}/${absentId}`, `${host.url}/`]) {
      const get = await request("GET", url);
      const head = await request("HEAD", url);
      assert.equal(head.status, get.status, url);
      assert.equal(head.body.length, 0);
      for (const name of ["content-type", "content-length", "etag", "link", "hedgerow-site", "access-control-allow-origin"])
        assert.equal(head.headers[name], get.headers[name], `${name} of ${url}`);
    }
  });

  it("answers 405 with Allow to a method that a resource does not have", async () => {
    const todo = await create({ title: "a" });
    for (const [method, url, allow] of [["PUT", todo.url, /PATCH/], ["POST", todo.url, /PATCH/], ["PATCH", api, /POST/],
      ["PUT", api, /POST/], ["POST", `${host.url}/index.html`, /GET/], ["DELETE", `${host.url}/`, /GET/], ["BREW", api, /POST/]]) {
      const answer = await request(method, url, { body: method === "DELETE" ? undefined : "{}" });
      assertProblem(answer, 405, /./);
      assert.match(answer.headers.allow, allow);
      assert.ok(!answer.headers.allow.includes(method));
    }
    assert.equal((await list()).length, 1);
  });
});

describe("urls", () => {
  it("are made of the request's authority, and X-Forwarded-Proto is not trusted", async () => {
    const headers = { Host: "todo.example:8443", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example" };
    const answer = await json("POST", api, { title: "a" }, { headers });
    assert.equal(answer.json().url, `http://todo.example:8443/api/${answer.json().id}`);
    assert.equal(answer.headers.location, answer.json().url);
    const page = await request("GET", `${api}?limit=1`, { headers });
    assert.equal(page.json()[0].url, answer.json().url);
  });

  it("answers 400 to a Host that is none", async () => {
    const answer = await request("GET", api, { headers: { Host: 'a"b<c>' } });
    assert.equal(answer.status, 400);
    assert.equal(answer.headers["content-type"], "application/problem+json");
    assert.equal(answer.json().status, 400);
  });
});

describe("the web page", () => {
  it("is at / and at every path without an extension", async () => {
    const page = await request("GET", `${host.url}/`);
    assert.equal(page.status, 200);
    assertCommon(page);
    assert.match(page.headers["content-type"], /^text\/html/);
    assert.match(page.text, /<html/i);
    assert.ok(page.headers.etag);
    for (const path of ["/active", "/a/b/c"]) assert.equal((await request("GET", host.url + path)).text, page.text);
    const again = await request("GET", `${host.url}/`, { headers: { "If-None-Match": page.headers.etag } });
    assert.equal(again.status, 304);
  });

  it("answers 404 to a file that is not there", async () => {
    assertProblem(await request("GET", `${host.url}/no-such-file.js`), 404, /./);
  });

  it("comes compressed to those who can take it, and is the same", async () => {
    const plain = await request("GET", `${host.url}/`, { headers: { "Accept-Encoding": "identity" } });
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.match(plain.headers.vary ?? "", /accept-encoding/i);
    for (const [coding, decode] of [["gzip", gunzipSync], ["br", brotliDecompressSync]]) {
      const answer = await request("GET", `${host.url}/`, { headers: { "Accept-Encoding": coding } });
      const bytes = answer.headers["content-encoding"] === coding ? decode(answer.body) : answer.body;
      assert.deepEqual(bytes, plain.body);
    }
  });

  it("has everything that it refers to", async () => {
    const page = await request("GET", `${host.url}/`);
    const local = [...page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1]);
    for (const path of local) assert.equal((await request("GET", host.url + path)).status, 200, path);
  });
});
