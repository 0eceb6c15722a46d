// Modules of toolchains that know nothing of Hedgerow run as they are, side by side: the canonical ABI is all that counts.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { assemblyScriptGuest, cGuest, watGuest, writeManifest } from "./guests.mjs";
import { Host, hedgerow, removeFolder, tempFolder } from "./host.mjs";
import { request } from "./http.mjs";

let host, folder;
before(async () => {
  folder = tempFolder("toolchains");
  const http = (route) => ({ http: { routes: [route] } });
  host = await Host.start({
    args: [writeManifest(folder, {
      script: { file: assemblyScriptGuest("hello"), links: http("/script") },
      text: { file: watGuest("counter"), links: http("/text") },
      c: { file: cGuest("probe"), links: { ...http("/"), messaging: {}, keyvalue: {}, config: {}, logging: {}, clocks: {}, random: {} } },
    })],
    cwd: folder,
  });
});
after(async () => {
  const exit = await host?.stop();
  removeFolder(folder);
  assert.deepEqual(exit, { code: 0, signal: null });
});

describe("a module made by", () => {
  it("AssemblyScript's compiler", async () => {
    for (let i = 0; i < 20; i++) {
      const path = `/script/${"x".repeat(i * 50)}?q=${i}`;
      assert.equal((await request("GET", host.url + path)).text, `AssemblyScript at ${path}`);
    }
    const together = await Promise.all(Array.from({ length: 64 }, (_, i) => request("GET", `${host.url}/script/${i}`)));
    assert.deepEqual(together.map((answer) => answer.text), together.map((_, i) => `AssemblyScript at /script/${i}`));
  });

  it("hand, in the text format", async () => {
    assert.equal((await request("GET", `${host.url}/text`)).status, 251);
  });

  it("clang with bindings of wit-bindgen", async () => {
    assert.equal((await request("GET", `${host.url}/count`)).text, "1");
  });

  it("any of them says what it wants and offers", async () => {
    const run = await hedgerow(["inspect", assemblyScriptGuest("hello")]);
    assert.equal(run.code, 0);
    assert.match(run.stdout, /wasi:io\/streams@0\.2\.12 +\[method\]output-stream\.blocking-write-and-flush/);
  });
});
