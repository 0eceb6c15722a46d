// The page's whole state, the pure functions that change it, and what the page shows of it.
//
// `todos` is the list as the server last told it. What the person at the page did since is a queue of
// `ops` laid over it (the outbox): an op is queued, sent, and then settled; it fails only when the
// server refuses it, and then waits for the person. A settled op stays laid over the list until the
// list shows what it did (or SETTLED_MS have passed), for another site may answer the next read
// before it has heard of the write. Deletions wait in `trash` while they can be undone: nothing is
// sent before that. Times and random numbers come in with the actions.
import { spreadText, type Answer, type Fault } from "./api.ts";
import { byRank, move, orderOfNew, rankOf } from "./order.ts";
import { noSites, withAnswer, withLattice, type Acks, type Lattice, type Sites } from "./sites.ts";
import { cleanTitle, shortTitle, titleProblem, type NewTodo, type Todo, type TodoFields } from "./todo.ts";

export const SETTLED_MS = 5_000;
/** How long a to-do says that fewer sites than wanted have kept its last change. */
export const THIN_MS = 20_000;

export type Filter = "all" | "active" | "completed";

interface OpState {
  readonly key: string;
  readonly phase: "queued" | "sending" | "failed" | "settled";
  /** Why it is not done yet; a queued op with a fault is tried again by itself. */
  readonly fault: Fault | null;
  readonly tries: number;
  readonly notBefore: number;
  /** An earlier try may have been carried out. */
  readonly maybeDone: boolean;
  readonly settledUntil: number;
}

export interface AddOp extends OpState {
  readonly kind: "add";
  /** Made up here ("new-7") until the server has given one. */
  readonly id: string;
  /** The id that the server gave to a try which it did not confirm; null if there is none. */
  readonly kept: string | null;
  readonly todo: NewTodo;
}

export interface ChangeOp extends OpState {
  readonly kind: "change";
  readonly id: string;
  readonly fields: TodoFields;
  /** The title that a new title was written over; null when the title is not changed. */
  readonly base: string | null;
}

export interface RemoveOp extends OpState {
  readonly kind: "remove";
  readonly ids: readonly string[];
  /** With one request, for these are all there are. */
  readonly all: boolean;
}

export type Op = AddOp | ChangeOp | RemoveOp;

export interface Trash {
  readonly ids: readonly string[];
  /** The titles that each may have had when it was deleted; any other was written by somebody since. */
  readonly seen: Readonly<Record<string, readonly string[]>>;
  readonly label: string;
  /** Differs for each deletion; the time to undo starts anew. */
  readonly stamp: number;
}

/** Enough of a to-do to put it back. */
interface Snapshot {
  readonly completed: boolean;
  readonly order: number;
}

export interface Editing {
  readonly id: string;
  readonly text: string;
  /** The title when editing began. */
  readonly base: string;
  readonly snapshot: Snapshot;
}

/** What was written here and not taken, because somebody else had changed or deleted the to-do. */
export interface Conflict {
  readonly mine: string;
  readonly snapshot: Snapshot;
}

/** A change that fewer sites than wanted have kept, and until when that is worth a word. */
export interface Thin {
  readonly acks: Acks;
  readonly until: number;
}

/** A to-do picked up with the keyboard, shown at index `to` of the visible list until it is dropped. */
export interface Grab {
  readonly id: string;
  readonly to: number;
}

export interface Link {
  readonly state: "connecting" | "up" | "down";
  readonly fault: Fault | null;
  readonly retryAt: number | null;
  readonly online: boolean;
}

export interface State {
  readonly todos: readonly Todo[] | null;
  readonly ops: readonly Op[];
  /** Ids given by the server to what was added here, to the ids made up before; rows stay the same rows. */
  readonly keys: Readonly<Record<string, string>>;
  readonly trash: Trash | null;
  readonly conflicts: Readonly<Record<string, Conflict>>;
  readonly thin: Readonly<Record<string, Thin>>;
  readonly editing: Editing | null;
  readonly grab: Grab | null;
  readonly draft: string;
  readonly filter: Filter;
  readonly link: Link;
  readonly sites: Sites;
  readonly said: { readonly text: string; readonly urgent: boolean; readonly count: number };
  readonly serial: number;
}

export type Action =
  | { type: "draft"; text: string }
  | { type: "add"; nowMs: number; salt: number }
  | { type: "toggle"; id: string; completed: boolean }
  | { type: "toggle-all"; completed: boolean }
  | { type: "edit"; id: string }
  | { type: "edit-text"; text: string }
  | { type: "edit-cancel" }
  | { type: "edit-save" }
  | { type: "resolve"; id: string; keep: "mine" | "theirs" }
  | { type: "trash"; ids: readonly string[] }
  | { type: "trash-undo" }
  | { type: "trash-empty" }
  | { type: "move"; id: string; to: number }
  | { type: "grab"; id: string }
  | { type: "grab-move"; by: number }
  | { type: "grab-drop" }
  | { type: "grab-cancel" }
  | { type: "filter"; filter: Filter }
  | { type: "retry"; key: string }
  | { type: "discard"; key: string }
  | { type: "online"; online: boolean }
  | { type: "answered"; answer: Answer }
  | { type: "lattice"; lattice: Lattice | null }
  | { type: "listed"; todos: readonly Todo[] | null; nowMs: number }
  | { type: "link-down"; fault: Fault; retryAt: number | null }
  | { type: "op-sending"; key: string }
  | { type: "op-done"; key: string; todo: Todo | null; nowMs: number; thin?: Acks | null }
  | { type: "op-again"; key: string; fault: Fault; notBefore: number }
  | { type: "op-failed"; key: string; fault: Fault }
  | { type: "op-conflict"; key: string; theirs: Todo }
  | { type: "op-gone"; key: string }
  | { type: "op-split"; key: string };

export const emptyState: State = {
  todos: null,
  ops: [],
  keys: {},
  trash: null,
  conflicts: {},
  thin: {},
  editing: null,
  grab: null,
  draft: "",
  filter: "all",
  link: { state: "connecting", fault: null, retryAt: null, online: true },
  sites: noSites,
  said: { text: "", urgent: false, count: 0 },
  serial: 1,
};

// What the page shows

export interface Item {
  /** Stays the same when the server gives the to-do its id. */
  readonly key: string;
  readonly id: string;
  readonly title: string;
  readonly completed: boolean;
  readonly order: number | null;
  /** Deleted elsewhere, and shown only because something written here would be lost with it. */
  readonly gone: boolean;
  /** The op that is not done, and why. */
  readonly trouble: Op | null;
  readonly conflict: Conflict | null;
  readonly thin: Thin | null;
}

/** The to-dos that an op is about. */
export const idsOf = (op: Op): readonly string[] => (op.kind === "remove" ? op.ids : [op.id]);

/** All items in the order of their ranks, without those that are deleted here. */
export function selectItems(state: State): Item[] {
  const items = new Map<string, Item>();
  const put = (id: string, todo: Pick<Todo, "title" | "completed" | "order">, gone = false) =>
    items.set(id, {
      key: state.keys[id] ?? id,
      id,
      title: todo.title,
      completed: todo.completed,
      order: todo.order,
      gone,
      trouble: null,
      conflict: state.conflicts[id] ?? null,
      thin: state.thin[id] ?? null,
    });
  for (const todo of state.todos ?? []) put(todo.id, todo);
  for (const op of state.ops) if (op.kind === "add" && !items.has(op.id)) put(op.id, op.todo);
  const ghosts = { ...state.conflicts, ...(state.editing ? { [state.editing.id]: state.editing } : {}) };
  // Before the first list came nothing is known to be gone.
  const gone = state.todos !== null;
  for (const [id, { snapshot, ...ghost }] of Object.entries(ghosts)) {
    if (!items.has(id)) put(id, { ...snapshot, title: "base" in ghost ? ghost.base : ghost.mine }, gone);
  }
  for (const op of state.ops) {
    for (const id of idsOf(op)) {
      const item = items.get(id);
      if (!item) continue;
      if (op.kind === "remove" && !op.fault) items.delete(id);
      else
        items.set(id, {
          ...item,
          ...(op.kind === "change" ? op.fields : {}),
          trouble: op.fault ? op : item.trouble,
        });
    }
  }
  for (const id of state.trash?.ids ?? []) items.delete(id);
  return [...items.values()].sort(byRank);
}

const matches = (filter: Filter, item: Item): boolean =>
  filter === "all" || item.completed === (filter === "completed");

/** The items under the filter, and those that need the person's attention whatever the filter. */
export function selectVisible(state: State, items: readonly Item[] = selectItems(state)): Item[] {
  const { editing, filter, grab } = state;
  const visible = items.filter(
    (item) =>
      matches(filter, item) || item.id === editing?.id || item.trouble !== null || item.conflict !== null,
  );
  const from = grab ? visible.findIndex((item) => item.id === grab.id) : -1;
  if (grab && from >= 0) visible.splice(grab.to, 0, ...visible.splice(from, 1));
  return visible;
}

/** Whether closing the page now would lose something. What is being sent, or about to be, does not count. */
export function hasUnsaved({ ops, link, conflicts }: State): boolean {
  const stuck = (op: Op): boolean => op.fault !== null || (op.phase === "queued" && link.state === "down");
  return ops.some(stuck) || Object.keys(conflicts).length > 0;
}

// How it changes

const say = (state: State, text: string, urgent = false): State => ({
  ...state,
  said: { text, urgent, count: state.said.count + 1 },
});

const freshOp = {
  phase: "queued",
  fault: null,
  tries: 0,
  notBefore: 0,
  maybeDone: false,
  settledUntil: 0,
} as const;

type OpContent = Omit<AddOp, keyof OpState> | Omit<ChangeOp, keyof OpState> | Omit<RemoveOp, keyof OpState>;

function withOp(state: State, op: OpContent): State {
  const made = { ...freshOp, ...op, key: `op-${state.serial}` } as Op;
  return { ...state, ops: [...state.ops, made], serial: state.serial + 1 };
}

const changeOps = (state: State, change: (op: Op) => Op | null): State => ({
  ...state,
  ops: state.ops.map(change).filter((op): op is Op => op !== null),
});
const changeOp = (state: State, key: string, change: (op: Op) => Op | null): State =>
  changeOps(state, (op) => (op.key === key ? change(op) : op));

const findOp = (state: State, key: string): Op | undefined => state.ops.find((op) => op.key === key);

function withChange(state: State, id: string, fields: TodoFields, base: string | null): State {
  const last = state.ops.findLast((op) => idsOf(op).includes(id) && op.phase !== "settled");
  const retitled = fields.title !== undefined;
  const again = retitled ? ({ phase: "queued", fault: null, notBefore: 0 } as const) : {};
  // One that may have been carried out is found again by what was sent: it stays as it is.
  if (last?.kind === "add" && (last.phase === "failed" || (last.phase === "queued" && !last.maybeDone))) {
    return changeOp(state, last.key, (op) =>
      op.kind === "add" ? { ...op, ...again, todo: { ...op.todo, ...fields } } : op,
    );
  }
  const mergeable = last?.phase === "queued" || (last?.phase === "failed" && retitled);
  if (last?.kind === "change" && mergeable) {
    return changeOp(state, last.key, (op) =>
      op.kind === "change"
        ? { ...op, ...again, fields: { ...op.fields, ...fields }, base: op.base ?? base }
        : op,
    );
  }
  return withOp(state, { kind: "change", id, fields, base });
}

const quote = (title: string): string => `“${shortTitle(title)}”`;
const counted = (count: number): string => `${count} ${count === 1 ? "to-do" : "to-dos"}`;

function add(state: State, nowMs: number, salt: number): State {
  const title = cleanTitle(state.draft);
  const problem = titleProblem(title);
  if (problem) return say(state, problem, true);
  const order = orderOfNew(selectItems(state), nowMs, salt);
  const added = withOp(
    { ...state, draft: "" },
    { kind: "add", id: `new-${state.serial}`, kept: null, todo: { title, completed: false, order } },
  );
  return say(added, `Added ${quote(title)}.`);
}

function editStart(state: State, id: string): State {
  const item = selectItems(state).find((found) => found.id === id);
  if (!item || item.gone || item.conflict) return state;
  const snapshot = { completed: item.completed, order: rankOf(item) };
  return { ...state, editing: { id, text: item.title, base: item.title, snapshot } };
}

const putBack = (state: State, title: string, snapshot: Snapshot): State =>
  withOp(state, { kind: "add", id: `new-${state.serial}`, kept: null, todo: { title, ...snapshot } });

function editSave(state: State): State {
  const { editing } = state;
  if (!editing) return state;
  const title = cleanTitle(editing.text);
  const problem = titleProblem(title);
  if (problem) return say(state, problem, true);
  const item = selectItems(state).find((found) => found.id === editing.id);
  const closed = { ...state, editing: null };
  if (!item || item.gone) return say(putBack(closed, title, editing.snapshot), `Put back ${quote(title)}.`);
  if (title === editing.base || editing.text === editing.base) return closed;
  return say(withChange(closed, editing.id, { title }, editing.base), `Changed to ${quote(title)}.`);
}

function resolve(state: State, id: string, keep: "mine" | "theirs"): State {
  const { [id]: conflict, ...conflicts } = state.conflicts;
  if (!conflict) return state;
  const item = selectItems(state).find((found) => found.id === id);
  const settled = { ...state, conflicts };
  const gone = !item || item.gone;
  if (keep === "theirs") return say(settled, gone ? "Left deleted." : "Kept theirs.");
  if (gone)
    return say(putBack(settled, conflict.mine, conflict.snapshot), `Put back ${quote(conflict.mine)}.`);
  return say(withChange(settled, id, { title: conflict.mine }, item.title), "Kept yours.");
}

const without = <T>(record: Readonly<Record<string, T>>, ids: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(record).filter(([id]) => !ids.includes(id)));

function trash(state: State, ids: readonly string[]): State {
  const items = selectItems(state).filter((item) => ids.includes(item.id));
  if (items.length === 0) return state;
  const told = new Map((state.todos ?? []).map((todo) => [todo.id, todo.title]));
  const seen = { ...state.trash?.seen };
  for (const item of items) seen[item.id] = [item.title, told.get(item.id) ?? item.title];
  const all = [...(state.trash?.ids ?? []), ...items.map((item) => item.id)];
  const label = all.length === 1 ? `Deleted ${quote(items[0]!.title)}` : `Deleted ${counted(all.length)}`;
  return say(
    {
      ...state,
      // A failed deletion that is tried once more starts afresh; what was in conflict is deleted with it.
      ops: state.ops.filter(
        (op) => !(op.kind === "remove" && op.fault && op.ids.some((id) => ids.includes(id))),
      ),
      conflicts: without(state.conflicts, all),
      editing: state.editing && all.includes(state.editing.id) ? null : state.editing,
      trash: { ids: all, seen, label, stamp: state.serial },
      serial: state.serial + 1,
    },
    `${label}. Undo is at the end of the page, or press Control Z.`,
  );
}

function emptyTrash(state: State): State {
  const { trash: emptied } = state;
  if (!emptied) return state;
  const ids = new Set(emptied.ids);
  const waits = (op: Op): boolean => op.phase === "queued" || op.phase === "failed";
  // An add that was not sent is just forgotten, and so are changes of what is to be deleted.
  const needless = state.ops.filter(
    (op) => waits(op) && idsOf(op).some((id) => ids.has(id)) && !(op.kind === "add" && op.maybeDone),
  );
  const unsent = new Set(needless.filter((op) => op.kind === "add").flatMap(idsOf));
  const rest = emptied.ids.filter((id) => !unsent.has(id));
  const cleared: State = { ...state, trash: null, ops: state.ops.filter((op) => !needless.includes(op)) };
  const all = rest.length > 1 && (state.todos ?? []).every((todo) => ids.has(todo.id));
  if (all) return withOp(cleared, { kind: "remove", ids: rest, all });
  return rest.reduce((next, id) => withOp(next, { kind: "remove", ids: [id], all: false }), cleared);
}

/** Where an item stands among all, and where it goes when it goes to index @to of the visible ones. */
function place(items: readonly Item[], visible: readonly Item[], id: string, to: number): [number, number] {
  const from = visible.findIndex((item) => item.id === id);
  const rest = visible.filter((item) => item.id !== id);
  const others = items.filter((item) => item.id !== id);
  const before = rest[to - 1];
  const after = rest[to];
  const index =
    to > from || !after
      ? others.findIndex((item) => item.id === before?.id) + 1
      : others.findIndex((item) => item.id === after.id);
  return [items.findIndex((item) => item.id === id), index];
}

function moveTo(state: State, id: string, to: number): State {
  const items = selectItems(state);
  const visible = selectVisible({ ...state, grab: null }, items);
  const item = visible.find((found) => found.id === id);
  const target = Math.max(0, Math.min(visible.length - 1, to));
  if (!item || visible.indexOf(item) === target) return state;
  const [from, index] = place(items, visible, id, target);
  const moved = move(items, from, index).reduce(
    (next, { id: at, order }) => withChange(next, at, { order }, null),
    state,
  );
  return say(moved, `${quote(item.title)} is now ${target + 1} of ${visible.length}.`);
}

function grab(state: State, id: string): State {
  const visible = selectVisible({ ...state, grab: null });
  const from = visible.findIndex((item) => item.id === id);
  if (from < 0) return state;
  const place = `${from + 1} of ${visible.length}`;
  return say(
    { ...state, grab: { id, to: from } },
    `Picked up ${quote(visible[from]!.title)}, ${place}. Arrow keys move it, Space drops it, Escape puts it back.`,
  );
}

function grabMove(state: State, by: number): State {
  if (!state.grab) return state;
  const count = selectVisible(state).length;
  const to = Math.max(0, Math.min(count - 1, state.grab.to + by));
  return to === state.grab.to
    ? state
    : say({ ...state, grab: { ...state.grab, to } }, `${to + 1} of ${count}.`);
}

function grabDrop(state: State): State {
  const { grab: held } = state;
  if (!held) return state;
  const dropped = moveTo({ ...state, grab: null }, held.id, held.to);
  return dropped.said === state.said ? say(dropped, "Dropped where it was.") : dropped;
}

function discard(state: State, key: string): State {
  const op = findOp(state, key);
  if (!op) return state;
  const [id] = idsOf(op);
  const kept = changeOps(state, (other) =>
    other === op || (op.kind === "add" && idsOf(other).includes(id!)) ? null : other,
  );
  return say(kept, op.kind === "remove" ? "Kept." : "Change undone.");
}

const replaceId = (id: string, from: string, to: string): string => (id === from ? to : id);

/** The server has given @todo to what was @from here: every mention of it follows. */
function adopt(state: State, from: string, todo: Todo): State {
  const { id } = todo;
  const swap = (old: string): string => replaceId(old, from, id);
  const rename = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).map(([old, value]) => [swap(old), value]));
  return {
    ...state,
    todos: [...(state.todos ?? []).filter((other) => other.id !== id), todo],
    keys: { ...state.keys, [id]: state.keys[from] ?? from },
    ops: state.ops.map((op) =>
      op.kind === "remove" ? { ...op, ids: op.ids.map(swap) } : { ...op, id: swap(op.id) },
    ),
    trash: state.trash && { ...state.trash, ids: state.trash.ids.map(swap), seen: rename(state.trash.seen) },
    conflicts: rename(state.conflicts),
    editing: state.editing && { ...state.editing, id: swap(state.editing.id) },
    grab: state.grab && { ...state.grab, id: swap(state.grab.id) },
  };
}

/** Notes that few sites have kept what was done to @ids, or that this is no longer to be said. */
function withThin(state: State, ids: readonly string[], acks: Acks | null, nowMs: number): State {
  const rest = without(state.thin, ids);
  if (!acks) return { ...state, thin: rest };
  const thin = Object.fromEntries(ids.map((id) => [id, { acks, until: nowMs + THIN_MS }]));
  return say({ ...state, thin: { ...rest, ...thin } }, spreadText(acks));
}

function opDone(state: State, key: string, todo: Todo | null, nowMs: number, acks: Acks | null): State {
  const op = findOp(state, key);
  if (!op) return state;
  // What few sites have may be missing in what the others answer for longer.
  const until = nowMs + (acks ? THIN_MS : SETTLED_MS);
  const ids = op.kind === "remove" ? [] : [todo?.id ?? op.id];
  return withThin(opSettled(state, op, todo, until), ids, acks, nowMs);
}

/** What is left to be laid over the list of @other, now that @op is done. No list need have shown what @op wrote over. */
function withoutOverwritten(other: Op, op: Op): Op | null {
  if (other.kind !== "change" || op.kind !== "change" || other.phase !== "settled" || other.id !== op.id)
    return other;
  const fields = Object.fromEntries(Object.entries(other.fields).filter(([field]) => !(field in op.fields)));
  return Object.keys(fields).length ? { ...other, fields } : null;
}

function opSettled(state: State, op: Op, todo: Todo | null, settledUntil: number): State {
  const settled = changeOps(state, (other) =>
    other.key === op.key
      ? { ...other, phase: "settled", fault: null, settledUntil }
      : withoutOverwritten(other, op),
  );
  if (op.kind === "remove") {
    return {
      ...settled,
      todos: settled.todos && settled.todos.filter((other) => !op.ids.includes(other.id)),
    };
  }
  if (!todo) return settled;
  if (op.kind === "add") return adopt(settled, op.id, todo);
  return {
    ...settled,
    todos: settled.todos && settled.todos.map((other) => (other.id === todo.id ? todo : other)),
  };
}

/** An add that was not taken yet takes in the changes made to it meanwhile: it is sent as it stands now. */
function foldChanges(state: State, key: string): State {
  const op = findOp(state, key);
  if (op?.kind !== "add") return state;
  const isLater = (other: Op): other is ChangeOp => other.kind === "change" && other.id === op.id;
  const later = state.ops.filter(isLater);
  if (op.maybeDone || later.length === 0) return state;
  const todo = later.reduce<NewTodo>((into, change) => ({ ...into, ...change.fields }), op.todo);
  return changeOps(state, (other) => (other === op ? { ...op, todo } : isLater(other) ? null : other));
}

function opStopped(
  state: State,
  key: string,
  fault: Fault,
  phase: "queued" | "failed",
  notBefore: number,
): State {
  const op = findOp(state, key);
  if (!op) return state;
  const stopped = changeOp(state, key, (old) => ({
    ...old,
    phase,
    fault,
    notBefore,
    tries: old.tries + 1,
    maybeDone: old.maybeDone || fault.maybeDone,
    ...(old.kind === "add" ? { kept: fault.id ?? old.kept } : {}),
  }));
  const missed = op.kind === "remove" ? "Not deleted" : "Not saved";
  const what = fault.kind === "spreading" ? "Not everywhere yet" : missed;
  // Said once; the tries that follow by themselves say nothing.
  const told = op.fault ? stopped : say(stopped, `${what}: ${fault.text}`, true);
  return foldChanges(told, key);
}

function opConflict(state: State, key: string, theirs: Todo): State {
  const op = findOp(state, key);
  if (op?.kind !== "change" || op.fields.title === undefined) return state;
  const { title: mine, ...fields } = op.fields;
  const snapshot = { completed: theirs.completed, order: rankOf(theirs) };
  const kept = changeOp(state, key, () =>
    Object.keys(fields).length ? { ...op, fields, base: null, phase: "queued" } : null,
  );
  const told = {
    ...kept,
    todos: kept.todos && kept.todos.map((todo) => (todo.id === theirs.id ? theirs : todo)),
  };
  return say(
    { ...told, conflicts: { ...told.conflicts, [op.id]: { mine, snapshot } } },
    `Somebody else changed this to-do to ${quote(theirs.title)}. Choose which to keep.`,
    true,
  );
}

function opGone(state: State, key: string): State {
  const op = findOp(state, key);
  if (op?.kind !== "change") return state;
  const item = selectItems(state).find((found) => found.id === op.id);
  const title = op.fields.title;
  const gone = {
    ...state,
    ops: state.ops.filter((other) => other.kind === "remove" || other.id !== op.id),
    todos: state.todos && state.todos.filter((todo) => todo.id !== op.id),
  };
  if (title === undefined || !item)
    return say(gone, `${item ? quote(item.title) : "A to-do"} was deleted elsewhere.`, true);
  const snapshot = { completed: item.completed, order: rankOf(item) };
  return say(
    { ...gone, conflicts: { ...gone.conflicts, [op.id]: { mine: title, snapshot } } },
    `Somebody else deleted this to-do. Choose whether to put it back.`,
    true,
  );
}

/** Deletes one by one what was to be deleted at once, because there is more than the person saw. */
function opSplit(state: State, key: string): State {
  const op = findOp(state, key);
  if (op?.kind !== "remove") return state;
  const rest = changeOp(state, key, () => null);
  return op.ids.reduce((next, id) => withOp(next, { kind: "remove", ids: [id], all: false }), rest);
}

function shows(todos: readonly Todo[], op: Op): boolean {
  if (op.kind === "remove") return !todos.some((todo) => op.ids.includes(todo.id));
  const todo = todos.find((other) => other.id === op.id);
  if (op.kind === "add") return todo !== undefined;
  return (
    !todo || Object.entries(op.fields).every(([field, value]) => todo[field as keyof TodoFields] === value)
  );
}

/** What others changed after it was deleted here is not deleted: its change would be lost. */
function keepChanged(state: State, todos: readonly Todo[]): State {
  const { trash: held } = state;
  if (!held) return state;
  const now = new Map(todos.map((todo) => [todo.id, todo]));
  const changed = held.ids.filter((id) => now.has(id) && !held.seen[id]?.includes(now.get(id)!.title));
  const ids = held.ids.filter(
    (id) =>
      !changed.includes(id) && (now.has(id) || state.ops.some((op) => op.kind === "add" && op.id === id)),
  );
  if (ids.length === held.ids.length) return state;
  const kept = {
    ...state,
    trash: ids.length
      ? { ...held, ids, label: ids.length === 1 ? held.label : `Deleted ${counted(ids.length)}` }
      : null,
  };
  return changed.length
    ? say(kept, `Kept ${quote(now.get(changed[0]!)!.title)}: somebody else changed it.`)
    : kept;
}

function listed(state: State, told: readonly Todo[] | null, nowMs: number): State {
  const todos = told ?? state.todos ?? [];
  const known = new Set((state.todos ?? []).map((todo) => todo.id));
  const wasDown = state.link.state === "down";
  let next: State = { ...state, todos, link: { ...state.link, state: "up", fault: null, retryAt: null } };
  next = changeOps(next, (op) =>
    op.phase === "settled" && (op.settledUntil <= nowMs || shows(todos, op)) ? null : op,
  );
  if (wasDown) next = changeOps(next, (op) => (op.phase === "queued" ? { ...op, notBefore: 0 } : op));
  // An add whose answer got lost, and that was carried out.
  for (const op of next.ops) {
    if (op.kind !== "add" || op.phase === "sending" || op.phase === "settled" || !op.maybeDone) continue;
    const todo = todos.find(
      (other) => !known.has(other.id) && other.title === op.todo.title && other.order === op.todo.order,
    );
    if (todo) next = opDone(next, op.key, todo, nowMs, op.fault?.acks ?? null);
  }
  const stale = Object.keys(next.thin).filter((id) => next.thin[id]!.until <= nowMs);
  if (stale.length > 0) next = { ...next, thin: without(next.thin, stale) };
  next = keepChanged(next, todos);
  return wasDown ? say(next, "Connected again.") : next;
}

const withSites = (state: State, sites: Sites): State => (sites === state.sites ? state : { ...state, sites });

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "draft":
      return { ...state, draft: action.text };
    case "add":
      return add(state, action.nowMs, action.salt);
    case "toggle":
      return withChange(state, action.id, { completed: action.completed }, null);
    case "toggle-all": {
      const { completed } = action;
      const items = selectItems(state).filter((item) => !item.gone && item.completed !== completed);
      const next = items.reduce((into, item) => withChange(into, item.id, { completed }, null), state);
      return say(next, `Marked ${counted(items.length)} as ${completed ? "completed" : "active"}.`);
    }
    case "edit":
      return editStart(state, action.id);
    case "edit-text":
      return state.editing ? { ...state, editing: { ...state.editing, text: action.text } } : state;
    case "edit-cancel":
      return { ...state, editing: null };
    case "edit-save":
      return editSave(state);
    case "resolve":
      return resolve(state, action.id, action.keep);
    case "trash":
      return trash(state, action.ids);
    case "trash-undo":
      return state.trash
        ? say({ ...state, trash: null }, `Restored ${counted(state.trash.ids.length)}.`)
        : state;
    case "trash-empty":
      return emptyTrash(state);
    case "move":
      return moveTo(state, action.id, action.to);
    case "grab":
      return grab(state, action.id);
    case "grab-move":
      return grabMove(state, action.by);
    case "grab-drop":
      return grabDrop(state);
    case "grab-cancel":
      return state.grab ? say({ ...state, grab: null }, "Put back.") : state;
    case "filter":
      return { ...state, filter: action.filter, grab: null };
    case "retry":
      // The person does not want to wait for what was kept somewhere: it is sent anew, unless the list has it.
      return changeOp(state, action.key, (op) => ({
        ...op,
        phase: "queued",
        notBefore: 0,
        ...(op.kind === "add" ? { kept: null } : {}),
      }));
    case "discard":
      return discard(state, action.key);
    case "online":
      return { ...state, link: { ...state.link, online: action.online } };
    case "answered":
      return { ...state, sites: withAnswer(state.sites, action.answer) };
    case "lattice":
      return withSites(state, withLattice(state.sites, action.lattice));
    case "listed":
      return listed(state, action.todos, action.nowMs);
    case "link-down": {
      const down = {
        ...state,
        link: { ...state.link, state: "down" as const, fault: action.fault, retryAt: action.retryAt },
      };
      return state.link.state === "down"
        ? down
        : say(down, `Hedgerow does not answer: ${action.fault.text}`, true);
    }
    case "op-sending":
      return changeOp(state, action.key, (op) => ({ ...op, phase: "sending" }));
    case "op-done":
      return opDone(state, action.key, action.todo, action.nowMs, action.thin ?? null);
    case "op-again":
      return opStopped(state, action.key, action.fault, "queued", action.notBefore);
    case "op-failed":
      return opStopped(state, action.key, action.fault, "failed", 0);
    case "op-conflict":
      return opConflict(state, action.key, action.theirs);
    case "op-gone":
      return opGone(state, action.key);
    case "op-split":
      return opSplit(state, action.key);
  }
}

/** What has to outlive a reload of the page: what was typed, and what was not saved. */
export interface Saved {
  readonly ops: readonly Op[];
  readonly draft: string;
  readonly editing: Editing | null;
  readonly conflicts: State["conflicts"];
  readonly serial: number;
}

export const toSaved = ({ ops, draft, editing, conflicts, serial }: State): Saved => ({
  ops: ops
    .filter((op) => op.phase !== "settled")
    .map((op) => (op.phase === "sending" ? { ...op, phase: "queued", maybeDone: true } : op)),
  draft,
  editing,
  conflicts,
  serial,
});

// The store itself

export interface Store {
  get(): State;
  dispatch(action: Action): void;
  subscribe(listener: () => void): () => void;
}

export function createStore(initial: State = emptyState): Store {
  let state = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => state,
    dispatch(action) {
      const next = reduce(state, action);
      if (next === state) return;
      state = next;
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
