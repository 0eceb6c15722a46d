// What the page knows of the sites that answered it: any number of them, each with its smoothed round
// trip. Pure.
import type { Answer } from "./api.ts";

export interface Site {
  readonly name: string;
  /** Smoothed round trip. */
  readonly ms: number;
}

export interface Sites {
  /** In the order of their names. */
  readonly all: readonly Site[];
  /** Who answered last. */
  readonly newest: string | null;
  /** Of the last write. */
  readonly acks: Answer["acks"];
}

/** More sites than this are not kept; the slowest goes. */
export const SITES_MAX = 64;
/** The weight of a new measurement. */
const SMOOTHING = 0.25;

export const noSites: Sites = { all: [], newest: null, acks: null };

export function withAnswer(sites: Sites, answer: Answer): Sites {
  const known = sites.all.find((site) => site.name === answer.site);
  const ms = known ? known.ms + (answer.ms - known.ms) * SMOOTHING : answer.ms;
  let others = sites.all.filter((site) => site !== known);
  if (others.length >= SITES_MAX) {
    const slowest = others.reduce((a, b) => (b.ms > a.ms ? b : a));
    others = others.filter((site) => site !== slowest);
  }
  const all = [...others, { name: answer.site, ms }].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { all, newest: answer.site, acks: answer.acks ?? sites.acks };
}

export const formatMs = (ms: number): string =>
  ms < 1 ? "<1 ms" : ms < 9.95 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString("en")} ms`;
