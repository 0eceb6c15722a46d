// The 16 cases of the TodoBackend contract (todobackend.com), as a browser on another origin makes them: every
// request carries an Origin, every request that CORS makes a browser ask for first is asked for first (the Fetch
// standard's CORS protocol), and an answer that a browser would keep from the page fails the case.
//
// Usage: HEDGEROW_URL=http://127.0.0.1:8080 node tests/todo-backend/run.mjs
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { request } from "../integration/http.mjs";

const base = process.env.HEDGEROW_URL;
if (!base) {
  console.error("HEDGEROW_URL is not set: run it through scripts/with_host.mjs");
  process.exit(2);
}
const api = `${base}/api`;
const origin = "http://todobackend.example";

const simpleMethods = new Set(["GET", "HEAD", "POST"]);
const listed = (header) => (header ?? "").split(",").map((item) => item.trim().toLowerCase());

function assertReadable(answer, what) {
  const allowed = answer.headers["access-control-allow-origin"];
  assert.ok(allowed === "*" || allowed === origin, `${what}: Access-Control-Allow-Origin is ${allowed}`);
}

async function preflight(method, url, headerNames) {
  const what = `preflight of ${method} ${url}`;
  const answer = await request("OPTIONS", url, {
    headers: {
      Origin: origin,
      "Access-Control-Request-Method": method,
      ...(headerNames.length && { "Access-Control-Request-Headers": headerNames.join(",").toLowerCase() }),
    },
  });
  assert.ok(answer.status >= 200 && answer.status < 300, `${what}: ${answer.status}`);
  assertReadable(answer, what);
  if (!simpleMethods.has(method))
    assert.ok(listed(answer.headers["access-control-allow-methods"]).includes(method.toLowerCase()), what);
  const allowed = listed(answer.headers["access-control-allow-headers"]);
  for (const name of headerNames) assert.ok(allowed.includes(name.toLowerCase()), `${what}: ${name}`);
}

// What a page gets: the answer, or a failure for any status that is not of success.
async function fromPage(method, url, value) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (body !== undefined || !simpleMethods.has(method)) await preflight(method, url, Object.keys(headers));
  const answer = await request(method, url, { headers: { ...headers, Origin: origin }, body });
  assertReadable(answer, `${method} ${url}`);
  assert.ok(answer.status >= 200 && answer.status < 300, `${method} ${url}: ${answer.status} ${answer.text}`);
  return answer;
}

const list = async () => (await fromPage("GET", api)).json();
const read = async (url) => (await fromPage("GET", url)).json();
const create = async (todo) => (await fromPage("POST", api, { title: "water the plants", ...todo })).json();
const change = async (url, part) => (await fromPage("PATCH", url, part)).json();
const remove = (url) => fromPage("DELETE", url);

describe("TodoBackend: the root", () => {
  it("answers GET, also to another origin", async () => {
    await fromPage("GET", api);
  });

  it("answers POST with the todo that was sent", async () => {
    assert.equal((await create({ title: "buy string" })).title, "buy string");
  });

  it("answers DELETE", async () => {
    await remove(api);
  });

  it("is an empty array after DELETE", async () => {
    await create({});
    await remove(api);
    assert.deepEqual(await list(), []);
  });
});

describe("TodoBackend: a new todo", () => {
  beforeEach(() => remove(api));

  it("is in the list", async () => {
    await create({ title: "feed the hedgehog" });
    assert.deepEqual((await list()).map((todo) => todo.title), ["feed the hedgehog"]);
  });

  it("is not completed at first", async () => {
    assert.equal((await create({})).completed, false);
    assert.equal((await list())[0].completed, false);
  });

  it("has a url", async () => {
    assert.equal(typeof (await create({})).url, "string");
    assert.equal(typeof (await list())[0].url, "string");
  });

  it("is found at its url", async () => {
    const { url } = await create({ title: "trim the hedge" });
    assert.equal((await read(url)).title, "trim the hedge");
  });
});

describe("TodoBackend: a todo that is there", () => {
  beforeEach(() => remove(api));

  it("is reached from the list by its url", async () => {
    await Promise.all([create({ title: "one" }), create({ title: "another" })]);
    const todos = await list();
    assert.equal(todos.length, 2);
    assert.equal((await read(todos[0].url)).title, todos[0].title);
  });

  it("gets another title by PATCH", async () => {
    const { url } = await create({ title: "before" });
    assert.equal((await change(url, { title: "after" })).title, "after");
  });

  it("is completed by PATCH", async () => {
    const { url } = await create({});
    assert.equal((await change(url, { completed: true })).completed, true);
  });

  it("keeps what PATCH changed, at its url and in the list", async () => {
    const { url } = await create({ title: "before" });
    const changed = await change(url, { title: "after", completed: true });
    const todos = await list();
    assert.equal(todos.length, 1);
    for (const todo of [await read(changed.url), todos[0]]) {
      assert.equal(todo.title, "after");
      assert.equal(todo.completed, true);
    }
  });

  it("is gone after DELETE", async () => {
    const { url } = await create({});
    await remove(url);
    assert.deepEqual(await list(), []);
  });
});

describe("TodoBackend: order", () => {
  beforeEach(() => remove(api));

  it("is taken from POST", async () => {
    assert.equal((await create({ order: 523 })).order, 523);
  });

  it("is changed by PATCH", async () => {
    const { url } = await create({ order: 10 });
    assert.equal((await change(url, { order: 95 })).order, 95);
  });

  it("keeps what PATCH changed", async () => {
    const { url } = await create({ order: 10 });
    const changed = await change(url, { order: 95 });
    assert.equal((await read(changed.url)).order, 95);
  });
});
