// Ranks and moves.
import assert from "node:assert/strict";
import test from "node:test";
import { byRank, createdMs, move, orderOfNew, RANK_GAP_MIN, rankOf, type Ranked } from "../src/order.ts";

const at = (id: string, order: number | null): Ranked => ({ id, order });

function after(list: Ranked[], from: number, to: number): { ids: string; stored: number; list: Ranked[] } {
  const stored = move(list, from, to);
  const moved = list
    .map((todo) => ({ ...todo, order: stored.find((placed) => placed.id === todo.id)?.order ?? todo.order }))
    .sort(byRank);
  return { ids: moved.map((todo) => todo.id).join(""), stored: stored.length, list: moved };
}

test("a UUIDv7 tells when it was made, and any other id tells nothing", () => {
  assert.equal(createdMs("0190163d-8694-739b-aea5-966c26f8ad91"), 0x0190163d8694);
  assert.equal(createdMs("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), 0);
  assert.equal(createdMs("new-3"), 0);
});

test("a to-do without order stands where its creation puts it", () => {
  const early = "0190163d-8694-739b-aea5-966c26f8ad91";
  const late = "0190163d-8695-739b-aea5-966c26f8ad91";
  assert.ok(byRank(at(early, null), at(late, null)) < 0);
  assert.ok(byRank(at(early, 5), at(late, null)) < 0);
  assert.equal(rankOf(at(late, -3)), -3);
});

test("equal ranks are ordered by id, so that every page shows the same list", () => {
  assert.ok(byRank(at("a", 1), at("b", 1)) < 0);
  assert.ok(byRank(at("b", 1), at("a", 1)) > 0);
});

test("a move stores one number when there is room between the new neighbours", () => {
  const list = [at("a", 1), at("b", 2), at("c", 3), at("d", 4)];
  assert.deepEqual(after(list, 0, 2), {
    ids: "bcad",
    stored: 1,
    list: [at("b", 2), at("c", 3), at("a", 3.5), at("d", 4)],
  });
  assert.equal(after(list, 3, 0).ids, "dabc");
  assert.equal(after(list, 0, 3).ids, "bcda");
  assert.equal(after(list, 3, 0).stored, 1);
});

test("a move to the same place, or from or to nowhere, stores nothing", () => {
  const list = [at("a", 1), at("b", 2)];
  assert.deepEqual(move(list, 1, 1), []);
  assert.deepEqual(move(list, 5, 0), []);
  assert.deepEqual(move(list, 0, 2), []);
  assert.deepEqual(move(list, 0, -1), []);
});

test("neighbours that are too close are spread, and no more of them than needed", () => {
  const list = [at("a", 0), at("b", 100), at("c", 100 + RANK_GAP_MIN / 2), at("d", 200), at("e", 300)];
  const moved = after(list, 4, 2);
  assert.equal(moved.ids, "abecd");
  assert.ok(moved.stored <= 3, `stored ${moved.stored}`);
});

test("to-dos that all have the same order can still be moved", () => {
  const list = ["a", "b", "c", "d"].map((id) => at(id, 7));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      const wanted = ["a", "b", "c", "d"].filter((_, i) => i !== from);
      wanted.splice(to, 0, "abcd"[from]!);
      assert.equal(after(list, from, to).ids, wanted.join(""), `${from} to ${to}`);
    }
  }
});

test("ten thousand moves into the same gap keep every order as wanted", () => {
  let list = Array.from({ length: 5 }, (_, i) => at("abcde"[i]!, 1_764_000_000_000 + i));
  let most = 0;
  for (let i = 0; i < 10_000; i++) {
    const wanted = list.map((todo) => todo.id);
    wanted.splice(2, 0, ...wanted.splice(4, 1));
    const moved = after(list, 4, 2);
    assert.equal(moved.ids, wanted.join(""), `move ${i}`);
    most = Math.max(most, moved.stored);
    list = moved.list;
  }
  assert.ok(most <= 5 && most > 1, `at most ${most} stored at once`);
});

test("numbers too big for small steps can still be moved", () => {
  const list = [at("a", 1e300), at("b", 1e300), at("c", 1e301)];
  assert.equal(after(list, 0, 2).ids, "bca");
  assert.equal(after(list, 2, 0).ids, "cab");
});

test("a new to-do goes below all others, whatever the clock says", () => {
  const list = [at("a", 5_000), at("b", null)];
  assert.ok(orderOfNew(list, 1_000, 0.5) > 5_000);
  assert.ok(orderOfNew(list, 9_000, 0.5) > 9_000);
  assert.ok(orderOfNew([], 9_000, 0) > 9_000);
});

test("two to-dos added at the same moment differ by their salt", () => {
  assert.notEqual(orderOfNew([], 9_000, 0.1), orderOfNew([], 9_000, 0.9));
});
