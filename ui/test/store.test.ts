// The reducer: what each thing that happens does to the state, and what the page shows of it.
import assert from "node:assert/strict";
import test from "node:test";
import type { Fault } from "../src/api.ts";
import {
  emptyState,
  hasUnsaved,
  reduce,
  selectItems,
  selectVisible,
  SETTLED_MS,
  THIN_MS,
  toSaved,
  type Action,
  type AddOp,
  type Item,
  type Op,
  type State,
} from "../src/store.ts";
import type { Todo } from "../src/todo.ts";

const NOW = 1_764_000_000_000;
const todo = (id: string, fields: Partial<Todo> = {}): Todo => ({
  id,
  url: `http://any/api/${id}`,
  title: id.toUpperCase(),
  completed: false,
  order: null,
  ...fields,
});
const listOf = (...ids: string[]): Todo[] => ids.map((id, i) => todo(id, { order: i }));
const unreachable: Fault = {
  kind: "unreachable",
  text: "No connection.",
  maybeDone: true,
  retryAfterMs: null,
  id: null,
  acks: null,
};
const refused: Fault = { ...unreachable, kind: "refused", text: "No.", maybeDone: false };
const FEW = { stored: 1, sites: 5, few: true };
const spreading: Fault = { ...unreachable, kind: "spreading", text: "Kept on 1 of 5 sites.", id: "s1", acks: FEW };

const play = (state: State, ...actions: Action[]): State => actions.reduce(reduce, state);
const listed = (todos: readonly Todo[] | null, nowMs = NOW): Action => ({ type: "listed", todos, nowMs });
const start = (...ids: string[]): State => play(emptyState, listed(listOf(...ids)));
const add = (text: string): Action[] => [
  { type: "draft", text },
  { type: "add", nowMs: NOW, salt: 0.5 },
];
const edit = (id: string, text: string): Action[] => [
  { type: "edit", id },
  { type: "edit-text", text },
  { type: "edit-save" },
];

const titles = (state: State): string =>
  selectItems(state)
    .map((item) => item.title)
    .join(" ");
const item = (state: State, id: string): Item => {
  const found = selectItems(state).find((each) => each.id === id);
  assert.ok(found, `no item ${id}`);
  return found;
};
const only = (state: State): Op => {
  assert.equal(state.ops.length, 1, JSON.stringify(state.ops));
  return state.ops[0]!;
};

test("an added to-do is shown at once, last, and the draft is emptied", () => {
  const state = play(start("a", "b"), ...add("  new  "));
  assert.equal(titles(state), "A B new");
  assert.equal(state.draft, "");
  assert.equal(only(state).phase, "queued");
});

test("a draft that is blank or too long is not added and not lost", () => {
  for (const text of ["  ", "x".repeat(4097)]) {
    const state = play(start("a"), ...add(text));
    assert.equal(state.ops.length, 0);
    assert.equal(state.draft, text);
    assert.ok(state.said.urgent);
  }
});

test("a row stays the same row when the server gives its to-do an id", () => {
  const sent = play(start("a"), ...add("new"));
  const { key, id } = item(sent, "new-1");
  assert.equal(key, id);
  const done = play(sent, {
    type: "op-done",
    key: only(sent).key,
    todo: todo("z", { title: "new", order: NOW }),
    nowMs: NOW,
  });
  assert.equal(item(done, "z").key, "new-1");
  assert.equal(titles(done), "A new");
});

test("what is done to an unsent to-do becomes part of it", () => {
  const state = play(
    start(),
    ...add("one"),
    { type: "toggle", id: "new-1", completed: true },
    ...edit("new-1", "two"),
  );
  const op = only(state);
  assert.ok(op.kind === "add" && op.todo.completed && op.todo.title === "two");
});

test("what is done to a to-do whose add is under way waits and follows it to its id", () => {
  const sent = play(start(), ...add("one"));
  const key = only(sent).key;
  const waiting = play(sent, { type: "op-sending", key }, { type: "toggle", id: "new-1", completed: true });
  const done = play(waiting, { type: "op-done", key, todo: todo("z", { title: "one" }), nowMs: NOW });
  const change = done.ops.find((op) => op.kind === "change");
  assert.ok(change?.kind === "change" && change.id === "z");
  assert.equal(item(done, "z").completed, true);
});

test("an add that was refused takes in what was done to it meanwhile", () => {
  const sent = play(start(), ...add("one"));
  const key = only(sent).key;
  const state = play(
    sent,
    { type: "op-sending", key },
    { type: "toggle", id: "new-1", completed: true },
    { type: "op-failed", key, fault: refused },
  );
  const op = only(state);
  assert.ok(op.kind === "add" && op.todo.completed);
});

test("an add that may have been carried out is left as it was sent, by which it is found again", () => {
  const sent = play(start(), ...add("one"));
  const { key } = only(sent);
  const lost = play(
    sent,
    { type: "op-sending", key },
    { type: "op-again", key, fault: unreachable, notBefore: 0 },
    { type: "toggle", id: "new-1", completed: true },
  );
  const op = lost.ops[0]!;
  assert.ok(op.kind === "add" && !op.todo.completed);
  const found = play(lost, listed([todo("z", { title: "one", order: op.todo.order })]));
  assert.equal(selectItems(found).length, 1);
  assert.equal(item(found, "z").completed, true);
  assert.equal(item(found, "z").key, "new-1");
});

test("changes of the same to-do that wait are sent as one", () => {
  const state = play(
    start("a", "b"),
    { type: "toggle", id: "a", completed: true },
    { type: "toggle", id: "a", completed: false },
    { type: "move", id: "a", to: 1 },
  );
  const op = only(state);
  assert.ok(op.kind === "change" && op.fields.completed === false && op.fields.order !== undefined);
});

test("a second edit before the first is sent keeps the title that both were written over", () => {
  const state = play(start("a"), ...edit("a", "one"), ...edit("a", "two"));
  const op = only(state);
  assert.ok(op.kind === "change" && op.base === "A" && op.fields.title === "two");
});

test("an edit that changes nothing sends nothing, and one to nothing is not taken", () => {
  assert.equal(play(start("a"), ...edit("a", " A ")).ops.length, 0);
  const spaced = play(emptyState, listed([todo("a", { title: " A " })]));
  assert.equal(play(spaced, ...edit("a", " A ")).ops.length, 0);
  const state = play(start("a"), ...edit("a", "  "));
  assert.equal(state.editing?.text, "  ");
  assert.equal(state.ops.length, 0);
});

test("a list that comes while editing leaves the edit alone, whatever the filter says", () => {
  const state = play(
    start("a", "b"),
    { type: "filter", filter: "active" },
    { type: "edit", id: "a" },
    { type: "edit-text", text: "mine" },
    listed([todo("a", { title: "theirs", completed: true, order: 0 })]),
  );
  assert.equal(state.editing?.text, "mine");
  assert.deepEqual(
    selectVisible(state).map((each) => each.title),
    ["theirs"],
  );
});

test("a to-do deleted elsewhere while it is edited stays until the edit ends, and saving puts it back", () => {
  const state = play(
    start("a", "b"),
    { type: "edit", id: "a" },
    { type: "edit-text", text: "mine" },
    listed(listOf("x")),
  );
  assert.equal(item(state, "a").gone, true);
  const saved = play(state, { type: "edit-save" });
  const op = only(saved);
  assert.ok(op.kind === "add" && op.todo.title === "mine" && op.todo.order === 0);
  assert.equal(selectItems(play(state, { type: "edit-cancel" })).length, 1);
});

test("a refused write shows what was typed with the reason, and can be tried again or discarded", () => {
  const sent = play(start("a"), ...edit("a", "mine"));
  const { key } = only(sent);
  const failed = play(sent, { type: "op-sending", key }, { type: "op-failed", key, fault: refused });
  assert.equal(item(failed, "a").title, "mine");
  assert.equal(item(failed, "a").trouble?.fault?.text, "No.");
  assert.ok(hasUnsaved(failed));
  assert.equal(only(play(failed, { type: "retry", key })).phase, "queued");
  const discarded = play(failed, { type: "discard", key });
  assert.equal(item(discarded, "a").title, "A");
  assert.ok(!hasUnsaved(discarded));
});

test("an edit that outlived a reload and ends before the list is there makes no second to-do", () => {
  const before = play(start("a"), { type: "edit", id: "a" }, { type: "edit-text", text: "mine" });
  const reloaded: State = { ...emptyState, ...toSaved(before) };
  assert.equal(item(reloaded, "a").gone, false);
  const saved = play(reloaded, { type: "edit-save" });
  const op = only(saved);
  assert.ok(op.kind === "change" && op.id === "a" && op.fields.title === "mine" && op.base === "A");
  assert.equal(titles(play(saved, listed(listOf("a")))), "mine");
});

test("of two changes of the same thing the newer one stays, though no list showed the older one", () => {
  const done = (state: State, completed: boolean): State =>
    play(state, {
      type: "op-done",
      key: state.ops.find((op) => op.phase !== "settled")!.key,
      todo: todo("a", { completed, order: 0 }),
      nowMs: NOW,
    });
  const moved = play(start("a"), { type: "toggle", id: "a", completed: true });
  const both = play(done(moved, true), { type: "toggle", id: "a", completed: false });
  const state = play(done(both, false), listed([todo("a", { completed: false, order: 0 })]));
  assert.equal(item(state, "a").completed, false);
  assert.equal(state.ops.length, 0);
});

test("editing what was refused sends it anew", () => {
  const sent = play(start("a"), ...edit("a", "mine"));
  const { key } = only(sent);
  const again = play(sent, { type: "op-failed", key, fault: refused }, ...edit("a", "shorter"));
  const op = only(again);
  assert.ok(
    op.phase === "queued" &&
      op.fault === null &&
      op.kind === "change" &&
      op.fields.title === "shorter" &&
      op.base === "A",
  );
});

test("discarding an add discards what was done to it as well", () => {
  const sent = play(start(), ...add("one"));
  const { key } = only(sent);
  const lost = play(
    sent,
    { type: "op-again", key, fault: unreachable, notBefore: 0 },
    { type: "toggle", id: "new-1", completed: true },
    { type: "discard", key },
  );
  assert.equal(lost.ops.length, 0);
  assert.equal(selectItems(lost).length, 0);
});

test("a failure is announced once, not at every try", () => {
  const sent = play(start("a"), { type: "toggle", id: "a", completed: true });
  const { key } = only(sent);
  const once = play(sent, { type: "op-again", key, fault: unreachable, notBefore: 0 });
  assert.equal(once.said.count, sent.said.count + 1);
  assert.equal(
    play(once, { type: "op-again", key, fault: unreachable, notBefore: 0 }).said.count,
    once.said.count,
  );
});

test("a settled change outlasts a list that does not show it yet, but not for ever", () => {
  const sent = play(start("a"), { type: "toggle", id: "a", completed: true });
  const settled = play(sent, {
    type: "op-done",
    key: only(sent).key,
    todo: todo("a", { completed: true, order: 0 }),
    nowMs: NOW,
  });
  const stale = play(settled, listed(listOf("a"), NOW + 1));
  assert.equal(item(stale, "a").completed, true);
  const fresh = play(stale, listed([todo("a", { completed: true, order: 0 })], NOW + 2));
  assert.equal(fresh.ops.length, 0);
  const expired = play(stale, listed(listOf("a"), NOW + SETTLED_MS));
  assert.equal(item(expired, "a").completed, false);
});

test("a settled add and a settled deletion outlast a stale list too", () => {
  const sent = play(start("a"), ...add("new"));
  const added = play(
    sent,
    { type: "op-done", key: only(sent).key, todo: todo("z", { title: "new" }), nowMs: NOW },
    listed(listOf("a"), NOW + 1),
  );
  assert.equal(titles(added), "A new");
  const deleting = play(start("a", "b"), { type: "trash", ids: ["a"] }, { type: "trash-empty" });
  const deleted = play(
    deleting,
    { type: "op-done", key: only(deleting).key, todo: null, nowMs: NOW },
    listed(listOf("a", "b"), NOW + 1),
  );
  assert.equal(titles(deleted), "B");
});

test("nothing is sent for a deletion until the time to undo is over", () => {
  const trashed = play(start("a", "b"), { type: "trash", ids: ["a"] });
  assert.equal(titles(trashed), "B");
  assert.equal(trashed.ops.length, 0);
  assert.equal(titles(play(trashed, { type: "trash-undo" })), "A B");
  const op = only(play(trashed, { type: "trash-empty" }));
  assert.ok(op.kind === "remove" && !op.all && op.ids[0] === "a");
});

test("a second deletion joins the first, and undo brings both back", () => {
  const state = play(start("a", "b", "c"), { type: "trash", ids: ["a"] }, { type: "trash", ids: ["c"] });
  assert.equal(state.trash?.label, "Deleted 2 to-dos");
  assert.equal(titles(play(state, { type: "trash-undo" })), "A B C");
});

test("deleting all is one request; deleting some is one each", () => {
  const all = play(start("a", "b"), { type: "trash", ids: ["a", "b"] }, { type: "trash-empty" });
  const op = only(all);
  assert.ok(op.kind === "remove" && op.all);
  assert.equal(
    play(start("a", "b", "c"), { type: "trash", ids: ["a", "b"] }, { type: "trash-empty" }).ops.length,
    2,
  );
  const split = play(all, { type: "op-split", key: op.key });
  assert.deepEqual(
    split.ops.map((each) => each.kind === "remove" && !each.all),
    [true, true],
  );
});

test("an unsent to-do that is deleted is just forgotten", () => {
  const state = play(start(), ...add("one"), { type: "trash", ids: ["new-1"] }, { type: "trash-empty" });
  assert.equal(state.ops.length, 0);
});

test("a to-do that somebody else changed after it was deleted here is kept", () => {
  const state = play(
    start("a", "b"),
    { type: "trash", ids: ["a", "b"] },
    listed([todo("a", { title: "changed", order: 0 }), todo("b", { order: 1 })]),
  );
  assert.deepEqual(state.trash?.ids, ["b"]);
  assert.equal(titles(state), "changed");
});

test("an edit made here before deleting does not count as somebody else's", () => {
  const sent = play(start("a"), ...edit("a", "mine"), { type: "trash", ids: ["a"] });
  assert.deepEqual(play(sent, listed([todo("a", { title: "mine", order: 0 })])).trash?.ids, ["a"]);
});

test("a deletion that was refused brings the to-do back with the reason", () => {
  const sent = play(start("a"), { type: "trash", ids: ["a"] }, { type: "trash-empty" });
  const { key } = only(sent);
  const failed = play(sent, { type: "op-failed", key, fault: refused });
  assert.equal(item(failed, "a").trouble?.kind, "remove");
  assert.equal(play(failed, { type: "discard", key }).ops.length, 0);
});

test("a conflict offers both titles; mine is written over theirs, theirs ends it", () => {
  const sent = play(start("a"), ...edit("a", "mine"));
  const { key } = only(sent);
  const conflict = play(sent, { type: "op-conflict", key, theirs: todo("a", { title: "theirs", order: 0 }) });
  assert.equal(item(conflict, "a").title, "theirs");
  assert.equal(item(conflict, "a").conflict?.mine, "mine");
  assert.ok(conflict.said.urgent && hasUnsaved(conflict));
  const mine = only(play(conflict, { type: "resolve", id: "a", keep: "mine" }));
  assert.ok(mine.kind === "change" && mine.fields.title === "mine" && mine.base === "theirs");
  const theirs = play(conflict, { type: "resolve", id: "a", keep: "theirs" });
  assert.equal(theirs.ops.length, 0);
  assert.equal(item(theirs, "a").conflict, null);
});

test("an edit of a to-do that is gone is kept until the person decides", () => {
  const sent = play(start("a"), ...edit("a", "mine"));
  const gone = play(sent, { type: "op-gone", key: only(sent).key });
  assert.equal(item(gone, "a").gone, true);
  assert.equal(item(gone, "a").title, "mine");
  const back = only(play(gone, { type: "resolve", id: "a", keep: "mine" }));
  assert.ok(back.kind === "add" && back.todo.title === "mine");
  assert.equal(selectItems(play(gone, { type: "resolve", id: "a", keep: "theirs" })).length, 0);
});

test("ticking a to-do that is gone only says so", () => {
  const sent = play(start("a"), { type: "toggle", id: "a", completed: true });
  const gone = play(sent, { type: "op-gone", key: only(sent).key });
  assert.equal(selectItems(gone).length, 0);
  assert.equal(gone.ops.length, 0);
  assert.match(gone.said.text, /deleted elsewhere/);
});

test("ticking all changes those that need it, and unticking all the same", () => {
  const state = play(
    start("a", "b"),
    { type: "toggle", id: "a", completed: true },
    { type: "toggle-all", completed: true },
  );
  assert.ok(selectItems(state).every((each) => each.completed));
  assert.equal(state.ops.length, 2);
  assert.ok(
    selectItems(play(state, { type: "toggle-all", completed: false })).every((each) => !each.completed),
  );
});

test("a filter shows its own, and never hides what needs the person", () => {
  const sent = play(
    start("a", "b"),
    { type: "toggle", id: "a", completed: true },
    { type: "filter", filter: "active" },
  );
  assert.deepEqual(
    selectVisible(sent).map((each) => each.id),
    ["b"],
  );
  const failed = play(sent, { type: "op-failed", key: only(sent).key, fault: refused });
  assert.deepEqual(
    selectVisible(failed).map((each) => each.id),
    ["a", "b"],
  );
  assert.deepEqual(
    selectVisible(play(sent, { type: "filter", filter: "completed" })).map((each) => each.id),
    ["a"],
  );
});

test("moving within a filter lands next to the neighbour that was seen", () => {
  const state = play(
    start("a", "b", "c", "d"),
    { type: "toggle", id: "b", completed: true },
    { type: "filter", filter: "active" },
  );
  const down = play(state, { type: "move", id: "a", to: 1 });
  assert.deepEqual(
    selectVisible(down).map((each) => each.id),
    ["c", "a", "d"],
  );
  assert.deepEqual(
    selectItems(down).map((each) => each.id),
    ["b", "c", "a", "d"],
  );
  const up = play(state, { type: "move", id: "d", to: 0 });
  assert.deepEqual(
    selectItems(up).map((each) => each.id),
    ["d", "a", "b", "c"],
  );
});

test("a to-do picked up with the keyboard is stored once, when it is dropped, or not at all", () => {
  const held = play(
    start("a", "b", "c"),
    { type: "grab", id: "a" },
    { type: "grab-move", by: 1 },
    { type: "grab-move", by: 1 },
    { type: "grab-move", by: 1 },
  );
  assert.deepEqual(
    selectVisible(held).map((each) => each.id),
    ["b", "c", "a"],
  );
  assert.equal(held.ops.length, 0);
  const dropped = play(held, { type: "grab-drop" });
  assert.equal(dropped.ops.length, 1);
  assert.equal(titles(dropped), "B C A");
  const back = play(held, { type: "grab-cancel" });
  assert.equal(titles(back), "A B C");
  assert.equal(back.ops.length, 0);
});

test("when the server answers again everything that waited is due at once", () => {
  const sent = play(start("a"), { type: "toggle", id: "a", completed: true });
  const { key } = only(sent);
  const down = play(
    sent,
    { type: "op-again", key, fault: unreachable, notBefore: NOW + 9_999 },
    { type: "link-down", fault: unreachable, retryAt: NOW },
  );
  assert.equal(down.link.state, "down");
  assert.ok(hasUnsaved(down));
  const up = play(down, listed(null));
  assert.equal(up.link.state, "up");
  assert.equal(only(up).notBefore, 0);
  assert.equal(up.todos, down.todos);
});

test("what is unsaved outlives a reload, and a write that was under way counts as maybe done", () => {
  const sent = play(start("a"), ...add("one"), { type: "draft", text: "half" });
  const saved = toSaved(play(sent, { type: "op-sending", key: only(sent).key }));
  const back: State = { ...emptyState, ...(JSON.parse(JSON.stringify(saved)) as typeof saved) };
  assert.equal(back.draft, "half");
  const op = only(back);
  assert.ok(op.phase === "queued" && op.maybeDone);
  const next = play(back, listed([]), ...add("two"));
  assert.equal(new Set(next.ops.map((each) => each.key)).size, 2);
});

test("what few sites have kept is said of the to-do for a while, and stays in sight for as long", () => {
  const sent = play(emptyState, listed([]), ...add("one"));
  const done = play(sent, { type: "op-done", key: sent.ops[0]!.key, todo: todo("s1"), nowMs: NOW, thin: FEW });
  assert.equal(item(done, "s1").thin?.acks, FEW);
  assert.match(done.said.text, /Kept on 1 of 5 sites/);
  // Another site answers the next reads, and does not have it.
  const later = play(done, listed([todo("x")]), listed([todo("x")], NOW + THIN_MS - 1));
  assert.equal(item(later, "s1").thin?.acks, FEW);
  const over = play(later, listed([todo("s1")], NOW + THIN_MS));
  assert.equal(item(over, "s1").thin, null);
});

test("a later change that enough sites confirm ends the word about few", () => {
  const sent = play(start("a"), { type: "toggle", id: "a", completed: true });
  const thin = play(sent, { type: "op-done", key: sent.ops[0]!.key, todo: todo("a"), nowMs: NOW, thin: FEW });
  assert.equal(item(thin, "a").thin?.acks, FEW);
  const again = play(thin, { type: "toggle", id: "a", completed: false });
  const { key } = again.ops.at(-1)!;
  assert.equal(item(play(again, { type: "op-done", key, todo: todo("a"), nowMs: NOW }), "a").thin, null);
});

test("an add that is kept somewhere remembers where, until the person wants it sent anew", () => {
  const sent = play(emptyState, listed([]), ...add("one"));
  const { key } = sent.ops[0]!;
  const kept = play(sent, { type: "op-again", key, fault: spreading, notBefore: NOW });
  assert.equal((only(kept) as AddOp).kept, "s1");
  assert.match(kept.said.text, /^Not everywhere yet: Kept on 1 of 5 sites/);
  assert.equal(titles(kept), "one");
  const lost = play(kept, { type: "op-again", key, fault: unreachable, notBefore: NOW });
  assert.equal((only(lost) as AddOp).kept, "s1");
  assert.equal((only(play(lost, { type: "retry", key })) as AddOp).kept, null);
});
