// Kills the host again and again, in the middle of writes and of its own start, and looks at what is there afterwards:
//
//   every acknowledged write is there, and nothing that was deleted comes back;
//   a write whose answer never came was done whole or not at all;
//   the list and each todo by itself say the same;
//   the store holds one legal state of the kv actor (feed_check.c): a dense feed, records equal to its replay, a true index.
//
// HEDGEROW_KILLS: how many times (default 200). HEDGEROW_SEED: repeats the choices of a run (not its timing).
// HEDGEROW_FEED_CHECK: the checker; default the one of build/dev.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { cpSync } from "node:fs";
import { after, describe, it } from "node:test";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

import { Host, removeFolder, root, tempFolder, within } from "./host.mjs";
import { json, request } from "./http.mjs";
import { Random } from "./random.mjs";

const KILLS = Number(process.env.HEDGEROW_KILLS ?? 200);
const SEED = Number(process.env.HEDGEROW_SEED ?? randomInt(2 ** 31));
const KILLS_PER_STORE = 25;
const CLIENTS = 12;
const LOAD_MS = [50, 300];
const START_KILL_MS = 60;
const feedCheck = resolve(root, process.env.HEDGEROW_FEED_CHECK ?? "build/dev/tests/integration/feed_check");
const run = promisify(execFile);

const totals = { kills: 0, startKills: 0, acknowledged: 0, inDoubt: 0, doubtDone: 0, checked: 0, changes: 0, records: 0 };

// What is known of one store. Times are the order in which requests began and ended in this process.
//
// A todo is {id, title (unique to its newest acknowledged value), value, began, ended, doubt}: doubt is what a patch or
// delete without answer would have made of it. Only its own client writes to it, one write at a time; deletions of
// everything cut across.
class Model {
  constructor() {
    this.time = 0;
    this.todos = new Map(); // by id: those that may be there
    this.gone = new Set(); // ids that must never be seen again
    this.creates = new Map(); // by title: values of creations without an answer
    this.clears = []; // {began, ended}: deletions of everything; ended is Infinity without an answer
    this.serial = 0;
  }

  now() {
    return ++this.time;
  }

  value(client) {
    const serial = ++this.serial;
    return { title: `value ${serial} of client ${client} 🦔`, completed: serial % 3 === 0, order: serial };
  }
}

const same = (todo, value) =>
  todo.title === value.title && todo.completed === value.completed && todo.order === value.order;

// --- the load ---

// One request; null when it is not known what became of it.
async function attempt(method, url, value) {
  try {
    const answer = value === undefined ? await request(method, url) : await json(method, url, value);
    return answer.status >= 500 ? null : answer;
  } catch {
    return null;
  }
}

async function create(model, host, client, own) {
  const value = model.value(client);
  const began = model.now();
  const answer = await attempt("POST", `${host.url}/api`, value);
  if (!answer) {
    model.creates.set(value.title, value);
    return;
  }
  assert.equal(answer.status, 201, answer.text);
  const { id } = answer.json();
  assert.ok(!model.todos.has(id) && !model.gone.has(id), `id ${id} was given out twice`);
  assert.ok(same(answer.json(), value));
  const todo = { id, value, began, ended: model.now() };
  model.todos.set(id, todo);
  own.push(todo);
}

function forget(model, own, todo) {
  own.splice(own.indexOf(todo), 1);
  model.todos.delete(todo.id);
  model.gone.add(todo.id);
}

async function patch(model, host, client, own, todo) {
  const value = model.value(client);
  const began = model.now();
  const answer = await attempt("PATCH", `${host.url}/api/${todo.id}`, value);
  if (!answer) {
    todo.doubt = value;
    return;
  }
  if (answer.status === 404) {
    assert.ok(mayBeCleared(model, todo), `${todo.id} is gone, and nobody deleted it`);
    forget(model, own, todo);
    return;
  }
  assert.equal(answer.status, 200, answer.text);
  assert.ok(same(answer.json(), value));
  Object.assign(todo, { value, began, ended: model.now() });
}

async function remove(model, host, own, todo) {
  const answer = await attempt("DELETE", `${host.url}/api/${todo.id}`);
  if (!answer) {
    todo.doubt = "deleted";
    return;
  }
  assert.ok(answer.status === 204 || (answer.status === 404 && mayBeCleared(model, todo)), `${answer.status} ${answer.text}`);
  forget(model, own, todo);
}

async function removeAll(model, host) {
  const clear = { began: model.now(), ended: Infinity };
  model.clears.push(clear);
  const answer = await attempt("DELETE", `${host.url}/api`);
  if (!answer) return;
  assert.equal(answer.status, 204, answer.text);
  clear.ended = model.now();
}

async function read(model, host, own, todo) {
  const answer = await attempt("GET", `${host.url}/api/${todo.id}`);
  if (!answer) return;
  if (answer.status === 404) {
    assert.ok(mayBeCleared(model, todo), `${todo.id} is gone, and nobody deleted it`);
    return;
  }
  assert.ok(same(answer.json(), todo.value), `${todo.id} is not what was written last`);
}

async function client(model, host, random, name, state) {
  const own = [];
  while (!state.stopped) {
    const todo = own.length ? own[random.below(own.length)] : null;
    const dice = random.below(1000);
    if (!todo || dice < 450) await create(model, host, name, own);
    else if (dice < 750) await patch(model, host, name, own, todo);
    else if (dice < 900) await remove(model, host, own, todo);
    else if (dice < 996) await read(model, host, own, todo);
    else await removeAll(model, host);
    if (todo?.doubt) return; // its outcome is not known until the next start
    totals.acknowledged++;
  }
}

// --- what may be there ---

// Whether a deletion of everything may have come after the todo's newest acknowledged write.
const mayBeCleared = (model, todo) => model.clears.some((clear) => clear.ended > todo.began);
// Whether one certainly has.
const mustBeCleared = (model, todo) => model.clears.some((clear) => clear.began > todo.ended && clear.ended !== Infinity);

function judge(model, todo, found) {
  const what = `${todo.id} (${JSON.stringify(todo)}, found ${JSON.stringify(found)})`;
  if (!found) {
    assert.ok(todo.doubt === "deleted" || mayBeCleared(model, todo), `acknowledged and lost: ${what}`);
    return;
  }
  assert.ok(!mustBeCleared(model, todo), `deleted with everything, and back: ${what}`);
  const done = todo.doubt && todo.doubt !== "deleted" && same(found, todo.doubt);
  assert.ok(done || same(found, todo.value), `neither the old nor the new value: ${what}`);
  if (done) totals.doubtDone++;
}

async function inParts(items, size, work) {
  for (let i = 0; i < items.length; i += size) await Promise.all(items.slice(i, i + size).map(work));
}

// After a start: holds everything against the model, and goes on from what was found.
async function verify(model, host, random) {
  const list = (await request("GET", `${host.url}/api`)).json();
  const found = new Map(list.map((todo) => [todo.id, todo]));
  assert.equal(found.size, list.length, "a todo is in the list twice");
  assert.deepEqual(list.map((todo) => todo.id), [...found.keys()].sort(), "the list is not in order");

  for (const todo of model.todos.values()) {
    if (todo.doubt) totals.inDoubt++;
    judge(model, todo, found.get(todo.id));
  }
  const next = new Map();
  for (const todo of list) {
    assert.ok(!model.gone.has(todo.id), `deleted, and back: ${todo.id}`);
    const known = model.todos.get(todo.id);
    const value = known ? { title: todo.title, completed: todo.completed, order: todo.order } : model.creates.get(todo.title);
    assert.ok(value, `nobody made ${JSON.stringify(todo)}`);
    assert.ok(same(todo, value), `made in part: ${JSON.stringify(todo)}`);
    if (!known) totals.doubtDone++;
    next.set(todo.id, { id: todo.id, value, began: model.time, ended: model.time });
  }
  totals.inDoubt += model.creates.size + model.clears.filter((clear) => clear.ended === Infinity).length;
  for (const id of model.todos.keys()) if (!next.has(id)) model.gone.add(id);

  await inParts(list, 16, async (todo) => {
    const one = await request("GET", `${host.url}/api/${todo.id}`);
    assert.equal(one.status, 200);
    assert.deepEqual(one.json(), todo, "the list and the todo by itself differ");
  });
  const gone = [...model.gone];
  const sample = Array.from({ length: Math.min(20, gone.length) }, () => gone[random.below(gone.length)]);
  await inParts(sample, 16, async (id) => assert.equal((await request("GET", `${host.url}/api/${id}`)).status, 404));
  totals.checked += list.length + sample.length;
  Object.assign(model, { todos: next, creates: new Map(), clears: [] });
}

// --- one store's life ---

const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

async function checkFeed(store, scratch) {
  const copy = join(scratch, "copy");
  cpSync(store, copy, { recursive: true });
  const { stdout } = await run(feedCheck, [`lmdb:${copy}`, "default"], { timeout: 60_000 }).catch((error) => {
    throw new Error(`the store is in no legal state: ${error.stderr || error.message}`);
  });
  removeFolder(copy);
  return JSON.parse(stdout);
}

async function killUnderLoad(model, host, random) {
  const state = { stopped: false };
  const clients = Array.from({ length: CLIENTS }, (_, i) => client(model, host, random, i, state));
  const failed = Promise.all(clients);
  failed.catch(() => {});
  await Promise.race([failed, pause(random.between(LOAD_MS))]);
  state.stopped = true;
  const exit = await host.kill("SIGKILL");
  assert.deepEqual(exit, { code: null, signal: "SIGKILL" }, `it ended by itself; its log:\n${host.log}`);
  await within(10_000, "the clients' end", failed);
}

async function killWhileStarting(options, random) {
  const host = new Host(options);
  await Promise.race([host.exited, pause(random.below(START_KILL_MS))]);
  await host.kill("SIGKILL");
  totals.startKills++;
}

async function live(kills, durability, random) {
  const folder = tempFolder("kill");
  const store = join(folder, "store");
  const options = { cwd: folder, env: { HEDGEROW_STORE: `lmdb:${store}`, HEDGEROW_DURABILITY: durability } };
  const model = new Model();
  try {
    let host = await Host.start(options);
    for (let i = 0; i < kills; i++) {
      await killUnderLoad(model, host, random);
      totals.kills++;
      const [held] = await Promise.all([checkFeed(store, folder), random.percent(20) && killWhileStarting(options, random)]);
      totals.changes = held.changes;
      totals.records = held.records;
      host = await Host.start(options);
      await verify(model, host, random);
    }
    assert.deepEqual(await host.stop(), { code: 0, signal: null });
    await checkFeed(store, folder);
  } finally {
    removeFolder(folder);
  }
}

describe(`killing the host ${KILLS} times`, () => {
  console.log(`# seed ${SEED}: HEDGEROW_SEED=${SEED} HEDGEROW_KILLS=${KILLS} repeats the choices`);
  const random = new Random(SEED);
  for (let done = 0; done < KILLS; done += KILLS_PER_STORE) {
    const kills = Math.min(KILLS_PER_STORE, KILLS - done);
    // A lazy store may lose its last moments with the machine, not with the process.
    const durability = (done / KILLS_PER_STORE) % 4 === 3 ? "lazy" : "sync";
    it(`${kills} times on one ${durability} store loses nothing and brings nothing back`, () => live(kills, durability, random));
  }
  after(() => {
    console.log(`# ${JSON.stringify(totals)}`);
    assert.ok(totals.acknowledged > KILLS * 10, "there was too little load to mean anything");
  });
});
