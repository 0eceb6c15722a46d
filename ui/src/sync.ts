// Brings the store and the server together: sends the outbox, and asks every POLL_MS for what others
// changed. It alone talks to the API; the store decides what an answer means. While the server does
// not answer it asks with growing pauses and sends nothing; at most SENDING_MAX writes are under way
// at once, and never two that touch the same to-do.
import type { Api, Fault, Result } from "./api.ts";
import { idsOf, type AddOp, type ChangeOp, type Op, type RemoveOp, type Store } from "./store.ts";
import type { Todo, TodoFields } from "./todo.ts";

export const POLL_MS = 2_000;
export const SENDING_MAX = 4;
const BACK_OFF_MAX_MS = 30_000;
/** So often the list is asked for as one that holds what was seen before; then, half a minute later, as it is. */
export const BEHIND_TRIES_MAX = 4;
/** How often an edit is tried anew because something other than the title had changed in between. */
const EDIT_TRIES_MAX = 3;
/** Deletions sent one by one while the page is being closed; more go as one when they are all there is. */
const LEAVING_MAX = 50;

export interface SyncOptions {
  readonly store: Store;
  readonly api: Pick<Api, "list" | "get" | "add" | "change" | "remove" | "removeAll">;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly isVisible: () => boolean;
}

/** Doubles from POLL_MS on, up to BACK_OFF_MAX_MS, and a fifth either way so that many pages do not come back at once. */
export const backOffMs = (tries: number, random: number): number =>
  Math.min(BACK_OFF_MAX_MS, POLL_MS * 2 ** Math.min(tries, 10)) * (0.8 + 0.4 * random);

const holds = (todo: Todo, fields: TodoFields): boolean =>
  Object.entries(fields).every(([field, value]) => todo[field as keyof TodoFields] === value);

export class Sync {
  readonly #options: SyncOptions;
  #etag: string | null = null;
  #pulling: Promise<boolean> | null = null;
  #pullTimer: ReturnType<typeof setTimeout> | undefined;
  #pumpTimer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #behind = 0;
  #held = false;
  #pumping = false;
  /** What each to-do's title was at which ETag, as far as answers have told. */
  readonly #versions = new Map<string, { title: string; etag: string | null }>();

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.store.subscribe(() => this.#pump());
    void this.pull();
  }

  /** Asks at once: the page came to the front, the network came back, or the person said so. */
  wake(): void {
    if (this.#options.isVisible()) void this.pull();
  }

  /** While a to-do is being dragged the list stands still. */
  hold(held: boolean): void {
    this.#held = held;
    if (!held) this.wake();
  }

  /** An edit begins: learns the ETag to send with it, and what the title is by now. */
  async prepareEdit(id: string): Promise<void> {
    if (!this.#versions.has(id) && (this.#options.store.get().todos ?? []).some((todo) => todo.id === id))
      await this.#look(id);
  }

  /** Reads the list. Whether that succeeded. */
  pull(): Promise<boolean> {
    this.#pulling ??= this.#pullOnce().finally(() => {
      this.#pulling = null;
    });
    return this.#pulling;
  }

  /** The page is being closed: what was deleted is sent now, by requests that outlive the page. */
  leave(): void {
    const { store } = this.#options;
    // Not by the requests that are sent otherwise: those end with the page.
    this.#pumping = true;
    store.dispatch({ type: "trash-empty" });
    const removals = store
      .get()
      .ops.filter((op): op is RemoveOp => op.kind === "remove" && op.phase === "queued");
    for (const op of removals) this.#sendLeaving(op);
    this.#pumping = false;
  }

  #sendLeaving(op: RemoveOp): void {
    const { store, api } = this.#options;
    store.dispatch({ type: "op-sending", key: op.key });
    const requests =
      op.all && op.ids.length > LEAVING_MAX
        ? [api.removeAll(true)]
        : op.ids.map((id) => api.remove(id, true));
    const failed = (result: Result<null>): boolean => !result.ok && result.fault.kind !== "gone";
    void Promise.all(requests).then((results) => this.#finish(op, results.find(failed) ?? results[0]!));
  }

  async #pullOnce(): Promise<boolean> {
    const { store, api, nowMs, random } = this.#options;
    clearTimeout(this.#pullTimer);
    const asked = this.#etag;
    const result = await api.list(asked, this.#behind >= BEHIND_TRIES_MAX);
    this.#behind = !result.ok && result.fault.behind ? this.#behind + 1 : 0;
    if (this.#held) {
      this.#schedule(POLL_MS);
      return result.ok;
    }
    if (!result.ok) {
      const pause = Math.max(backOffMs(this.#tries++, random()), result.fault.retryAfterMs ?? 0);
      this.#schedule(pause);
      store.dispatch({ type: "link-down", fault: result.fault, retryAt: nowMs() + pause });
      return false;
    }
    this.#tries = 0;
    if (result.value) {
      this.#etag = result.etag;
      this.#forget(result.value);
    }
    this.#schedule(POLL_MS);
    store.dispatch({ type: "listed", todos: result.value, nowMs: nowMs() });
    this.#pump();
    return true;
  }

  #schedule(ms: number): void {
    clearTimeout(this.#pullTimer);
    this.#pullTimer = setTimeout(() => this.wake(), ms);
  }

  #forget(todos: readonly Todo[]): void {
    const listed = new Map(todos.map((todo) => [todo.id, todo.title]));
    for (const [id, version] of this.#versions)
      if (listed.get(id) !== version.title) this.#versions.delete(id);
  }

  #pump(): void {
    // Marking an op as under way changes the store, which calls here again.
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      this.#pumpOnce();
    } finally {
      this.#pumping = false;
    }
  }

  #pumpOnce(): void {
    const { store, nowMs } = this.#options;
    clearTimeout(this.#pumpTimer);
    const { link, ops, trash } = store.get();
    if (link.state !== "up") return;
    const touched = new Set(trash?.ids ?? []);
    let sending = ops.filter((op) => op.phase === "sending").length;
    let next = Infinity;
    const ready: Op[] = [];
    for (const op of ops) {
      const active = op.phase === "queued" || op.phase === "sending";
      const free = !idsOf(op).some((id) => touched.has(id));
      if (active) for (const id of idsOf(op)) touched.add(id);
      if (op.phase !== "queued" || !free) continue;
      if (op.notBefore > nowMs()) next = Math.min(next, op.notBefore);
      else if (sending < SENDING_MAX) {
        sending++;
        ready.push(op);
      }
    }
    if (next < Infinity) this.#pumpTimer = setTimeout(() => this.#pump(), next - nowMs());
    for (const op of ready) store.dispatch({ type: "op-sending", key: op.key });
    for (const op of ready) void this.#send(op);
  }

  async #send(op: Op): Promise<void> {
    switch (op.kind) {
      case "add":
        return this.#sendAdd(op);
      case "change":
        return op.base === null || op.fields.title === undefined
          ? this.#sendFields(op)
          : this.#sendEdit(op, op.base, op.fields.title);
      case "remove":
        return this.#sendRemove(op);
    }
  }

  async #sendAdd(op: AddOp): Promise<void> {
    if (op.kept) {
      const found = await this.#look(op.kept);
      // Not there after all, or not here yet: only of what was said to be kept is it known which.
      const lost = !found.ok && found.fault.kind === "gone";
      if (lost && op.fault?.kind === "spreading") return this.#stop(op, op.fault);
      if (!lost) return this.#finish(op, found, op.fault);
    } else if (op.maybeDone) {
      // A list read since then would have shown it, had the lost request been carried out.
      const { store, nowMs } = this.#options;
      const before = await this.#options.api.list(null);
      if (!before.ok) return this.#finish(op, before);
      const done = (before.value ?? []).find(
        (todo) => todo.title === op.todo.title && todo.order === op.todo.order,
      );
      if (done) return store.dispatch({ type: "op-done", key: op.key, todo: done, nowMs: nowMs() });
    }
    this.#finish(op, await this.#options.api.add(op.todo));
  }

  async #sendFields(op: ChangeOp): Promise<void> {
    this.#finish(op, await this.#options.api.change(op.id, op.fields, null));
  }

  /** A new title is written only over the title that the person saw. */
  async #sendEdit(op: ChangeOp, base: string, title: string): Promise<void> {
    const { store, api, nowMs } = this.#options;
    for (let tries = 0; ; tries++) {
      let version = this.#versions.get(op.id);
      if (version?.title !== base) {
        const found = await this.#look(op.id);
        if (!found.ok || !found.value) return this.#finish(op, found);
        if (found.value.title === title)
          return store.dispatch({ type: "op-done", key: op.key, todo: found.value, nowMs: nowMs() });
        if (found.value.title !== base)
          return store.dispatch({ type: "op-conflict", key: op.key, theirs: found.value });
        version = { title: base, etag: found.etag };
      }
      const result = await api.change(op.id, op.fields, version.etag);
      if (result.ok || result.fault.kind !== "conflict" || tries + 1 === EDIT_TRIES_MAX)
        return this.#finish(op, result);
      this.#versions.delete(op.id);
    }
  }

  async #sendRemove(op: RemoveOp): Promise<void> {
    const { store, api } = this.#options;
    if (!op.all) return this.#finish(op, await api.remove(op.ids[0]!));
    const before = await api.list(null);
    if (!before.ok) return this.#finish(op, before);
    if ((before.value ?? []).some((todo) => !op.ids.includes(todo.id)))
      return store.dispatch({ type: "op-split", key: op.key });
    this.#finish(op, await api.removeAll());
  }

  async #look(id: string): Promise<Result<Todo | null>> {
    const result = await this.#options.api.get(id);
    if (result.ok && result.value) this.#versions.set(id, { title: result.value.title, etag: result.etag });
    return result;
  }

  /** A write that was kept, but at few sites: it is done as soon as a read shows it. */
  async #confirm(op: Op, fault: Fault): Promise<void> {
    const { store, api, nowMs } = this.#options;
    if (op.kind === "remove" && op.ids.length > 1) {
      const list = await api.list(null);
      const left = !list.ok || (list.value ?? []).some((todo) => op.ids.includes(todo.id));
      return left ? this.#stop(op, fault) : this.#finish(op, { ok: true, value: null, etag: null }, fault);
    }
    const id = op.kind === "add" ? fault.id : idsOf(op)[0];
    if (!id) return this.#stop(op, fault);
    const found = await this.#look(id);
    const todo = found.ok ? found.value : null;
    const done =
      op.kind === "remove"
        ? !found.ok && found.fault.kind === "gone"
        : todo !== null && (op.kind === "add" || holds(todo, op.fields));
    if (!done) return this.#stop(op, fault);
    this.#etag = null;
    store.dispatch({ type: "op-done", key: op.key, todo, nowMs: nowMs(), thin: fault.acks });
  }

  /** @unsure: the fault of an earlier try, which this one has cleared up. */
  #finish(op: Op, result: Result<Todo | null>, unsure: Fault | null = null): void {
    const { store, nowMs } = this.#options;
    const { key } = op;
    if (!result.ok && result.fault.kind === "spreading") return void this.#confirm(op, result.fault);
    if (result.ok || (op.kind === "remove" && result.fault.kind === "gone")) {
      const todo = result.ok ? result.value : null;
      if (todo && result.ok) this.#versions.set(todo.id, { title: todo.title, etag: result.etag });
      // The list has changed by this: its old ETag would only hide what it is now.
      this.#etag = null;
      return store.dispatch({ type: "op-done", key, todo, nowMs: nowMs(), thin: unsure?.acks ?? null });
    }
    if (op.kind === "change" && result.fault.kind === "gone") return store.dispatch({ type: "op-gone", key });
    this.#stop(op, result.fault);
  }

  #stop(op: Op, fault: Fault): void {
    const { store, nowMs, random } = this.#options;
    const { key } = op;
    if (fault.kind !== "unreachable" && fault.kind !== "busy" && fault.kind !== "spreading")
      return store.dispatch({ type: "op-failed", key, fault });
    const pause = Math.max(backOffMs(op.tries, random()), fault.retryAfterMs ?? 0);
    store.dispatch({ type: "op-again", key, fault, notBefore: nowMs() + pause });
    // Whether it is this write or the server itself that fails, the next read tells.
    if (fault.kind === "unreachable") void this.pull();
  }
}
