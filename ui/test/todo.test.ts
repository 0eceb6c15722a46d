// Titles and their limits.
import assert from "node:assert/strict";
import test from "node:test";
import { byteLength, cleanTitle, shortTitle, TITLE_BYTES_MAX, titleProblem } from "../src/todo.ts";

test("length is counted in bytes of UTF-8", () => {
  assert.equal(byteLength("a"), 1);
  assert.equal(byteLength("é"), 2);
  assert.equal(byteLength("€"), 3);
  assert.equal(byteLength("🌿"), 4);
});

test("a title of exactly the limit is taken, and one byte more is not", () => {
  assert.equal(titleProblem("x".repeat(TITLE_BYTES_MAX)), null);
  assert.match(titleProblem("x".repeat(TITLE_BYTES_MAX + 1))!, /4,096 bytes/);
  assert.equal(titleProblem("🌿".repeat(TITLE_BYTES_MAX / 4)), null);
  assert.notEqual(titleProblem("🌿".repeat(TITLE_BYTES_MAX / 4) + "x"), null);
});

test("white space alone is no title", () => {
  assert.notEqual(titleProblem(" \n\t "), null);
});

test("white space around a title goes, and that inside stays", () => {
  assert.equal(cleanTitle("  a  b\nc \n"), "a  b\nc");
});

test("half surrogate pairs become what UTF-8 would make of them, and whole ones stay", () => {
  assert.equal(cleanTitle("a\uD83Cb"), "a\uFFFDb");
  assert.equal(cleanTitle("a\uDF3Fb"), "a\uFFFDb");
  assert.equal(cleanTitle("a🌿b"), "a🌿b");
});

test("a short title has no line breaks, is cut at whole characters, and says so", () => {
  assert.equal(shortTitle("a\n b"), "a b");
  assert.equal(shortTitle("🌿".repeat(70)), "🌿".repeat(59) + "…");
});
