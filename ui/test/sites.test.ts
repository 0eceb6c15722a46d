// Smoothed round trips, for any number of sites.
import assert from "node:assert/strict";
import test from "node:test";
import { formatMs, noSites, SITES_MAX, withAnswer } from "../src/sites.ts";

const answer = (site: string, ms: number, acks: { stored: number; sites: number } | null = null) => ({
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
  const wrote = withAnswer(noSites, answer("kent", 1, { stored: 2, sites: 3 }));
  assert.deepEqual(withAnswer(wrote, answer("kent", 1)).acks, { stored: 2, sites: 3 });
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
