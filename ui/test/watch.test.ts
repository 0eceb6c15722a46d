// Asking for the sites: how often, and when not.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import type { Result } from "../src/api.ts";
import type { Lattice, Place } from "../src/sites.ts";
import { createStore } from "../src/store.ts";
import { Watch, WATCH_ALONE_MS, WATCH_MS } from "../src/watch.ts";

const place = (name: string): Place => ({
  name,
  here: false,
  alive: true,
  catchingUp: false,
  roundTripMs: 1,
  silentMs: 0,
});
const told = (...names: string[]): Result<Lattice> => ({ ok: true, value: names.map(place), etag: null });
const NOBODY: Result<never> = {
  ok: false,
  fault: { kind: "unreachable", text: "No.", maybeDone: false, retryAfterMs: null, id: null, acks: null },
};

function watching(reply: () => Result<Lattice>) {
  const seen = { asked: 0, visible: true };
  const store = createStore();
  const watch = new Watch({
    store,
    api: {
      sites: async () => {
        seen.asked++;
        return reply();
      },
    },
    random: () => 0.5,
    isVisible: () => seen.visible,
  });
  return { seen, store, watch };
}
const settle = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};
const pass = async (ms: number) => {
  mock.timers.tick(ms);
  await settle();
};

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("several sites are asked for every two seconds, a single one more rarely", async () => {
  let names = ["kent", "essex"];
  const { seen, store, watch } = watching(() => told(...names));
  watch.wake();
  await settle();
  assert.equal(store.get().sites.lattice?.length, 2);
  await pass(WATCH_MS);
  assert.equal(seen.asked, 2);
  names = ["kent"];
  await pass(WATCH_MS);
  await pass(WATCH_ALONE_MS - 1);
  assert.equal(seen.asked, 3);
  await pass(1);
  assert.equal(seen.asked, 4);
});

test("a hidden page asks nothing, and asks at once when it is seen again", async () => {
  const { seen, watch } = watching(() => told("kent", "essex"));
  watch.wake();
  await settle();
  seen.visible = false;
  await pass(20 * WATCH_MS);
  watch.wake();
  await pass(20 * WATCH_MS);
  assert.equal(seen.asked, 1);
  seen.visible = true;
  watch.wake();
  await settle();
  assert.equal(seen.asked, 2);
  await pass(WATCH_MS);
  assert.equal(seen.asked, 3);
});

test("waking asks once, however often, and never twice at a time", async () => {
  const { seen, watch } = watching(() => told("kent", "essex"));
  for (let i = 0; i < 5; i++) watch.wake();
  await settle();
  assert.equal(seen.asked, 1);
  watch.wake();
  await settle();
  await pass(WATCH_MS - 1);
  assert.equal(seen.asked, 2);
});

test("without answers the pauses grow, what was told stays, and an answer ends them", async () => {
  let reply: Result<Lattice> = told("kent", "essex");
  const { seen, store, watch } = watching(() => reply);
  watch.wake();
  await settle();
  reply = NOBODY;
  await pass(WATCH_MS);
  for (const [i, seconds] of [2, 4, 8, 16, 30, 30].entries()) {
    await pass(seconds * 1000 - 1);
    assert.equal(seen.asked, i + 2, `before ${seconds} s`);
    await pass(1);
    assert.equal(seen.asked, i + 3, `after ${seconds} s`);
  }
  assert.deepEqual([store.get().sites.lattice?.length, store.get().sites.current], [2, false]);
  reply = told("kent", "essex");
  await pass(30_000);
  assert.equal(store.get().sites.current, true);
  const before = seen.asked;
  await pass(WATCH_MS);
  assert.equal(seen.asked, before + 1);
});
