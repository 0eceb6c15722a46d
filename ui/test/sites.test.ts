// Smoothed round trips, for any number of sites.
import assert from "node:assert/strict";
import test from "node:test";
import {
  behindText,
  formatMs,
  formatSpan,
  noSites,
  shownSites,
  SITES_MAX,
  withAnswer,
  withLattice,
  type Acks,
  type Place,
} from "../src/sites.ts";

const answer = (site: string, ms: number, acks: Acks | null = null) => ({
  site,
  ms,
  acks,
});

test("the first answer is taken as it is, and later ones move it a quarter of the way", () => {
  const first = withAnswer(noSites, answer("kent", 40));
  assert.deepEqual(first.all, [{ name: "kent", ms: 40 }]);
  assert.equal(withAnswer(first, answer("kent", 80)).all[0]!.ms, 50);
});

test("sites are kept apart, in the order of their names, and the newest answerer is known", () => {
  const sites = ["surrey", "kent", "essex"].reduce(
    (all, name, i) => withAnswer(all, answer(name, i)),
    noSites,
  );
  assert.deepEqual(
    sites.all.map((site) => site.name),
    ["essex", "kent", "surrey"],
  );
  assert.equal(sites.newest, "essex");
});

test("what a write said of its copies stays until the next write", () => {
  const acks = { stored: 2, sites: 3, few: false };
  const wrote = withAnswer(noSites, answer("kent", 1, acks));
  assert.deepEqual(withAnswer(wrote, answer("kent", 1)).acks, acks);
});

test("what a list may lack stays until the next list", () => {
  const behind = { changes: 3, silent: [] };
  const listed = withAnswer(noSites, { ...answer("kent", 1), behind });
  assert.deepEqual(withAnswer(listed, answer("kent", 1)).behind, behind);
  assert.equal(withAnswer(listed, { ...answer("kent", 1), behind: null }).behind, null);
});

test("what a list may lack is told in one sentence", () => {
  assert.equal(behindText({ changes: 1, silent: [] }), "The list may lack 1 change.");
  assert.equal(behindText({ changes: 0, silent: ["oslo"] }), "The list may lack what is new at oslo.");
  assert.equal(
    behindText({ changes: 1200, silent: ["oslo", "rome"] }),
    "The list may lack 1,200 changes and what is new at oslo, rome.",
  );
});

test("past the limit the slowest site goes, and never the newest", () => {
  let sites = noSites;
  for (let i = 0; i <= SITES_MAX; i++) sites = withAnswer(sites, answer(`s${i}`, 1000 - i));
  assert.equal(sites.all.length, SITES_MAX);
  assert.ok(!sites.all.some((site) => site.name === "s0"));
  assert.ok(sites.all.some((site) => site.name === `s${SITES_MAX}`));
});

test("a time is told no finer than it is worth", () => {
  assert.deepEqual([0.4, 3.14, 9.96, 47.6, 1234.5].map(formatMs), [
    "<1 ms",
    "3.1 ms",
    "10 ms",
    "48 ms",
    "1,235 ms",
  ]);
});

const place = (name: string, more: Partial<Place> = {}): Place => ({
  name,
  here: false,
  alive: true,
  catchingUp: false,
  roundTripMs: 12.34,
  silentMs: 0,
  ...more,
});

test("the lattice is shown as told, and after it who else has answered last", () => {
  const lattice = [
    place("kent", { here: true, roundTripMs: null }),
    place("essex"),
    place("surrey", { alive: false, silentMs: 61_000 }),
    place("sussex", { roundTripMs: null }),
    place("devon", { catchingUp: true }),
    place("dorset", { alive: false, catchingUp: true, silentMs: 5_000 }),
  ];
  const sites = withAnswer(withAnswer(withLattice(noSites, lattice), answer("essex", 40)), answer("wales", 3));
  assert.deepEqual(shownSites(sites), [
    { name: "kent", state: "here", note: "here" },
    { name: "essex", state: "alive", note: "12 ms" },
    { name: "surrey", state: "gone", note: "gone 1 min" },
    { name: "sussex", state: "alive", note: "–" },
    { name: "devon", state: "catching", note: "catching up" },
    { name: "dorset", state: "gone", note: "gone 5 s" },
    { name: "wales", state: "alive", note: "3.0 ms" },
  ]);
  assert.equal(shownSites(withAnswer(sites, answer("essex", 40))).length, 6);
  assert.deepEqual(shownSites(noSites), []);
  assert.equal(shownSites({ ...sites, lattice: null }).length, 2);
});

test("a lattice that cannot be asked for stays as it was last told, and is not current", () => {
  const told = withLattice(noSites, [place("kent")]);
  assert.equal(told.current, true);
  const old = withLattice(told, null);
  assert.deepEqual([old.lattice, old.current], [told.lattice, false]);
  assert.equal(withLattice(old, null), old);
  assert.equal(withLattice(noSites, null), noSites);
});

test("only who goes and who comes back is news", () => {
  const gone = { alive: false };
  const first = withLattice(noSites, [place("kent"), place("essex", gone), place("surrey")]);
  assert.equal(first.news, "");
  const same = withLattice(first, [place("kent", { roundTripMs: 99 }), place("essex", gone), place("surrey")]);
  assert.equal(same.news, "");
  const two = withLattice(same, [place("kent", gone), place("essex"), place("surrey", gone), place("wales")]);
  assert.equal(two.news, "kent, surrey are gone. essex is back.");
  const quiet = withLattice(two, [...two.lattice!]);
  assert.equal(quiet.news, two.news);
});

test("a span is told no finer than it is worth", () => {
  const spans = [0, 999, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_999, 86_400_000, 9e9];
  assert.deepEqual(spans.map(formatSpan), ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d", "104 d"]);
});
