// The synchronisation against a server in memory, with the clock in the test's hands.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import type { Fault, Result } from "../src/api.ts";
import { createStore, selectItems, type Store } from "../src/store.ts";
import { backOffMs, BEHIND_TRIES_MAX, POLL_MS, SENDING_MAX, Sync, type SyncOptions } from "../src/sync.ts";
import type { NewTodo, Todo, TodoFields } from "../src/todo.ts";

const NOTHING: Fault = {
  kind: "unreachable",
  text: "No connection.",
  maybeDone: true,
  retryAfterMs: null,
  id: null,
  acks: null,
};
const FEW = { stored: 1, sites: 5, few: true };
const fail = (fault: Partial<Fault>): Result<never> => ({
  ok: false,
  fault: { ...NOTHING, maybeDone: false, ...fault },
});

/** Keeps to-dos with versions as the API does. `trouble` may answer a call instead of it. */
class Server {
  todos: Todo[] = [];
  versions = new Map<string, number>();
  version = 0;
  calls: string[] = [];
  trouble: (call: string) => Result<never> | "lose-answer" | "spread" | undefined = () => undefined;
  open: (() => void)[] | null = null;

  put(todo: Partial<Todo> & { id: string }): void {
    const old = this.todos.find((each) => each.id === todo.id);
    const next = { url: "", title: "", completed: false, order: null, ...old, ...todo };
    this.todos = old ? this.todos.map((each) => (each === old ? next : each)) : [...this.todos, next];
    this.versions.set(todo.id, ++this.version);
  }

  async #answer<T>(call: string, run: () => Result<T>): Promise<Result<T>> {
    this.calls.push(call);
    if (this.open && !call.startsWith("list")) await new Promise<void>((resolve) => this.open!.push(resolve));
    const trouble = this.trouble(call);
    if (typeof trouble === "object") return trouble;
    const result = run();
    if (trouble !== "spread") return trouble ? fail({ maybeDone: true }) : result;
    const id = call.startsWith("add") ? `s${this.version}` : null;
    return fail({ kind: "spreading", text: "Kept on 1 of 5 sites.", maybeDone: true, id, acks: FEW });
  }

  #one(id: string): Result<Todo> {
    const todo = this.todos.find((each) => each.id === id);
    return todo
      ? { ok: true, value: todo, etag: `"${this.versions.get(id)}"` }
      : fail({ kind: "gone", text: "Gone." });
  }

  list = (etag: string | null, anew = false) =>
    this.#answer<Todo[] | null>(`list ${etag ?? "-"}${anew ? " anew" : ""}`, () => {
      const now = `"${this.version}/${this.todos.length}"`;
      return { ok: true, value: etag === now ? null : this.todos, etag: now };
    });
  get = (id: string) => this.#answer<Todo | null>(`get ${id}`, () => this.#one(id));
  add = (todo: NewTodo) =>
    this.#answer<Todo | null>(`add ${todo.title}`, () => {
      const id = `s${this.version + 1}`;
      this.put({ id, ...todo });
      return this.#one(id);
    });
  change = (id: string, fields: TodoFields, etag: string | null) =>
    this.#answer<Todo | null>(`change ${id} ${etag ?? "-"}`, () => {
      if (etag && etag !== `"${this.versions.get(id)}"`) return fail({ kind: "conflict", text: "Changed." });
      const found = this.#one(id);
      if (!found.ok) return found;
      this.put({ id, ...fields });
      return this.#one(id);
    });
  remove = (id: string, leaving = false) =>
    this.#answer<null>(`remove ${id}${leaving ? " leaving" : ""}`, () => {
      const found = this.#one(id);
      this.todos = this.todos.filter((todo) => todo.id !== id);
      return found.ok ? { ok: true, value: null, etag: null } : found;
    });
  removeAll = (leaving = false) =>
    this.#answer<null>(`remove-all${leaving ? " leaving" : ""}`, () => {
      this.todos = [];
      return { ok: true, value: null, etag: null };
    });
}

/** Lets everything that is due happen, without moving the clock. */
const settle = async () => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};
const pass = async (ms: number) => {
  mock.timers.tick(ms);
  await settle();
};

async function run(
  server: Server,
  options: Partial<SyncOptions> = {},
): Promise<{ store: Store; sync: Sync }> {
  const store = createStore();
  const sync = new Sync({
    store,
    api: server,
    nowMs: () => Date.now(),
    random: () => 0.5,
    isVisible: () => true,
    ...options,
  });
  sync.start();
  await settle();
  return { store, sync };
}

const add = (store: Store, text: string) => {
  store.dispatch({ type: "draft", text });
  store.dispatch({ type: "add", nowMs: Date.now(), salt: 0.5 });
};
const edit = (store: Store, id: string, text: string) => {
  store.dispatch({ type: "edit", id });
  store.dispatch({ type: "edit-text", text });
  store.dispatch({ type: "edit-save" });
};
const titles = (store: Store) => selectItems(store.get()).map((item) => item.title);

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_764_000_000_000 });
});

test("others' changes show at the next poll, which names the list that is known", async () => {
  const server = new Server();
  const { store } = await run(server);
  server.put({ id: "a", title: "theirs" });
  await pass(POLL_MS);
  assert.deepEqual(titles(store), ["theirs"]);
  await pass(POLL_MS);
  assert.deepEqual(server.calls, ["list -", 'list "0/0"', 'list "1/1"']);
});

test("a page in the background asks nothing, and asks at once when it comes back", async () => {
  const server = new Server();
  let visible = true;
  const { sync } = await run(server, { isVisible: () => visible });
  visible = false;
  await pass(10 * POLL_MS);
  assert.equal(server.calls.length, 1);
  visible = true;
  sync.wake();
  await settle();
  assert.equal(server.calls.length, 2);
  await pass(POLL_MS);
  assert.equal(server.calls.length, 3);
});

test("without answers it asks ever more rarely, and every two seconds again once one comes", async () => {
  const server = new Server();
  server.trouble = () => fail({});
  const { store } = await run(server);
  assert.equal(store.get().link.state, "down");
  assert.equal(store.get().link.retryAt, Date.now() + 2_000);
  const pauses = [2, 4, 8, 16, 30, 30];
  for (const [i, pause] of pauses.entries()) {
    await pass(pause * 1000 - 1);
    assert.equal(server.calls.length, i + 1, `before ${pause} s`);
    await pass(1);
    assert.equal(server.calls.length, i + 2, `after ${pause} s`);
  }
  server.trouble = () => undefined;
  await pass(30_000);
  assert.equal(store.get().link.state, "up");
  await pass(POLL_MS);
  assert.equal(server.calls.length, pauses.length + 3);
});

test("back-off varies by a fifth either way", () => {
  assert.equal(backOffMs(0, 0), 1_600);
  assert.equal(Math.round(backOffMs(0, 1)), 2_400);
  assert.equal(backOffMs(99, 0.5), 30_000);
});

test("what was done while nobody answered is sent in full once somebody does", async () => {
  const server = new Server();
  server.put({ id: "a", title: "A" });
  const { store } = await run(server);
  server.trouble = () => fail({});
  await pass(POLL_MS);
  add(store, "one");
  store.dispatch({ type: "toggle", id: "a", completed: true });
  await settle();
  assert.ok(!server.calls.includes("add one"));
  server.trouble = () => undefined;
  await pass(POLL_MS);
  assert.deepEqual(
    server.todos.map((todo) => [todo.title, todo.completed]),
    [
      ["A", true],
      ["one", false],
    ],
  );
  assert.deepEqual(titles(store), ["A", "one"]);
});

test("each change is sent once, however often the store changes meanwhile", async () => {
  const server = new Server();
  const { store } = await run(server);
  for (let i = 0; i < 10; i++) add(store, `t${i}`);
  await settle();
  await settle();
  assert.equal(server.todos.length, 10);
  assert.equal(server.calls.filter((call) => call.startsWith("add")).length, 10);
});

test("no more writes are under way at once than allowed, and never two of the same to-do", async () => {
  const server = new Server();
  for (const id of ["a", "b", "c", "d", "e", "f"]) server.put({ id, title: id });
  const { store } = await run(server);
  server.open = [];
  store.dispatch({ type: "toggle-all", completed: true });
  store.dispatch({ type: "toggle", id: "a", completed: false });
  await settle();
  assert.equal(server.calls.filter((call) => call.startsWith("change")).length, SENDING_MAX);
  assert.equal(server.calls.filter((call) => call.startsWith("change a")).length, 1);
  while (server.open.length) {
    server.open.shift()!();
    await settle();
  }
  assert.deepEqual(
    server.todos.map((todo) => todo.completed),
    [false, true, true, true, true, true],
  );
});

test("a busy server is asked again after as long as it says", async () => {
  const server = new Server();
  const { store } = await run(server);
  server.trouble = (call) =>
    call.startsWith("add") ? fail({ kind: "busy", text: "Busy.", retryAfterMs: 7_000 }) : undefined;
  add(store, "one");
  await settle();
  assert.equal(selectItems(store.get())[0]!.trouble?.fault?.text, "Busy.");
  server.trouble = () => undefined;
  await pass(6_999);
  assert.equal(server.todos.length, 0);
  await pass(1);
  assert.equal(server.todos.length, 1);
  assert.equal(selectItems(store.get())[0]!.trouble, null);
});

test("what no site has any more is not waited for for ever, and once the list came nothing is begun anew", async () => {
  const server = new Server();
  server.trouble = (call) => (call.endsWith(" anew") ? undefined : fail({ kind: "busy", text: "Not yet.", behind: true }));
  const { store } = await run(server);
  for (let i = 0; i < BEHIND_TRIES_MAX; i++) {
    assert.equal(store.get().link.state, "down");
    await pass(backOffMs(i, 0.5));
  }
  assert.equal(store.get().link.state, "up");
  assert.deepEqual(server.calls, [...Array(BEHIND_TRIES_MAX).fill("list -"), "list - anew"]);
  server.trouble = () => undefined;
  await pass(POLL_MS);
  assert.match(server.calls.at(-1)!, /^list "/);
  assert.doesNotMatch(server.calls.at(-1)!, /anew/);
});

test("a refused write waits for the person, and is sent when they say so", async () => {
  const server = new Server();
  const { store } = await run(server);
  server.trouble = (call) => (call.startsWith("add") ? fail({ kind: "refused", text: "No." }) : undefined);
  add(store, "one");
  await settle();
  server.trouble = () => undefined;
  await pass(60_000);
  assert.equal(server.todos.length, 0);
  store.dispatch({ type: "retry", key: store.get().ops[0]!.key });
  await settle();
  assert.equal(server.todos.length, 1);
});

test("an add whose answer got lost is not done twice", async () => {
  const server = new Server();
  const { store } = await run(server);
  server.trouble = (call) => (call.startsWith("add") ? "lose-answer" : undefined);
  add(store, "one");
  await settle();
  assert.equal(server.todos.length, 1);
  server.trouble = () => undefined;
  await pass(60_000);
  assert.equal(server.todos.length, 1);
  assert.deepEqual(titles(store), ["one"]);
  assert.equal(store.get().ops.length, 0);
});

test("an edit is sent under the ETag of the title that was seen", async () => {
  const server = new Server();
  server.put({ id: "a", title: "A" });
  const { store, sync } = await run(server);
  await sync.prepareEdit("a");
  edit(store, "a", "mine");
  await settle();
  assert.deepEqual(server.calls.slice(1), ["get a", 'change a "1"']);
  assert.equal(server.todos[0]!.title, "mine");
});

test("an edit over a title that somebody else changed is offered to the person, not written", async () => {
  for (const prepared of [true, false]) {
    const server = new Server();
    server.put({ id: "a", title: "A" });
    const { store, sync } = await run(server);
    if (prepared) await sync.prepareEdit("a");
    server.put({ id: "a", title: "theirs" });
    edit(store, "a", "mine");
    await settle();
    assert.equal(server.todos[0]!.title, "theirs");
    assert.equal(selectItems(store.get())[0]!.conflict?.mine, "mine");
    store.dispatch({ type: "resolve", id: "a", keep: "mine" });
    await settle();
    assert.equal(server.todos[0]!.title, "mine");
  }
});

test("an edit goes through when only something else had changed in between", async () => {
  const server = new Server();
  server.put({ id: "a", title: "A" });
  const { store, sync } = await run(server);
  await sync.prepareEdit("a");
  server.put({ id: "a", completed: true });
  edit(store, "a", "mine");
  await settle();
  assert.deepEqual([server.todos[0]!.title, server.todos[0]!.completed], ["mine", true]);
});

test("an edit that never fits ends with an error instead of trying for ever", async () => {
  const server = new Server();
  server.put({ id: "a", title: "A" });
  const { store } = await run(server);
  server.trouble = (call) =>
    call.startsWith("change") ? fail({ kind: "conflict", text: "Changed." }) : undefined;
  edit(store, "a", "mine");
  await settle();
  assert.equal(server.calls.filter((call) => call.startsWith("change")).length, 3);
  assert.equal(selectItems(store.get())[0]!.trouble?.phase, "failed");
});

test("an edit of a to-do that was deleted elsewhere is kept for the person", async () => {
  const server = new Server();
  server.put({ id: "a", title: "A" });
  const { store } = await run(server);
  server.todos = [];
  edit(store, "a", "mine");
  await settle();
  assert.equal(selectItems(store.get())[0]!.gone, true);
});

test("deleting all leaves alone what the person never saw", async () => {
  const server = new Server();
  for (const id of ["a", "b"]) server.put({ id, title: id });
  const { store } = await run(server);
  store.dispatch({ type: "trash", ids: ["a", "b"] });
  server.put({ id: "c", title: "theirs" });
  store.dispatch({ type: "trash-empty" });
  await settle();
  await settle();
  assert.deepEqual(
    server.todos.map((todo) => todo.id),
    ["c"],
  );
  assert.ok(!server.calls.includes("remove-all"));
});

test("deleting all that there is takes one request", async () => {
  const server = new Server();
  for (const id of ["a", "b"]) server.put({ id, title: id });
  const { store } = await run(server);
  store.dispatch({ type: "trash", ids: ["a", "b"] });
  await pass(POLL_MS);
  assert.equal(server.todos.length, 2);
  store.dispatch({ type: "trash-empty" });
  await settle();
  assert.equal(server.todos.length, 0);
  assert.equal(server.calls.filter((call) => call.startsWith("remove")).join(), "remove-all");
});

test("deleting what is gone already is done", async () => {
  const server = new Server();
  server.put({ id: "a", title: "A" });
  const { store } = await run(server);
  server.todos = [];
  store.dispatch({ type: "trash", ids: ["a"] });
  store.dispatch({ type: "trash-empty" });
  await settle();
  assert.equal(store.get().ops.filter((op) => op.phase !== "settled").length, 0);
});

test("leaving the page sends what was deleted by requests that outlive it", async () => {
  const server = new Server();
  for (const id of ["a", "b", "c"]) server.put({ id, title: id });
  const { store, sync } = await run(server);
  store.dispatch({ type: "trash", ids: ["a", "b"] });
  sync.leave();
  assert.deepEqual(server.calls.slice(1), ["remove a leaving", "remove b leaving"]);
  await settle();
  assert.deepEqual(
    server.todos.map((todo) => todo.id),
    ["c"],
  );
});

test("while a row is dragged the list stands still, and catches up when it is dropped", async () => {
  const server = new Server();
  const { store, sync } = await run(server);
  sync.hold(true);
  server.put({ id: "a", title: "theirs" });
  await pass(POLL_MS);
  assert.deepEqual(titles(store), []);
  sync.hold(false);
  await settle();
  assert.deepEqual(titles(store), ["theirs"]);
});

const writes = (server: Server) => server.calls.filter((call) => !/^(list|get)/.test(call));

test("a write that few sites have kept is read again, and is then done", async () => {
  const server = new Server();
  for (const id of ["a", "b"]) server.put({ id, title: id });
  const { store } = await run(server);
  server.trouble = (call) => (/^(list|get)/.test(call) ? undefined : "spread");
  add(store, "one");
  edit(store, "a", "mine");
  store.dispatch({ type: "trash", ids: ["b"] });
  store.dispatch({ type: "trash-empty" });
  await settle();
  assert.deepEqual(
    selectItems(store.get()).map(({ title, trouble, thin }) => [title, trouble, thin?.acks]),
    [
      ["mine", null, FEW],
      ["one", null, FEW],
    ],
  );
  await pass(60_000);
  assert.deepEqual(titles(store), ["mine", "one"]);
  assert.equal(writes(server).length, 3);
});

test("deleting all is done once the list shows that few sites have done it", async () => {
  const server = new Server();
  for (const id of ["a", "b"]) server.put({ id, title: id });
  const { store } = await run(server);
  server.trouble = (call) => (call === "remove-all" ? "spread" : undefined);
  store.dispatch({ type: "trash", ids: ["a", "b"] });
  store.dispatch({ type: "trash-empty" });
  await settle();
  await pass(60_000);
  assert.deepEqual(writes(server), ["remove-all"]);
  assert.equal(store.get().ops.length, 0);
});

test("an add that few sites have kept is looked for, not sent twice, while others answer", async () => {
  const server = new Server();
  const { store } = await run(server);
  server.trouble = (call) => (call.startsWith("add") ? "spread" : undefined);
  add(store, "one");
  // The site that has it answers no more; the others do not know of it yet.
  const hidden = server.list;
  server.get = async () => fail({ kind: "gone", text: "Gone." });
  server.list = async () => ({ ok: true, value: [], etag: null });
  await settle();
  await pass(120_000);
  assert.deepEqual(titles(store), ["one"]);
  assert.equal(selectItems(store.get())[0]!.trouble?.fault?.kind, "spreading");
  assert.equal(writes(server).length, 1);
  server.list = hidden;
  await pass(POLL_MS);
  assert.deepEqual(titles(store), ["one"]);
  assert.equal(selectItems(store.get())[0]!.id, server.todos[0]!.id);
  assert.equal(writes(server).length, 1);
});

test("an add that few sites have kept is sent anew when the person says so", async () => {
  const server = new Server();
  const { store } = await run(server);
  server.trouble = (call) => (call.startsWith("add") ? "spread" : undefined);
  server.get = async () => fail({ kind: "gone", text: "Gone." });
  add(store, "one");
  await settle();
  server.todos = [];
  server.trouble = () => undefined;
  store.dispatch({ type: "retry", key: store.get().ops[0]!.key });
  await settle();
  assert.deepEqual(writes(server), ["add one", "add one"]);
  assert.deepEqual(titles(store), ["one"]);
});

test("an add that may have been made under a known id is looked for there before it is sent again", async () => {
  for (const made of [true, false]) {
    const server = new Server();
    const { store } = await run(server);
    server.trouble = (call) =>
      call.startsWith("add") ? fail({ kind: "busy", text: "Late.", maybeDone: true, id: "s9" }) : undefined;
    add(store, "one");
    await settle();
    server.trouble = () => undefined;
    const { order } = (store.get().ops[0] as { todo: NewTodo }).todo;
    if (made) server.put({ id: "s9", title: "one", order });
    await pass(60_000);
    assert.equal(writes(server).length, made ? 1 : 2);
    assert.deepEqual(titles(store), ["one"]);
    assert.equal(server.todos.length, 1);
  }
});

test("a change that few sites have kept is sent again while a read does not show it", async () => {
  const server = new Server();
  server.put({ id: "a", title: "a" });
  const { store } = await run(server);
  server.trouble = (call) =>
    call.startsWith("change")
      ? fail({ kind: "spreading", text: "Kept on 1 of 5 sites.", acks: FEW })
      : undefined;
  store.dispatch({ type: "toggle", id: "a", completed: true });
  await settle();
  assert.equal(selectItems(store.get())[0]!.trouble?.phase, "queued");
  server.trouble = () => undefined;
  await pass(60_000);
  assert.equal(server.todos[0]!.completed, true);
  assert.equal(selectItems(store.get())[0]!.trouble, null);
});
