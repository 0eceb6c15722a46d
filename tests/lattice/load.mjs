// Clients of the TODO application at every site of a lattice, and a ledger of what they were promised.
//
// Every client keeps one connection to one site, makes todos there, changes, deletes and reads them, one request at a time, at
// a steady pace. Only the client that made a todo writes to it, so the ledger knows what must be there in the end:
//
//   what was acknowledged is there, with the value of the last acknowledged change;
//   what was acknowledged as deleted is not;
//   a write without an answer (or with a 5xx) was done or not: either is right, and nobody writes to that todo again.
import assert from "node:assert/strict";
import http from "node:http";

import { until, within } from "../integration/host.mjs";
import { request } from "../integration/http.mjs";

const REQUEST_LIMIT_MS = 20_000;
const CLIENT_END_LIMIT_MS = 60_000;

const same = (todo, value) => todo.title === value.title && todo.order === value.order;

class Ledger {
  constructor() {
    this.todos = new Map(); // by id: {id, value, doubt}; doubt: what an unanswered write would have made of it
    this.gone = new Set(); // ids that were deleted
    this.creates = new Map(); // by title: values of unanswered creations
    this.serial = 0;
    this.requests = []; // {site, kind: "read" | "write", began, ms, failure: "" or why, stale}
    this.acks = new Map(); // "2/3": how often, by site
  }

  value(client) {
    const serial = ++this.serial;
    return { title: `todo ${serial} of ${client}`, order: serial };
  }

  noteAcks(site, acks) {
    const counts = this.acks.get(site) ?? {};
    counts[acks] = (counts[acks] ?? 0) + 1;
    this.acks.set(site, counts);
  }

  // Holds what a site answers against what was promised; gives how many todos were checked.
  judge(list) {
    const found = new Map(list.map((todo) => [todo.id, todo]));
    assert.equal(found.size, list.length, "a todo is in the list twice");
    const wrong = [];
    for (const todo of this.todos.values()) {
      const there = found.get(todo.id);
      if (!there) {
        if (todo.doubt !== "deleted") wrong.push(`acknowledged and lost: ${JSON.stringify(todo)}`);
      } else if (!same(there, todo.value) && !(todo.doubt && todo.doubt !== "deleted" && same(there, todo.doubt))) {
        wrong.push(`not what was acknowledged last: ${JSON.stringify(todo)}, found ${JSON.stringify(there)}`);
      }
    }
    for (const todo of list) {
      if (this.gone.has(todo.id)) wrong.push(`deleted, and back: ${JSON.stringify(todo)}`);
      else if (!this.todos.has(todo.id) && !this.creates.has(todo.title)) wrong.push(`nobody made ${JSON.stringify(todo)}`);
    }
    assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} of ${this.todos.size} todos are wrong`);
    return this.todos.size;
  }

  select(filter) {
    return this.requests.filter(filter);
  }
}

class Client {
  constructor(load, site, name) {
    Object.assign(this, { load, site, name, own: [] });
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  }

  // One request; null when it is not known what became of it.
  async #attempt(kind, method, url, value) {
    const began = performance.now();
    const entry = { site: this.site.name, kind, began, failure: "", stale: false };
    let answer = null;
    try {
      const options = value === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
      answer = await request(method, url, { ...options, agent: this.agent, limitMs: REQUEST_LIMIT_MS });
      if (answer.status >= 500) entry.failure = `${answer.status} ${answer.text.slice(0, 200)}`;
    } catch (error) {
      entry.failure = error.message.slice(0, 200);
    }
    entry.ms = performance.now() - began;
    entry.by = answer?.headers["hedgerow-site"] ?? "";
    this.load.ledger.requests.push(entry);
    const acks = answer?.headers["hedgerow-acks"];
    if (kind === "write" && acks) this.load.ledger.noteAcks(this.site.name, acks);
    // A todo that is surely there may be unknown to a site that has not heard of it yet, when that one answers for another.
    if (answer?.status === 404) entry.stale = true;
    return entry.failure ? null : { ...answer, entry };
  }

  async create() {
    const { ledger } = this.load;
    const value = ledger.value(this.name);
    const answer = await this.#attempt("write", "POST", this.site.api, value);
    if (!answer) {
      ledger.creates.set(value.title, value);
      return;
    }
    assert.equal(answer.status, 201, answer.text);
    const { id } = answer.json();
    assert.ok(!ledger.todos.has(id) && !ledger.gone.has(id), `the id ${id} was given out twice`);
    const todo = { id, value, doubt: null };
    ledger.todos.set(id, todo);
    this.own.push(todo);
  }

  async patch(todo) {
    const value = this.load.ledger.value(this.name);
    const answer = await this.#attempt("write", "PATCH", `${this.site.api}/${todo.id}`, value);
    if (!answer) this.#doubt(todo, value);
    else if (answer.status !== 404) {
      assert.equal(answer.status, 200, answer.text);
      todo.value = value;
    }
  }

  async remove(todo) {
    const { ledger } = this.load;
    const answer = await this.#attempt("write", "DELETE", `${this.site.api}/${todo.id}`);
    if (!answer) this.#doubt(todo, "deleted");
    else if (answer.status !== 404) {
      assert.equal(answer.status, 204, answer.text);
      this.#disown(todo);
      ledger.todos.delete(todo.id);
      ledger.gone.add(todo.id);
    }
  }

  #doubt(todo, what) {
    todo.doubt = what;
    this.#disown(todo);
  }

  #disown(todo) {
    this.own.splice(this.own.indexOf(todo), 1);
  }

  async read(todo) {
    const answer = await this.#attempt("read", "GET", `${this.site.api}/${todo.id}`);
    if (answer && answer.status !== 404) assert.equal(answer.status, 200, answer.text);
  }

  async list() {
    const answer = await this.#attempt("read", "GET", `${this.site.api}?limit=20`);
    if (answer) assert.equal(answer.status, 200, answer.text);
  }

  async step(dice) {
    const todo = this.own.length ? dice.of(this.own) : null;
    const share = dice.below(100);
    const { creates, patches, deletes, lists } = this.load.mix;
    if (!todo || share < creates) return this.create();
    if (share < creates + patches) return this.patch(todo);
    if (share < creates + patches + deletes) return this.remove(todo);
    if (share < creates + patches + deletes + lists) return this.list();
    return this.read(todo);
  }

  // Begins a request every `everyMs`, or as soon as the last one has its answer if that takes longer.
  async run(dice, everyMs) {
    let next = performance.now();
    while (!this.load.stopped) {
      await this.step(dice);
      next = Math.max(next + everyMs, performance.now());
      const wait = next - performance.now();
      if (wait > 0) await new Promise((wake) => setTimeout(wake, wait));
    }
    this.agent.destroy();
  }
}

export const usualMix = { creates: 15, patches: 10, deletes: 5, lists: 10 }; // percent; the rest are reads

export class Load {
  // random: the choices; clients: how many at each site; everyMs: each one's pace.
  constructor(sites, random, { clients = 2, everyMs = 20, mix = usualMix } = {}) {
    Object.assign(this, { ledger: new Ledger(), random, mix, everyMs, stopped: false });
    this.clients = sites.flatMap((site) =>
      Array.from({ length: clients }, (_, i) => new Client(this, site, `${site.name}-${i}`)));
  }

  start() {
    this.running = Promise.all(this.clients.map((client) => client.run(this.random, this.everyMs)));
    this.running.catch(() => {}); // whoever waits for it gets it
  }

  // Goes on for so long; rejects as soon as a client has seen something wrong.
  async pass(durationMs) {
    await Promise.race([this.running, new Promise((wake) => setTimeout(wake, durationMs))]);
  }

  // Goes on until every site has had so many answers.
  async warm(requests = 50) {
    const sites = [...new Set(this.clients.map((client) => client.site.name))];
    await Promise.race([this.running, until("the load is under way", () =>
      sites.every((name) => this.ledger.select((entry) => entry.site === name && !entry.failure).length >= requests), 60_000)]);
  }

  async stop() {
    this.stopped = true;
    await within(CLIENT_END_LIMIT_MS, "the clients' end", this.running);
    return this.ledger;
  }
}
