// `hedgerow validate` and `hedgerow up` when something is wrong: what is said, and that nothing was half started.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { join } from "node:path";

import { cGuest, sha256, watGuest, writeManifest } from "./guests.mjs";
import { Host, hedgerow, removeFolder, root, tempFolder } from "./host.mjs";
import { request } from "./http.mjs";

let folder;
beforeEach(() => {
  folder = tempFolder("manifest");
});
afterEach(() => removeFolder(folder));

const wat = (name, links = { http: {} }) => ({ file: watGuest(name), links });

function write(text, name = "hedgerow.yaml") {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const free = { HEDGEROW_HTTP: "127.0.0.1:0", HEDGEROW_ADMIN: "127.0.0.1:0" };

// Both verbs fail with status 1 and one and the same reason, print nothing on standard output, log no start, and leave
// nothing behind.
async function assertRefused(path, reason, { env = {}, verbs = ["validate", "up"] } = {}) {
  const before = readdirSync(folder);
  for (const verb of verbs) {
    const run = await hedgerow([verb, path], { cwd: folder, env: { ...free, ...env } });
    assert.equal(run.code, 1, `${verb}: ${JSON.stringify(run)}`);
    assert.equal(run.stdout, "");
    assert.match(run.stderr, reason, verb);
    assert.match(run.stderr, /^hedgerow: /m);
    assert.ok(!run.stderr.includes("host.ready"));
    assert.deepEqual(readdirSync(folder), before, `${verb} left something`);
  }
}

describe("a manifest's text", () => {
  const cases = [
    ["an unknown key", "colour: red\n", /hedgerow\.yaml:1:1: colour: unknown key/],
    ["a key with a typing error", "actors:\n  todo:\n    limits: {memroy: 1MiB}\n", /:3:14: actors\.todo\.limits\.memroy: .*did you mean `memory`/],
    ["a wrong type", "workers: many\n", /:1:\d+: workers: `many` is not a whole number/],
    ["a list for a text", "site: [a, b]\n", /:1:\d+: site: /],
    ["a text for a mapping", "actors: todo\n", /:1:\d+: actors: /],
    ["a size without unit", "actors:\n  todo:\n    limits: {memory: 64}\n", /actors\.todo\.limits\.memory: `64` is not a size/],
    ["a duration out of range", "actors:\n  todo:\n    limits: {wall: 2h}\n", /wall: `2h` is out of range: 1ms to 1h/],
    ["an unknown link", "actors:\n  todo:\n    links: {htp: {}}\n", /actors\.todo\.links\.htp: .*`http`/],
    ["an unknown actor", "actors:\n  greeter: {}\n", /actors\.greeter: no actor of this name is built in/],
    ["no actor", "actors: {}\n", /actors: 0 actors/],
    ["an asset actor that is not there", "actors:\n  todo:\n    links: {assets: {actor: nobody}}\n", /there is no actor `nobody`/],
    ["a key twice", "site: a\nsite: b\n", /site: /],
    ["an address that is none", "http: here\n", /http: `here` is not an address/, { HEDGEROW_HTTP: undefined }],
    ["the same address twice", "http: 127.0.0.1:8080\nadmin: :8080\n", /same address/, { HEDGEROW_HTTP: undefined, HEDGEROW_ADMIN: undefined }],
    ["a store that no version knows", "store: file:/tmp\n", /store: `file:\/tmp` is not a store's URL/],
    ["servers of another version", "nats: [\"nats://127.0.0.1:1\"]\n", /nats: /i],
    ["a commit link without keyvalue", "actors:\n  kv:\n    links: {commit: {}}\n", /add `keyvalue: \{\}`/],
    ["an alias", "actors: &a\n  todo: {}\nsite: *a\n", /alias|anchor/],
    ["what is no YAML", "a: [1, 2\nb: }\n", /hedgerow\.yaml:\d+:\d+: /],
    ["what is no text", Buffer.from([0, 255, 254, 1]), /hedgerow\.yaml/],
    ["a subject that is none", "actors:\n  todo:\n    links: {messaging: {publish: [\"a..b\"]}}\n", /`a\.\.b` is not a subject/],
    ["a digest that is none", "actors:\n  todo: {digest: abc}\n", /not a digest/],
  ];
  for (const [what, text, reason, env] of cases)
    it(`with ${what} is refused with its place`, () => assertRefused(write(text), reason, { env }));

  it("tells all that is wrong at once", async () => {
    const path = write("colour: red\nworkers: many\nactors:\n  todo:\n    limits: {wall: 3}\n");
    const run = await hedgerow(["validate", path]);
    assert.match(run.stderr, /colour.*\n.*workers.*\n.*wall/);
  });

  it("that is not there is told by name", () => assertRefused(join(folder, "none.yaml"), /none\.yaml.*no such file/));
  it("that is a folder is told so", async () => {
    mkdirSync(join(folder, "sub"));
    await assertRefused(join(folder, "sub"), /folder/);
  });

  it("as `hedgerow manifest` prints it is a good one", async () => {
    const printed = await hedgerow(["manifest"]);
    assert.equal(printed.code, 0);
    const run = await hedgerow(["validate", write(printed.stdout)], { cwd: folder });
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /3 actors/);
    assert.deepEqual(readdirSync(folder), ["hedgerow.yaml"]);
  });
});

describe("a module", () => {
  const actor = (fields) => writeManifest(folder, { greeter: { links: { http: {} }, ...fields } });
  const copy = (bytes, name = "module.wasm") => {
    writeFileSync(join(folder, name), bytes);
    return name;
  };
  const good = () => readFileSync(watGuest("counter"));

  it("that is not there", () => assertRefused(actor({ file: "none.wasm" }), /none\.wasm.*no such file/));
  it("that is empty", () => assertRefused(actor({ file: copy("") }), /greeter.*not a WebAssembly module/));
  it("that is a text file", () => assertRefused(actor({ file: copy("hello, world") }), /greeter.*not a WebAssembly module/));
  it("that is truncated", () => assertRefused(actor({ file: copy(good().subarray(0, 200)) }), /greeter.*unexpected end/i));
  it("that has a bit flipped in its code section's length", () => {
    const bytes = good();
    bytes[9] ^= 0x40;
    return assertRefused(actor({ file: copy(bytes) }), /greeter/);
  });
  it("that is a component", () =>
    assertRefused(actor({ file: copy(Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0])) }), /greeter.*component.*core modules/));
  it("of another version", () =>
    assertRefused(actor({ file: copy(Buffer.from([0, 0x61, 0x73, 0x6d, 9, 0, 0, 0])) }), /greeter.*unknown version/));
  it("that is text format", () => assertRefused(actor({ file: copy("(module)") }), /not a WebAssembly module/));
  it("that is a folder", async () => {
    mkdirSync(join(folder, "module"));
    await assertRefused(actor({ file: "module" }), /folder|regular/);
  });

  it("whose digest is another", () =>
    assertRefused(actor({ file: copy(good()), digest: `sha256:${"0".repeat(64)}` }), /greeter.*digest/));
  it("whose digest is right", async () => {
    const path = actor({ file: copy(good()), digest: `sha256:${sha256(watGuest("counter"))}` });
    const run = await hedgerow(["validate", path], { cwd: folder });
    assert.equal(run.code, 0, run.stderr);
  });

  it("that lacks a link: which import it is, and the line to add", () =>
    assertRefused(actor({ file: watGuest("import_random") }),
      /greeter.*wasi:random\/random.*no link grants.*add `random: \{\}` under actors\.greeter\.links/));
  it("accepted once that line is there", async () => {
    const path = actor({ file: watGuest("import_random"), links: { http: {}, random: {} } });
    assert.equal((await hedgerow(["validate", path], { cwd: folder })).code, 0);
  });
  it("that imports what nobody has", () => assertRefused(actor({ file: watGuest("import_unknown") }), /example:nowhere\/nothing/));
  it("that imports WASI preview 1", () => assertRefused(actor({ file: watGuest("import_preview1") }), /fd_write.*preview 1/));
  it("that imports a function with another type", () => assertRefused(actor({ file: watGuest("import_type") }), /\[constructor\]fields/));
  it("whose handler has another type", () => assertRefused(actor({ file: watGuest("handle_type") }), /#handle with a type/));
  it("whose allocator has another type", () => assertRefused(actor({ file: watGuest("realloc_type") }), /cabi_realloc with a type/));
  it("that needs more memory than its limit", () => assertRefused(actor({ file: watGuest("memory_large") }), /greeter.*memory/));
  it("that has routes but no handler", () =>
    assertRefused(actor({ file: watGuest("no_handler") }), /greeter.*no wasi:http\/incoming-handler/));
  it("that subscribes but has no handler", () =>
    assertRefused(actor({ file: watGuest("counter"), links: { http: {}, messaging: { subscribe: ["a.b"] } } }), /greeter.*a\.b/));
});

describe("routes", () => {
  it("belong to one actor each", async () => {
    const actors = { one: wat("counter", { http: { routes: ["/a", "/b"] } }), two: wat("counter", { http: { routes: ["/b"] } }) };
    await assertRefused(writeManifest(folder, actors), /route `\/b` is served by actor one already/);
  });

  it("are found by the longest beginning", async () => {
    const actors = { probe: { file: cGuest("probe"), links: { http: { routes: ["/"] }, messaging: {}, keyvalue: {}, config: {}, logging: {}, clocks: {}, random: {} } },
      counter: wat("counter", { http: { routes: ["/deep/er"] } }) };
    const host = await Host.start({ args: [writeManifest(folder, actors)], cwd: folder });
    assert.equal((await request("GET", `${host.url}/deep/er/x`)).status, 251);
    assert.equal((await request("GET", `${host.url}/deep`)).text, "hello");
    assert.deepEqual(await host.stop(), { code: 0, signal: null });
  });

  it("that nobody has are 404", async () => {
    const path = writeManifest(folder, { counter: wat("counter", { http: { routes: ["/here"] } }) });
    const host = await Host.start({ args: [path], cwd: folder });
    const answer = await request("GET", `${host.url}/there`);
    assert.equal(answer.status, 404);
    assert.equal(answer.headers["content-type"], "application/problem+json");
    assert.deepEqual(await host.stop(), { code: 0, signal: null });
  });
});

describe("the environment", () => {
  it("overrides the manifest, and its mistakes are told by name", () =>
    assertRefused(write("workers: 1\n"), /HEDGEROW_WORKERS.*`many`/, { env: { HEDGEROW_WORKERS: "many" } }));

  it("with an unknown HEDGEROW_ variable is warned of, with the one that was meant", async () => {
    const run = await hedgerow(["validate", write("site: a\n")], { cwd: folder, env: { HEDGEROW_WORKRES: "2" } });
    assert.equal(run.code, 0);
    assert.match(run.stderr, /warning: variable HEDGEROW_WORKRES is unknown.*HEDGEROW_WORKERS/);
  });

  it("does not put a password into messages", async () => {
    const run = await hedgerow(["validate", write("site: a\n")], {
      cwd: folder, env: { HEDGEROW_STORE: "redis://user:hunter2@127.0.0.1:1/x" } });
    assert.equal(run.code, 1);
    assert.ok(!run.stderr.includes("hunter2"), run.stderr);
  });
});

describe("addresses and stores that are taken", () => {
  const listen = () => new Promise((done) => {
    const server = net.createServer();
    server.listen(0, "127.0.0.1", () => done(server));
  });

  for (const variable of ["HEDGEROW_HTTP", "HEDGEROW_ADMIN"])
    it(`${variable}: a port in use is told, and the other is not listened on`, async () => {
      const server = await listen();
      const { port } = server.address();
      const path = writeManifest(folder, { counter: wat("counter") });
      const run = await hedgerow(["up", path], { cwd: folder, env: { ...free, [variable]: `127.0.0.1:${port}` } });
      server.close();
      assert.equal(run.code, 1);
      assert.match(run.stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*in use`));
      assert.ok(!run.stderr.includes("host.ready"));
    });

  it("a second host on the same port is refused although it could share it", async () => {
    const host = await Host.start({ args: [writeManifest(folder, { counter: wat("counter") })], cwd: folder });
    const other = tempFolder("second");
    const run = await hedgerow(["up", writeManifest(other, { counter: wat("counter") })], {
      cwd: other, env: { ...free, HEDGEROW_HTTP: `127.0.0.1:${host.port}` } });
    removeFolder(other);
    assert.equal(run.code, 1);
    assert.match(run.stderr, /in use/);
    assert.equal((await request("GET", host.url)).status, 251);
    assert.deepEqual(await host.stop(), { code: 0, signal: null });
  });

  it("a store that another host has open is refused, and that host goes on", async () => {
    const env = { HEDGEROW_STORE: `lmdb:${join(folder, "store")}` };
    const host = await Host.start({ cwd: folder, env });
    const created = await request("POST", `${host.url}/api`, { body: '{"title":"kept"}' });
    assert.equal(created.status, 201);
    const run = await hedgerow(["up"], { cwd: folder, env: { ...free, ...env } });
    assert.equal(run.code, 1);
    assert.match(run.stderr, /store.*(in use|another process|has it open)/s);
    assert.equal((await request("GET", `${host.url}/api`)).json().length, 1);
    assert.deepEqual(await host.stop(), { code: 0, signal: null });
  });

  // Root may write anywhere, so the host runs as somebody else then.
  const nobody = process.getuid() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

  it("a store's folder that may not be written to is told, and left alone", async () => {
    const store = join(folder, "store");
    const host = await Host.start({ cwd: folder, env: { HEDGEROW_STORE: `lmdb:${store}` } });
    assert.deepEqual(await host.stop(), { code: 0, signal: null });
    const before = readdirSync(store);
    for (const name of before) chmodSync(join(store, name), 0o444);
    chmodSync(store, 0o555);
    chmodSync(folder, 0o555);
    const run = await hedgerow(["up"], { cwd: "/", wrapper: nobody, env: { ...free, HEDGEROW_STORE: `lmdb:${store}` } });
    chmodSync(folder, 0o755);
    chmodSync(store, 0o755);
    assert.equal(run.code, 1, JSON.stringify(run));
    assert.ok(run.stderr.includes(store), run.stderr);
    assert.match(run.stderr, /read only|permission|denied|may not/i);
    assert.ok(!run.stderr.includes("host.ready"));
    assert.deepEqual(readdirSync(store), before);
  });

  it("a store that may not be made is told", async () => {
    chmodSync(folder, 0o555);
    const store = join(folder, "store");
    const run = await hedgerow(["up"], { cwd: "/", wrapper: nobody, env: { ...free, HEDGEROW_STORE: `lmdb:${store}` } });
    chmodSync(folder, 0o755);
    assert.equal(run.code, 1, JSON.stringify(run));
    assert.ok(run.stderr.includes(store), run.stderr);
    assert.ok(!existsSync(store));
  });

  it("a store's path that is a file, or below one, is told", async () => {
    write("x", "file");
    for (const place of ["file", "file/below"]) {
      const run = await hedgerow(["up"], { cwd: folder, env: { ...free, HEDGEROW_STORE: `lmdb:${join(folder, place)}` } });
      assert.equal(run.code, 1);
      assert.match(run.stderr, /file/);
    }
  });

  it("a store's file that is damaged, or not one, is told and left as it is", async () => {
    const store = join(folder, "store");
    mkdirSync(store);
    const bytes = Buffer.alloc(65536, "not a database ");
    writeFileSync(join(store, "data.mdb"), bytes);
    const run = await hedgerow(["up"], { cwd: folder, env: { ...free, HEDGEROW_STORE: `lmdb:${store}` } });
    assert.equal(run.code, 1);
    assert.match(run.stderr, /store/);
    assert.ok(readFileSync(join(store, "data.mdb")).equals(bytes));
  });

  it("makes no store when the rest cannot start", async () => {
    const server = await listen();
    const { port } = server.address();
    const store = join(folder, "new-store");
    const run = await hedgerow(["up"], { cwd: folder, env: { ...free, HEDGEROW_HTTP: `127.0.0.1:${port}`, HEDGEROW_STORE: `lmdb:${store}` } });
    server.close();
    assert.equal(run.code, 1);
    assert.ok(!existsSync(store), `${store} was left behind`);
  });
});

describe("the command line", () => {
  const cases = [
    [[], 2, /hedgerow up/],
    [["fly"], 2, /no verb "fly"/],
    [["up", "a", "b"], 2, /usage/],
    [["validate"], 2, /usage/],
    [["inspect"], 2, /usage/],
    [["inspect", "/no/such/file.wasm"], 1, /\/no\/such\/file\.wasm/],
  ];
  for (const [args, code, message] of cases)
    it(`hedgerow ${args.join(" ")} ends with ${code}`, async () => {
      const run = await hedgerow(args);
      assert.equal(run.code, code);
      assert.match(run.stdout + run.stderr, message);
    });

  it("help, version and inspect end with 0", async () => {
    assert.match((await hedgerow(["help"])).stdout, /hedgerow up/);
    assert.match((await hedgerow(["version"])).stdout, /^hedgerow \d+\.\d+\.\d+ \(wasmtime \d+/);
    const inspected = await hedgerow(["inspect", watGuest("counter")]);
    assert.equal(inspected.code, 0);
    assert.match(inspected.stdout, /wasi:http\/incoming-handler@0\.2\.12#handle/);
    assert.ok(inspected.stdout.includes(sha256(watGuest("counter"))));
  });

  it("runs through a link to it, from any folder", async () => {
    const link = join(folder, "hedgerow");
    symlinkSync(join(root, process.env.HEDGEROW_BIN ?? "build/release/hedgerow"), link);
    const host = await Host.start({ program: link, cwd: folder, env: { HEDGEROW_STORE: `lmdb:${join(folder, "s")}` } });
    assert.equal((await request("GET", `${host.url}/api`)).text, "[]");
    assert.deepEqual(await host.stop(), { code: 0, signal: null });
  });
});
