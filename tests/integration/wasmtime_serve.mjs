// The gateway's module, wrapped as a component, under another host of wasi:http: `wasmtime serve`. It has no bus and no other
// actor, so only what needs neither can be asked for; that has to be as docs/api.md says.
// Run by `scripts/components.sh serve`, which makes the component and finds wasmtime.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { join } from "node:path";

import { root, within } from "./host.mjs";
import { request } from "./http.mjs";

let server, url;
before(async () => {
  const options = ["-S", "cli", "-S", "config", "-S", "config-var=site=elsewhere", "--addr", "127.0.0.1:0"];
  server = spawn("wasmtime", ["serve", ...options, join(root, "build/components/todo-alone.wasm")]);
  let text = "";
  url = await within(60_000, "the address of wasmtime serve", new Promise((done, fail) => {
    server.once("error", fail);
    server.once("close", () => fail(new Error(`wasmtime serve ended:\n${text}`)));
    for (const stream of [server.stdout, server.stderr])
      stream.on("data", (chunk) => {
        text += chunk;
        const match = /http:\/\/127\.0\.0\.1:\d+/.exec(text);
        if (match) done(match[0]);
      });
  }));
});
after(() => server?.kill());

function assertProblem(answer, status, detail) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  assert.equal(answer.headers["access-control-allow-origin"], "*");
  assert.equal(answer.headers["hedgerow-site"], "elsewhere");
  assert.match(answer.json().detail, detail);
}
const post = (body, type = "application/json") => request("POST", `${url}/api`, { headers: { "Content-Type": type }, body });

describe("the gateway under wasmtime serve", () => {
  it("answers OPTIONS", async () => {
    const answer = await request("OPTIONS", `${url}/api`);
    assert.equal(answer.status, 204);
    assert.match(answer.headers.allow, /GET, HEAD, POST, DELETE, OPTIONS/);
    assert.match(answer.headers["access-control-allow-headers"], /Content-Type/);
  });

  it("refuses methods, media types and bodies", async () => {
    assertProblem(await request("PUT", `${url}/api`, { body: "{}" }), 405, /GET, HEAD, POST/);
    assertProblem(await post("x", "text/plain"), 415, /application\/json/);
    assertProblem(await post("{"), 400, /./);
    assertProblem(await post('{"title":7}'), 400, /title/);
    assertProblem(await post('{"title":"a","colour":1}'), 400, /colour/);
    assertProblem(await post(`{"title":"a"}${" ".repeat(65536)}`), 413, /./);
    assertProblem(await request("GET", `${url}/api?limit=0`), 400, /limit/);
    assertProblem(await request("GET", `${url}/api/a/b`), 404, /./);
  });

  it("says that its partners are missing", async () => {
    const list = await request("GET", `${url}/api`);
    assertProblem(list, 503, /no bus/);
    assert.match(list.headers["retry-after"], /^\d+$/);
    assertProblem(await post('{"title":"a 🦔"}'), 503, /no bus/);
    assertProblem(await request("GET", `${url}/`), 503, /ui actor/);
  });

  it("does so many times at once", async () => {
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) =>
      i % 2 ? request("OPTIONS", `${url}/api`) : request("GET", `${url}/api`)));
    answers.forEach((answer, i) => assert.equal(answer.status, i % 2 ? 204 : 503));
  });
});
