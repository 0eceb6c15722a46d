// The typed client of Hedgerow's HTTP API. It turns every way in which a request can end into a Result
// and never throws; what an answer looks like is checked here and nowhere else. It keeps no state.
import { SITES_MAX, type Acks, type Behind, type Lattice, type Place } from "./sites.ts";
import type { NewTodo, Todo, TodoFields } from "./todo.ts";

/**
 * unreachable: no answer came. busy: try again later. refused: the server said no. conflict: 412. gone: 404.
 * spreading: a write that was kept, but at fewer sites than wanted.
 */
export type FaultKind = "unreachable" | "busy" | "refused" | "conflict" | "gone" | "spreading";

export interface Fault {
  readonly kind: FaultKind;
  /** For the person at the page. */
  readonly text: string;
  /** The write may have been done all the same. */
  readonly maybeDone: boolean;
  /** What the server asked for in Retry-After, else null. */
  readonly retryAfterMs: number | null;
  /** The id of a new to-do that was made, or may have been; null if the answer names none. */
  readonly id: string | null;
  /** Of a write that is spreading. */
  readonly acks: Acks | null;
  /** No site in reach has what this browser's session has seen. */
  readonly behind?: boolean;
}

export type Result<T> =
  | { readonly ok: true; readonly value: T; readonly etag: string | null }
  | { readonly ok: false; readonly fault: Fault };

/** Which site answered, after how long, and for a write, on how many of how many sites it is stored; for a list, what it
 * may lack, undefined for anything else. */
export interface Answer {
  readonly site: string;
  readonly ms: number;
  readonly acks: Acks | null;
  readonly behind?: Behind | null;
}

export interface ApiOptions {
  readonly fetch: typeof fetch;
  readonly onAnswer: (answer: Answer) => void;
  readonly nowMs: () => number;
}

export const REQUEST_TIMEOUT_MS = 10_000;
const LIST_PATH = "/api";
const SITES_PATH = "/api/sites";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function parseTodo(value: unknown): Todo | null {
  if (!isObject(value)) return null;
  const { id, url, title, completed, order } = value;
  if (
    typeof id !== "string" ||
    typeof url !== "string" ||
    typeof title !== "string" ||
    typeof completed !== "boolean"
  )
    return null;
  if (order !== undefined && order !== null && typeof order !== "number") return null;
  return { id, url, title, completed, order: order ?? null };
}

function parseTodos(value: unknown): Todo[] | null {
  if (!Array.isArray(value)) return null;
  const todos = value.map(parseTodo);
  return todos.includes(null) ? null : (todos as Todo[]);
}

const parseNothing = (): null => null;

function parsePlace(value: unknown): Place | null {
  if (!isObject(value)) return null;
  const { name, here, alive, state, round_trip_ms: roundTripMs, silent_ms: silentMs } = value;
  if (typeof name !== "string" || typeof here !== "boolean" || typeof alive !== "boolean") return null;
  if ((roundTripMs !== null && typeof roundTripMs !== "number") || typeof silentMs !== "number") return null;
  return { name, here, alive, catchingUp: state === "catching-up", roundTripMs, silentMs };
}

function parseLattice(value: unknown): Lattice | null {
  if (!isObject(value) || !Array.isArray(value.sites)) return null;
  const places = value.sites.slice(0, SITES_MAX).map(parsePlace);
  return places.includes(null) ? null : (places as Place[]);
}

const fault = (kind: FaultKind, text: string, more: Partial<Fault> = {}): Fault => ({
  kind,
  text,
  maybeDone: false,
  retryAfterMs: null,
  id: null,
  acks: null,
  ...more,
});

// Statuses after which the same request may succeed, and those of them that leave open whether it was done.
const BUSY = new Set([408, 425, 429, 502, 503, 504]);
const MAYBE_DONE = new Set([408, 502, 504]);

function readAcks(response: Response): Acks | null {
  const acks = /^(\d+)\/(\d+)$/.exec(response.headers.get("Hedgerow-Acks") ?? "");
  return acks ? { stored: Number(acks[1]), sites: Number(acks[2]), few: !response.ok } : null;
}

/** Hedgerow-Behind: `changes=12, silent=("oslo" "rome")`, either or both. */
function readBehind(response: Response): Behind | null {
  const said = response.headers.get("Hedgerow-Behind") ?? "";
  const changes = Number(/\bchanges=(\d+)/.exec(said)?.[1] ?? 0);
  const names = /\bsilent=\(((?: ?"(?:[^"\\]|\\.)*")*)\)/.exec(said)?.[1] ?? "";
  const silent = [...names.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((name) => name[1]!.replace(/\\(.)/g, "$1"));
  return changes || silent.length ? { changes, silent } : null;
}

/** The id in the Location of an answer that did not confirm a new to-do. */
function readId(response: Response): string | null {
  const id = /\/api\/([^/?#]+)$/.exec(response.headers.get("Location") ?? "")?.[1];
  try {
    return id ? decodeURIComponent(id) : null;
  } catch {
    return null;
  }
}

export const spreadText = ({ stored, sites }: Acks): string =>
  `Kept on ${stored} of ${sites} sites so far; it may still spread.`;

async function faultOf(response: Response): Promise<Fault> {
  const { status } = response;
  let said = "";
  try {
    const problem: unknown = await response.json();
    if (isObject(problem))
      said =
        [problem.detail, problem.title].find(
          (part): part is string => typeof part === "string" && part !== "",
        ) ?? "";
  } catch {
    // The body is an aid to the reader only; without it the status has to do.
  }
  const text = said || `The server answered ${status}.`;
  if (status === 404) return fault("gone", text);
  if (status === 412) return fault("conflict", text);
  if (!BUSY.has(status)) return fault("refused", text);
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  const id = readId(response);
  const acks = readAcks(response);
  const more = {
    maybeDone: MAYBE_DONE.has(status) || id !== null || acks !== null,
    retryAfterMs: seconds >= 0 ? seconds * 1000 : null,
    id,
    acks,
  };
  if (acks) return fault("spreading", spreadText(acks), more);
  const behind = /\bsession\b/.test(response.headers.get("Hedgerow-Behind") ?? "");
  return fault("busy", text, behind ? { ...more, behind } : more);
}

function readAnswer(response: Response, ms: number, list: boolean): Answer | null {
  const site = response.headers.get("Hedgerow-Site");
  if (!site) return null;
  const answer = { site, ms, acks: readAcks(response) };
  return list ? { ...answer, behind: readBehind(response) } : answer;
}

export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** All to-dos in order of creation; null when they are those that had @etag. @anew: whatever was seen before, the
   * list may be an older one; the session begins again with it. */
  async list(etag: string | null, anew = false): Promise<Result<Todo[] | null>> {
    const headers = { "If-None-Match": etag, "Hedgerow-Session": anew ? "" : null };
    return this.#send("GET", LIST_PATH, headers, undefined, parseTodos);
  }

  async get(id: string): Promise<Result<Todo | null>> {
    return this.#send("GET", this.#path(id), {}, undefined, parseTodo);
  }

  async add(todo: NewTodo): Promise<Result<Todo | null>> {
    return this.#send("POST", LIST_PATH, { "Content-Type": "application/json" }, todo, parseTodo);
  }

  /** @etag: only if the to-do still has it; null: in any case. */
  async change(id: string, fields: TodoFields, etag: string | null): Promise<Result<Todo | null>> {
    return this.#send(
      "PATCH",
      this.#path(id),
      { "Content-Type": "application/merge-patch+json", "If-Match": etag },
      fields,
      parseTodo,
    );
  }

  /** @leaving: the page is being closed, and the request has to outlive it. */
  async remove(id: string, leaving = false): Promise<Result<null>> {
    return this.#send("DELETE", this.#path(id), {}, undefined, parseNothing, leaving);
  }

  async removeAll(leaving = false): Promise<Result<null>> {
    return this.#send("DELETE", LIST_PATH, {}, undefined, parseNothing, leaving);
  }

  /** The sites as the server knows them. */
  async sites(): Promise<Result<Lattice | null>> {
    return this.#send("GET", SITES_PATH, {}, undefined, parseLattice);
  }

  #path(id: string): string {
    return `/api/${encodeURIComponent(id)}`;
  }

  async #send<T>(
    method: string,
    path: string,
    headers: Record<string, string | null>,
    body: unknown,
    parse: (json: unknown) => T | null,
    keepalive = false,
  ): Promise<Result<T | null>> {
    const { fetch, nowMs, onAnswer } = this.#options;
    const write = method !== "GET";
    const given = Object.entries(headers).filter((pair): pair is [string, string] => pair[1] !== null);
    const started = nowMs();
    let response: Response;
    try {
      response = await fetch(path, {
        method,
        headers: given,
        body: body === undefined ? null : JSON.stringify(body),
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        keepalive,
      });
    } catch (error) {
      const late = error instanceof Error && error.name === "TimeoutError";
      return {
        ok: false,
        fault: fault(
          "unreachable",
          late ? `No answer within ${REQUEST_TIMEOUT_MS / 1000} seconds.` : "No connection.",
          { maybeDone: write },
        ),
      };
    }
    // What is known of the sites any host knows by itself: it says nothing of who answers for the list.
    const list = !write && path === LIST_PATH && (response.ok || response.status === 304);
    const answer = path === SITES_PATH ? null : readAnswer(response, nowMs() - started, list);
    if (answer) onAnswer(answer);
    const etag = response.headers.get("ETag");
    if (response.status === 304) return { ok: true, value: null, etag };
    if (!response.ok) return { ok: false, fault: await faultOf(response) };
    if (response.status === 204) return { ok: true, value: null, etag };
    try {
      const value = parse(await response.json());
      if (value !== null) return { ok: true, value, etag };
    } catch {
      return { ok: false, fault: fault("unreachable", "The answer broke off.", { maybeDone: write }) };
    }
    return {
      ok: false,
      fault: fault("refused", "The answer is not one that this page understands. Reload it.", {
        maybeDone: write,
      }),
    };
  }
}
