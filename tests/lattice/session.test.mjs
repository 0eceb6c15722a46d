// Sessions between sites: what a client has seen or written it sees at every other site, or is told that it cannot. The
// versions (entity tags) of one todo are compared: they grow with every change.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, it } from "node:test";

import { until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { Random } from "../integration/random.mjs";
import { print, summary } from "./figures.mjs";
import { withLattice } from "./site.mjs";

const SEED = Number(process.env.HEDGEROW_SEED ?? randomInt(2 ** 31));
const names = ["aws", "azure", "gcp"];

class Session {
  token = "";

  async send(method, url, value) {
    const headers = { "Hedgerow-Session": this.token };
    if (value) headers["Content-Type"] = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const began = performance.now();
    const answer = await request(method, url, { headers, body: value && JSON.stringify(value) });
    this.token = answer.headers["hedgerow-session"] ?? this.token;
    return Object.assign(answer, { ms: performance.now() - began, by: answer.headers["hedgerow-site"] });
  }
}

const isBehind = (answer) => answer.status === 503 && answer.headers["hedgerow-behind"] === "session";

describe(`sessions (HEDGEROW_SEED=${SEED})`, () => {
  it("a site that lacks the session's write waits for it, or another one answers",
    withLattice(names, { proxied: true, env: { HEDGEROW_WRITE_ACKS: "1" } }, async (lattice) => {
      const [aws, azure] = lattice.sites;
      // What azure does not hear from aws it gets from gcp, some time later.
      await lattice.between("aws", "azure").hold();
      const session = new Session();
      const by = {};
      const took = [];
      let stale = 0;
      for (let i = 0; i < 20; i++) {
        const made = await session.send("POST", aws.api, { title: `number ${i}` });
        assert.equal(made.status, 201, made.text);
        const id = made.json().id;
        const plain = await request("GET", `${azure.api}/${id}`);
        const read = await session.send("GET", `${azure.api}/${id}`);
        assert.equal(read.status, 200, read.text);
        assert.equal(read.headers.etag, made.headers.etag);
        by[read.by] = (by[read.by] ?? 0) + 1;
        took.push(read.ms);
        stale += plain.status === 404;
      }
      print(`answered by ${JSON.stringify(by)}; ${stale} of 20 reads without a session were stale; ${summary("with one", took)}`);
      assert.ok(stale > 0, "no site lagged: nothing was shown");
      // Azure when its waiting helped, else gcp: nobody else is in its reach.
      assert.deepEqual(Object.keys(by).filter((name) => !["azure", "gcp"].includes(name)), []);
      const list = await session.send("GET", azure.api);
      assert.equal(list.status, 200);
      assert.equal(list.json().length, 20);
    }));

  it("where no site has it, the answer is a 503 until one has",
    withLattice(names, { proxied: true, env: { HEDGEROW_WRITE_ACKS: "1" } }, async (lattice) => {
      const [aws, azure] = lattice.sites;
      const made = await json("POST", aws.api, { title: "before" });
      const id = made.json().id;
      await lattice.agreement();
      const between = lattice.across(["aws"], ["azure", "gcp"]);
      await Promise.all(between.map((proxy) => proxy.hold()));
      await until("the sides no longer hear each other", async () => {
        const alive = await Promise.all(lattice.sites.map((site) => site.aliveSites()));
        return alive.join("; ") === "aws; azure,gcp; azure,gcp";
      });

      const session = new Session();
      const written = await session.send("PATCH", `${aws.api}/${id}`, { title: "apart" });
      assert.equal(written.status, 200, written.text);
      for (const [method, at, value] of [["GET", `/${id}`], ["GET", ""], ["PATCH", `/${id}`, { completed: true }]]) {
        const before = await azure.metric("hedgerow_refusals_total");
        const refused = await session.send(method, azure.api + at, value);
        assert.ok(isBehind(refused), refused.text);
        assert.equal(refused.headers["retry-after"], "1");
        // It came because each site in reach had said no, azure and gcp, and not because the time was up.
        const refusals = await azure.metric("hedgerow_refusals_total") - before;
        assert.ok(refusals >= 2, `${refusals} refusals`);
      }
      // Others are served as ever, with what there is; and who is refused hinders nobody.
      const plain = await request("GET", `${azure.api}/${id}`);
      assert.equal(plain.json().title, "before");
      assert.equal(plain.headers["hedgerow-site"], "azure");
      const list = await request("GET", azure.api);
      assert.equal(list.headers["hedgerow-behind"], 'silent=("aws")');
      // In the order in which it has heard of them.
      assert.match((await request("GET", aws.api)).headers["hedgerow-behind"], /^silent=\("(azure" "gcp|gcp" "azure)"\)$/);
      const fresh = new Session();
      assert.equal((await fresh.send("GET", `${azure.api}/${id}`)).json().title, "before");
      assert.equal((await fresh.send("PATCH", `${azure.api}/${id}`, { order: 1 })).status, 200);

      await Promise.all(between.map((proxy) => proxy.heal()));
      const answer = await until("azure has it", async () => {
        const read = await session.send("GET", `${azure.api}/${id}`);
        return read.status === 200 && read;
      });
      assert.equal(answer.json().title, "apart");
      await until("nobody is behind", async () => {
        const lists = await Promise.all(lattice.sites.map((site) => request("GET", site.api)));
        return lists.every(({ headers }) => headers["hedgerow-behind"] === undefined);
      });
    }));

  it("reads and writes through random sites never go back while a site is killed and returns",
    withLattice(names, {}, async (lattice) => {
      const STEPS = 200;
      const random = new Random(SEED);
      const victim = lattice.site("azure");
      const made = await json("POST", lattice.sites[0].api, { title: "one" });
      const id = made.json().id;
      await lattice.agreement();

      // Somebody else, whose writes the session sees.
      let going = true;
      let others = 0;
      const writer = (async () => {
        for (let order = 0; going; order++) {
          const site = random.of(lattice.sites);
          const answer = await request("PATCH", `${site.api}/${id}`, {
            headers: { "Content-Type": "application/merge-patch+json" },
            body: JSON.stringify({ order }),
          }).catch(() => null);
          others += answer?.status === 200;
        }
      })();

      const session = new Session();
      const counts = { read: 0, written: 0, behind: 0, moved: 0, stale: 0 };
      const took = [];
      let last = "";
      let healing;
      const failed = [];
      for (let step = 0; step < STEPS; step++) {
        if (step === STEPS / 4) await victim.kill("host");
        if (step === STEPS / 2) healing = victim.heal("host");
        if (step === STEPS * 3 / 4) await healing;
        const site = random.of(lattice.sites);
        const writes = random.below(4) === 0;
        const lists = !writes && random.below(4) === 0;
        const url = lists ? site.api : `${site.api}/${id}`;
        const plain = await request("GET", `${site.api}/${id}`).catch(() => null);
        if (plain?.status === 200 && plain.headers.etag < last) counts.stale++;
        const answer = await session.send(writes ? "PATCH" : "GET", url, writes ? { title: `step ${step}` } : undefined).catch(() => null);
        if (!answer) counts.moved++; // the site is dead: its client goes to another one
        else if (answer.status !== 200 && isBehind(answer)) counts.behind++;
        else if (answer.status !== 200) failed.push(`${step} ${site.name}: ${answer.status} ${answer.text}`);
        else {
          took.push(answer.ms);
          counts[writes ? "written" : "read"]++;
          if (lists) assert.deepEqual(answer.json().map((todo) => todo.id), [id]);
          else {
            assert.ok(answer.headers.etag >= last, `step ${step} at ${site.name}: ${answer.headers.etag} after ${last}`);
            last = answer.headers.etag;
          }
        }
      }
      going = false;
      await writer;
      print(`${JSON.stringify(counts)}; ${others} writes of somebody else; ${summary("answers", took)}`);
      assert.deepEqual(failed.filter((line) => !line.includes(` ${victim.name}:`)), []);
      assert.ok(counts.read > STEPS / 4 && counts.written > STEPS / 10 && others > 10, "too little was done");
      const end = await until("the session goes on everywhere", async () => {
        const answers = await Promise.all(lattice.sites.map((site) => session.send("GET", `${site.api}/${id}`).catch(() => null)));
        return answers.every((answer) => answer?.status === 200) && answers;
      });
      for (const answer of end) assert.ok(answer.headers.etag >= last);
    }));
});
