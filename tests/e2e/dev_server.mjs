// A development aid, not Hedgerow: serves ui/dist and keeps to-dos in memory, as docs/api.md says, so that
// the page can be worked on and its suite tried without a host. CI runs the suite against the real host.
//
// node dev_server.mjs [COMMAND ...]   HEDGEROW_DEV_PORT: the port, else any free one.
// Prints its address; with a command, runs that with HEDGEROW_URL set, and ends with it.
//
// HEDGEROW_DEV_SITES=aws,azure,gcp plays a lattice whose first site is the own one. POST /dev/kill?site=gcp makes a
// site go, POST /dev/heal?site=gcp brings it back. A write wants HEDGEROW_DEV_ACKS sites (2, or all if fewer): with
// fewer alive it is done all the same, and answered with 503.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const WRITE_ACKS = Number(process.env.HEDGEROW_DEV_ACKS ?? 2);
const TITLE_BYTES_MAX = 4096;
const dist = fileURLToPath(new URL("../../ui/dist/", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** In the order of the setting; `seen` is when a site was last heard of. */
const sites = (process.env.HEDGEROW_DEV_SITES ?? "hedge-1")
  .split(",")
  .map((name, i) => ({ name, id: i + 1, alive: true, seen: Date.now(), roundTripMs: i * 17.3 }));
const alive = () => sites.filter((site) => site.alive);

function toldSites() {
  const told = sites.map((site, i) => ({
    name: site.name,
    id: site.id,
    here: i === 0,
    alive: site.alive,
    hosts: site.alive ? 1 : 0,
    round_trip_ms: i === 0 ? null : site.roundTripMs * (0.9 + 0.2 * Math.random()),
    silent_ms: site.alive ? 0 : Date.now() - site.seen,
  }));
  return { status: 200, headers: { "Cache-Control": "no-store" }, body: { here: sites[0].name, sites: told } };
}

function changeSite(verb, name) {
  const site = sites.find((each) => each.name === name);
  if (!site || !["kill", "heal"].includes(verb)) throw new Problem(404, "There is no such site or verb.");
  Object.assign(site, { alive: verb === "heal", seen: Date.now() });
  return { status: 204, headers: {} };
}

/** id -> {title, completed, order, version}, in order of creation. */
const todos = new Map();
let lastMs = 0;

function uuidV7() {
  const bytes = randomBytes(16);
  lastMs = Math.max(Date.now(), lastMs + 1);
  bytes.writeUIntBE(lastMs, 0, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

class Problem extends Error {
  constructor(status, detail, headers = {}) {
    super(detail);
    Object.assign(this, { status, headers });
  }
}

const newVersion = () => randomBytes(8).toString("hex");
const etagOf = (text) => `"${createHash("sha256").update(text).digest("hex").slice(0, 32)}"`;

function check(fields) {
  if (typeof fields !== "object" || fields === null || Array.isArray(fields))
    throw new Problem(400, "The body must be a JSON object.");
  for (const [name, value] of Object.entries(fields)) {
    const good = {
      title: () => typeof value === "string" && value !== "" && Buffer.byteLength(value) <= TITLE_BYTES_MAX,
      completed: () => typeof value === "boolean",
      order: () => value === null || typeof value === "number",
    }[name];
    if (!good) throw new Problem(400, `Unknown field: ${name}.`);
    if (!good()) throw new Problem(400, `Wrong value: ${name}.`);
  }
  return fields;
}

async function readFields(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    return check(JSON.parse(Buffer.concat(chunks).toString()));
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(400, "The body is not JSON.");
  }
}

const shown = (origin, id) => {
  const { version, ...fields } = todos.get(id);
  return { id, url: `${origin}/api/${id}`, ...fields };
};

async function answerApi(request, path) {
  const origin = `http://${request.headers.host}`;
  if (alive().length === 0) throw new Problem(503, "No site of this lattice answers.", { "Retry-After": "1" });
  const acks = { "Hedgerow-Acks": `${alive().length}/${sites.length}` };
  /** The answer to a write that has been done. */
  const wrote = (answer) => {
    if (alive().length < Math.min(WRITE_ACKS, sites.length)) {
      const text = `The write is held by fewer sites than wanted. It is on ${alive().length} of ${sites.length} sites.`;
      const { Location } = answer.headers;
      throw new Problem(503, text, { ...acks, "Retry-After": "1", ...(Location && { Location }) });
    }
    return { ...answer, headers: { ...answer.headers, ...acks } };
  };
  const { method } = request;
  if (method === "OPTIONS")
    return { status: 204, headers: { Allow: "GET, HEAD, POST, PATCH, DELETE, OPTIONS" } };
  if (path === "/api/sites") {
    if (method === "GET") return toldSites();
    throw new Problem(405, "Not here.", { Allow: "GET, HEAD, OPTIONS" });
  }
  if (path === "/api") {
    if (method === "GET") {
      const body = [...todos.keys()].map((id) => shown(origin, id));
      return {
        status: 200,
        headers: { ETag: etagOf([...todos.values()].map((todo) => todo.version).join()) },
        body,
      };
    }
    if (method === "POST") {
      const fields = await readFields(request);
      if (fields.title === undefined) throw new Problem(400, "title is missing.");
      const id = uuidV7();
      todos.set(id, {
        title: fields.title,
        completed: fields.completed ?? false,
        order: fields.order ?? null,
        version: newVersion(),
      });
      return wrote({
        status: 201,
        headers: { Location: `${origin}/api/${id}`, ETag: etagOf(todos.get(id).version) },
        body: shown(origin, id),
      });
    }
    if (method === "DELETE") {
      todos.clear();
      return wrote({ status: 204, headers: {} });
    }
    throw new Problem(405, "Not here.", { Allow: "GET, POST, DELETE" });
  }
  const id = path.slice("/api/".length);
  const todo = todos.get(id);
  if (!todo) throw new Problem(404, "There is no such todo.");
  const expected = request.headers["if-match"];
  if (expected && expected !== "*" && expected !== etagOf(todo.version))
    throw new Problem(412, "It was changed in between.");
  if (method === "GET")
    return { status: 200, headers: { ETag: etagOf(todo.version) }, body: shown(origin, id) };
  if (method === "DELETE") {
    todos.delete(id);
    return wrote({ status: 204, headers: {} });
  }
  if (method !== "PATCH") throw new Problem(405, "Not here.", { Allow: "GET, PATCH, DELETE" });
  Object.assign(todo, await readFields(request), { version: newVersion() });
  return wrote({ status: 200, headers: { ETag: etagOf(todo.version) }, body: shown(origin, id) });
}

function answerPage(path) {
  let file = normalize(join(dist, path));
  if (!file.startsWith(dist)) throw new Problem(404, "There is no such file.");
  if (extname(path) === "") file = join(dist, "index.html");
  if (!existsSync(file) || !statSync(file).isFile()) throw new Problem(404, "There is no such file.");
  const bytes = readFileSync(file);
  return {
    status: 200,
    headers: {
      "Content-Type": TYPES[extname(file)],
      ETag: etagOf(bytes),
      "Content-Security-Policy": POLICY,
      "Cache-Control": "no-cache",
    },
    bytes,
  };
}

async function answer(request) {
  const { pathname: path, searchParams } = new URL(request.url, "http://any");
  try {
    if (request.method === "POST" && path.startsWith("/dev/"))
      return changeSite(path.slice("/dev/".length), searchParams.get("site"));
    return path === "/api" || path.startsWith("/api/") ? await answerApi(request, path) : answerPage(path);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const headers = { ...error.headers, "Content-Type": "application/problem+json" };
    return {
      status: error.status,
      headers,
      body: { type: "about:blank", title: "Not done", status: error.status, detail: error.message },
    };
  }
}

const server = createServer((request, response) => {
  answer(request).then(
    ({ status, headers, body, bytes }) => {
      const same =
        request.method === "GET" && headers.ETag && request.headers["if-none-match"] === headers.ETag;
      const payload = same ? undefined : (bytes ?? (body === undefined ? undefined : JSON.stringify(body)));
      response.writeHead(same ? 304 : status, {
        "Content-Type": "application/json",
        "Access-Control-Allow-Origin": "*",
        "Hedgerow-Site": (alive()[0] ?? sites[0]).name,
        ...headers,
      });
      response.end(payload);
    },
    (error) => {
      console.error(error);
      response.writeHead(500).end();
    },
  );
});

server.listen(Number(process.env.HEDGEROW_DEV_PORT ?? 0), "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  console.log(`dev server at ${url}`);
  const [command, ...args] = process.argv.slice(2);
  if (!command) return;
  const child = spawn(command, args, {
    stdio: "inherit",
    env: { ...process.env, HEDGEROW_URL: url, HEDGEROW_DEV_SERVER: "1" },
  });
  child.on("exit", (code) => process.exit(code ?? 1));
});
