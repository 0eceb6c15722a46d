// What the page knows of the sites: who answered it, each with its smoothed round trip, and the lattice as
// the server last told it. Pure.
import type { Answer } from "./api.ts";

/** On how many of how many sites a write is kept; few: those were fewer than wanted. */
export interface Acks {
  readonly stored: number;
  readonly sites: number;
  readonly few: boolean;
}

/** What a list may lack: changes that others have, and whatever silent sites have made. */
export interface Behind {
  readonly changes: number;
  readonly silent: readonly string[];
}

/** A site of the lattice. */
export interface Place {
  readonly name: string;
  /** The one that the server which told of it belongs to. */
  readonly here: boolean;
  readonly alive: boolean;
  /** It takes in what it lacks, and others answer for it meanwhile. */
  readonly catchingUp: boolean;
  /** Between here and there; null if it is not known. */
  readonly roundTripMs: number | null;
  readonly silentMs: number;
}

export type Lattice = readonly Place[];

export interface Site {
  readonly name: string;
  /** Smoothed round trip. */
  readonly ms: number;
}

export interface Sites {
  /** Those that answered this page, in the order of their names. */
  readonly all: readonly Site[];
  /** Who answered last. */
  readonly newest: string | null;
  /** Of the last write. */
  readonly acks: Acks | null;
  /** Of the list as last answered; null: it lacks nothing that its site knows of. */
  readonly behind: Behind | null;
  /** As last told; null if it never was. */
  readonly lattice: Lattice | null;
  /** The lattice was told just now, not some time ago. */
  readonly current: boolean;
  /** Who has gone or come back, in a sentence. */
  readonly news: string;
}

/** More sites than this are not kept; the slowest goes. */
export const SITES_MAX = 64;
/** The weight of a new measurement. */
const SMOOTHING = 0.25;

export const noSites: Sites = {
  all: [],
  newest: null,
  acks: null,
  behind: null,
  lattice: null,
  current: false,
  news: "",
};

export function withAnswer(sites: Sites, answer: Answer): Sites {
  const known = sites.all.find((site) => site.name === answer.site);
  const ms = known ? known.ms + (answer.ms - known.ms) * SMOOTHING : answer.ms;
  let others = sites.all.filter((site) => site !== known);
  if (others.length >= SITES_MAX) {
    const slowest = others.reduce((a, b) => (b.ms > a.ms ? b : a));
    others = others.filter((site) => site !== slowest);
  }
  const all = [...others, { name: answer.site, ms }].sort((a, b) => (a.name < b.name ? -1 : 1));
  const behind = answer.behind === undefined ? sites.behind : answer.behind;
  return { ...sites, all, newest: answer.site, acks: answer.acks ?? sites.acks, behind };
}

const naming = (places: readonly Place[], one: string, many: string): string[] =>
  places.length === 0
    ? []
    : [`${places.map((place) => place.name).join(", ")} ${places.length === 1 ? one : many}.`];

/** What has changed between two tellings, as far as it is worth a word: nothing new is no news. */
function newsOf(before: Lattice | null, after: Lattice): string {
  const changed = (alive: boolean) =>
    after.filter(
      (place) =>
        place.alive === alive && before?.some((old) => old.name === place.name && old.alive !== alive),
    );
  return [...naming(changed(false), "is gone", "are gone"), ...naming(changed(true), "is back", "are back")].join(
    " ",
  );
}

/** @lattice: null when it could not be asked for. */
export function withLattice(sites: Sites, lattice: Lattice | null): Sites {
  if (!lattice) return sites.current ? { ...sites, current: false } : sites;
  return { ...sites, lattice, current: true, news: newsOf(sites.lattice, lattice) || sites.news };
}

export function behindText({ changes, silent }: Behind): string {
  const count = `${changes.toLocaleString("en")} ${changes === 1 ? "change" : "changes"}`;
  const unheard = `what is new at ${silent.join(", ")}`;
  return `The list may lack ${[...(changes ? [count] : []), ...(silent.length ? [unheard] : [])].join(" and ")}.`;
}

/** A site as the page shows it. */
export interface Shown {
  readonly name: string;
  readonly state: "here" | "alive" | "catching" | "gone";
  /** A time to it, or since it is gone; or what keeps it from answering. */
  readonly note: string;
}

export const formatMs = (ms: number): string =>
  ms < 1 ? "<1 ms" : ms < 9.95 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString("en")} ms`;

/** A span of time, no finer than is of use. */
export function formatSpan(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

const shownPlace = ({ name, here, alive, catchingUp, roundTripMs, silentMs }: Place): Shown => {
  if (alive && catchingUp) return { name, state: "catching", note: "catching up" };
  if (here) return { name, state: "here", note: "here" };
  if (!alive) return { name, state: "gone", note: `gone ${formatSpan(silentMs)}` };
  return { name, state: "alive", note: roundTripMs === null ? "–" : formatMs(roundTripMs) };
};

/** All sites: as the lattice has them, and who else has answered; once there is a lattice, last of all only. */
export function shownSites({ all, lattice, newest }: Sites): Shown[] {
  const places = lattice ?? [];
  const strangers = all.filter(
    ({ name }) => !places.some((place) => place.name === name) && (!lattice || name === newest),
  );
  return [
    ...places.map(shownPlace),
    ...strangers.map(({ name, ms }): Shown => ({ name, state: "alive", note: formatMs(ms) })),
  ];
}
