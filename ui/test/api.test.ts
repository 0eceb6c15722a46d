// The API client: requests as they are sent, and every way in which one can end.
import assert from "node:assert/strict";
import test from "node:test";
import { Api, type Answer, type Result } from "../src/api.ts";

interface Call {
  path: string;
  init: RequestInit;
  headers: Headers;
}

function client(reply: () => Response | Promise<Response>): { api: Api; calls: Call[]; answers: Answer[] } {
  const calls: Call[] = [];
  const answers: Answer[] = [];
  let clock = 0;
  const api = new Api({
    fetch: async (input, init = {}) => {
      calls.push({ path: String(input), init, headers: new Headers(init.headers) });
      return reply();
    },
    onAnswer: (answer) => answers.push(answer),
    nowMs: () => (clock += 7),
  });
  return { api, calls, answers };
}

const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers });
const TODO = { id: "a", url: "http://any/api/a", title: "A", completed: false, order: 1.5 };

function faultOf(result: Result<unknown>) {
  assert.ok(!result.ok);
  return result.fault;
}

test("the list is asked for with the ETag that is known, and 304 gives null", async () => {
  const { api, calls } = client(() => new Response(null, { status: 304 }));
  const result = await api.list('"x"');
  assert.ok(result.ok && result.value === null);
  assert.equal(calls[0]!.path, "/api");
  assert.equal(calls[0]!.headers.get("If-None-Match"), '"x"');
  await api.list(null);
  assert.equal(calls[1]!.headers.has("If-None-Match"), false);
});

test("a list is read with its ETag; order may be a number, null or absent", async () => {
  const { order: _, ...bare } = TODO;
  const { api } = client(() =>
    json([TODO, { ...TODO, id: "b", order: null }, { ...bare, id: "c" }], 200, { ETag: '"y"' }),
  );
  const result = await api.list(null);
  assert.ok(result.ok);
  assert.deepEqual(
    result.value?.map((todo) => todo.order),
    [1.5, null, null],
  );
  assert.equal(result.etag, '"y"');
});

test("an edit is a merge patch under If-Match at an escaped id", async () => {
  const { api, calls } = client(() => json(TODO));
  await api.change("a/b", { title: "é" }, '"v"');
  const { path, init, headers } = calls[0]!;
  assert.equal(path, "/api/a%2Fb");
  assert.equal(init.method, "PATCH");
  assert.equal(init.body, '{"title":"é"}');
  assert.equal(headers.get("Content-Type"), "application/merge-patch+json");
  assert.equal(headers.get("If-Match"), '"v"');
});

test("who answered, how fast, and how many sites stored it are told", async () => {
  const { api, answers } = client(() => json(TODO, 201, { "Hedgerow-Site": "kent", "Hedgerow-Acks": "2/3" }));
  await api.add({ title: "A", completed: false, order: 1 });
  assert.deepEqual(answers, [{ site: "kent", ms: 7, acks: { stored: 2, sites: 3, few: false } }]);
});

test("a list says what it may lack, also if it is the same as before; nothing else does", async () => {
  const said: [string | null, unknown][] = [
    [null, null],
    ["changes=12", { changes: 12, silent: [] }],
    ['silent=("oslo" "ro\\"me")', { changes: 0, silent: ["oslo", 'ro"me'] }],
    ['changes=3, silent=("oslo")', { changes: 3, silent: ["oslo"] }],
    ["nonsense", null],
  ];
  for (const [header, behind] of said) {
    const headers: Record<string, string> = { "Hedgerow-Site": "kent", ...(header ? { "Hedgerow-Behind": header } : {}) };
    const { api, answers } = client(() => json([TODO], 200, headers));
    await api.list(null);
    assert.deepEqual(answers[0]!.behind, behind);
    await api.get("a");
    assert.equal(answers[1]!.behind, undefined);
  }
  const same = client(() => new Response(null, { status: 304, headers: { "Hedgerow-Site": "kent", "Hedgerow-Behind": "changes=1" } }));
  await same.api.list('"v"');
  assert.deepEqual(same.answers[0]!.behind, { changes: 1, silent: [] });
});

test("a 503 says whether it is the session that no site can go on with, and a list may begin it anew", async () => {
  const { api, calls } = client(() => json({ detail: "Not yet" }, 503, { "Hedgerow-Behind": "session" }));
  const fault = faultOf(await api.list(null));
  assert.deepEqual([fault.kind, fault.behind], ["busy", true]);
  assert.equal(calls[0]!.headers.get("Hedgerow-Session"), null);
  await api.list(null, true);
  assert.equal(calls[1]!.headers.get("Hedgerow-Session"), "");
  const other = client(() => json({ detail: "Busy" }, 503));
  assert.equal(faultOf(await other.api.list(null)).behind, undefined);
});

test("an answer without a site, or with unreadable acks, tells nothing it does not say", async () => {
  const quiet = client(() => json(TODO));
  await quiet.api.get("a");
  assert.deepEqual(quiet.answers, []);
  const odd = client(() => json(TODO, 200, { "Hedgerow-Site": "kent", "Hedgerow-Acks": "some" }));
  await odd.api.get("a");
  assert.equal(odd.answers[0]!.acks, null);
});

test("a problem's detail is what the person reads", async () => {
  const { api } = client(() => json({ title: "Bad Request", detail: "title is too long" }, 400));
  const fault = faultOf(await api.get("a"));
  assert.deepEqual([fault.kind, fault.text], ["refused", "title is too long"]);
});

test("an error that is no problem document is told by its status", async () => {
  const { api } = client(() => new Response("<h1>oops</h1>", { status: 500 }));
  assert.equal(faultOf(await api.get("a")).text, "The server answered 500.");
});

test("404, 412 and 503 are told apart, and Retry-After is read", async () => {
  const kinds: Record<number, string> = {
    404: "gone",
    412: "conflict",
    503: "busy",
    429: "busy",
    405: "refused",
  };
  for (const [status, kind] of Object.entries(kinds)) {
    const { api } = client(() => json({}, Number(status), { "Retry-After": "3" }));
    const fault = faultOf(await api.get("a"));
    assert.equal(fault.kind, kind, status);
    assert.equal(fault.retryAfterMs, kind === "busy" ? 3000 : null);
  }
});

test("a write without an answer may have been done; a read cannot", async () => {
  const { api } = client(() => Promise.reject(new TypeError("Failed to fetch")));
  const write = faultOf(await api.removeAll());
  assert.deepEqual([write.kind, write.maybeDone], ["unreachable", true]);
  assert.equal(faultOf(await api.list(null)).maybeDone, false);
});

test("a request without an answer in time says so", async () => {
  const { api } = client(() => Promise.reject(new DOMException("late", "TimeoutError")));
  assert.match(faultOf(await api.get("a")).text, /within 10 seconds/);
});

test("an answer of another shape, or one that breaks off, is an error and not a to-do", async () => {
  for (const body of [{ ...TODO, title: 3 }, { ...TODO, order: "1" }, [TODO], null, 7]) {
    const { api } = client(() => json(body));
    assert.equal(faultOf(await api.get("a")).kind, "refused", JSON.stringify(body));
  }
  const { api: lists } = client(() => json([TODO, {}]));
  assert.equal(faultOf(await lists.list(null)).kind, "refused");
  const { api: broken } = client(() => new Response('{"id": "a'));
  assert.equal(faultOf(await broken.get("a")).kind, "unreachable");
});

test("only requests sent while leaving outlive the page", async () => {
  const { api, calls } = client(() => new Response(null, { status: 204 }));
  await api.remove("a");
  await api.remove("a", true);
  assert.deepEqual(
    calls.map((call) => call.init.keepalive),
    [false, true],
  );
});

test("a write that few sites have kept is told as such, with the numbers and where to look", async () => {
  const { api, answers } = client(() =>
    json({ detail: "cut off" }, 503, {
      "Hedgerow-Site": "kent",
      "Hedgerow-Acks": "1/5",
      "Retry-After": "1",
      Location: "http://any/api/s%2D1",
    }),
  );
  const fault = faultOf(await api.add({ title: "A", completed: false, order: 1 }));
  assert.deepEqual(fault, {
    kind: "spreading",
    text: "Kept on 1 of 5 sites so far; it may still spread.",
    maybeDone: true,
    retryAfterMs: 1000,
    id: "s-1",
    acks: { stored: 1, sites: 5, few: true },
  });
  assert.equal(answers[0]!.acks?.few, true);
});

test("a 503 that says where the to-do may be, may have made it", async () => {
  for (const [location, id] of [
    ["/api/a", "a"],
    ["http://any/api/a?x", null],
    ["/api/%zz", null],
    ["/elsewhere", null],
  ] as const) {
    const { api } = client(() => json({}, 503, { Location: location }));
    const fault = faultOf(await api.add({ title: "A", completed: false, order: 1 }));
    assert.deepEqual([fault.kind, fault.id, fault.maybeDone], ["busy", id, id !== null]);
  }
});

const PLACE = { name: "kent", id: 1, here: true, alive: true, hosts: 1, round_trip_ms: null, silent_ms: 0 };

test("the sites are read, and are not taken for who answers", async () => {
  const far = { ...PLACE, name: "essex", here: false, state: "catching-up", round_trip_ms: 41.007, silent_ms: 950 };
  const { api, calls, answers } = client(() =>
    json({ here: "kent", sites: [PLACE, far] }, 200, { "Hedgerow-Site": "kent" }),
  );
  const result = await api.sites();
  assert.ok(result.ok);
  assert.deepEqual(result.value, [
    { name: "kent", here: true, alive: true, catchingUp: false, roundTripMs: null, silentMs: 0 },
    { name: "essex", here: false, alive: true, catchingUp: true, roundTripMs: 41.007, silentMs: 950 },
  ]);
  assert.equal(calls[0]!.path, "/api/sites");
  assert.deepEqual(answers, []);
});

test("sites of another shape are an error; of very many only the first are kept", async () => {
  const odd = [null, [], {}, { sites: 1 }, { sites: [null] }];
  const places = ["name", "here", "alive", "round_trip_ms", "silent_ms"].map((key) => ({
    sites: [{ ...PLACE, [key]: [] }],
  }));
  for (const body of [...odd, ...places])
    assert.equal(faultOf(await client(() => json(body)).api.sites()).kind, "refused", JSON.stringify(body));
  const many = await client(() => json({ sites: Array(100).fill(PLACE) })).api.sites();
  assert.ok(many.ok);
  assert.equal(many.value?.length, 64);
});
