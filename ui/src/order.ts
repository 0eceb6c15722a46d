// Where a to-do stands in the list, and what has to be stored to move one. Pure.
//
// A to-do's rank is its `order`; one without `order` stands where its creation time (the first 48 bits
// of its UUIDv7) puts it. Ranks ascend down the page; equal ranks are ordered by id. A move gives the
// moved to-do a rank between its new neighbours'. Where they are too close for that, the fewest
// to-dos around it that make room are spread evenly.
import type { Todo } from "./todo.ts";

export interface Ranked {
  readonly id: string;
  readonly order: number | null;
}

export interface Placement {
  readonly id: string;
  readonly order: number;
}

/** Neighbours closer than this (ranks are about milliseconds) are spread. */
export const RANK_GAP_MIN = 1 / 256;
const RANK_STEP = 1024;

/** Milliseconds since 1970 at which a UUIDv7 was made; 0 for any other id. */
export function createdMs(id: string): number {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(id) ? parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : 0;
}

export const rankOf = (todo: Ranked): number => todo.order ?? createdMs(todo.id);

export function byRank(a: Ranked, b: Ranked): number {
  return rankOf(a) - rankOf(b) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

// A step that is not lost in the rounding of numbers as big as @rank.
const stepAt = (rank: number): number => Math.max(RANK_STEP, Math.abs(rank) * 2 ** -30);

/**
 * The order of a to-do added now, below all others. Its fraction (@salt, 0..1) tells it from any other
 * to-do of the same title, so that an add whose answer got lost can be found again.
 */
export function orderOfNew(todos: readonly Ranked[], nowMs: number, salt: number): number {
  const last = todos.reduce((max, todo) => Math.max(max, rankOf(todo)), -Infinity);
  const base = last + 1 > nowMs ? last + 1 : nowMs;
  return Math.floor(base) + 1 + Math.floor(salt * 1024) / 1024;
}

function spread(left: number, right: number, count: number): number[] | null {
  const at = (start: number, step: number) => Array.from({ length: count }, (_, i) => start + step * i);
  if (left === -Infinity && right === Infinity) return at(0, RANK_STEP);
  if (left === -Infinity) return at(right - stepAt(right) * count, stepAt(right));
  if (right === Infinity) return at(left + stepAt(left), stepAt(left));
  const step = (right - left) / (count + 1);
  if (!(step >= RANK_GAP_MIN) || left + step <= left || right - step >= right) return null;
  return at(left + step, step);
}

/**
 * What to store so that the to-do at index @from stands at index @to (counted without it). @sorted is
 * the whole list in rank order. Empty when that changes nothing.
 */
export function move(sorted: readonly Ranked[], from: number, to: number): Placement[] {
  const moved = sorted[from];
  if (!moved || from === to || to < 0 || to >= sorted.length) return [];
  const wanted = sorted.filter((_, i) => i !== from);
  wanted.splice(to, 0, moved);
  // The window [first, last] of to-dos that get a new rank grows until its neighbours leave room.
  for (
    let first = to, last = to;
    ;
    first = Math.max(0, first - 1), last = Math.min(wanted.length - 1, last + 1)
  ) {
    const before = wanted[first - 1];
    const after = wanted[last + 1];
    const left = before ? rankOf(before) : -Infinity;
    const right = after ? rankOf(after) : Infinity;
    const ranks = spread(left, right, last - first + 1);
    if (!ranks) continue;
    return ranks
      .map((order, i) => ({ id: wanted[first + i]!.id, order }))
      .filter((placement, i) => wanted[first + i]!.order !== placement.order);
  }
}

export const sorted = <T extends Pick<Todo, "id" | "order">>(todos: readonly T[]): T[] =>
  [...todos].sort(byRank);
