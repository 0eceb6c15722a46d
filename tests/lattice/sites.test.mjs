// Three sites that are well: what is written at one is read at the others, and every site does everything. One of the
// nats-servers is the newest there is, where that could be built.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { ms, print, summary } from "./figures.mjs";
import { newest, usual } from "./nats_server.mjs";
import { Lattice } from "./site.mjs";

const names = ["aws", "azure", "gcp"];
let lattice;

before(async () => {
  lattice = await Lattice.start(names, { servers: { gcp: newest ?? usual } });
  print(`the nats-server of gcp is ${newest ? "the newest" : "the usual one, like the others"}`);
});
after(async () => {
  if (!lattice) return;
  const exits = await Promise.all(lattice.sites.map((site) => site.host.stop()));
  lattice.keepLogs("sites");
  await lattice.stop();
  assert.deepEqual(exits, names.map(() => ({ code: 0, signal: null })), "a host did not end well");
});

// Waits until this site answers what is wanted; how long that took.
async function seen(site, path, wanted) {
  const began = performance.now();
  await until(`${path} at ${site.name} is as wanted`, async () => wanted(await request("GET", `${site.api}${path}`)));
  return performance.now() - began;
}

async function create(site, title) {
  const answer = await json("POST", site.api, { title });
  assert.equal(answer.status, 201, answer.text);
  return answer;
}

describe("three sites", () => {
  it("see each other alive, with round trips to the others", async () => {
    for (const site of lattice.sites) {
      const page = await until(`${site.name} has measured its ways`, async () => {
        const found = await site.sites();
        return found.sites.every((one) => one.here || typeof one.round_trip_ms === "number") && found;
      });
      assert.equal(page.here, site.name);
      assert.deepEqual(page.sites.map((one) => one.name).sort(), names);
      assert.equal(page.sites.filter((one) => one.here).length, 1);
      assert.equal(new Set(page.sites.map((one) => one.id)).size, 3, "each has an id of its own");
      for (const one of page.sites) {
        assert.equal(one.alive, true);
        assert.equal(one.hosts, 1);
        assert.ok(one.silent_ms < 3000);
      }
    }
  });

  it("read what was created at another one", async () => {
    const times = [];
    for (const site of lattice.sites) {
      const answer = await create(site, `made at ${site.name}`);
      const { id } = answer.json();
      for (const other of lattice.others(site.name))
        times.push(await seen(other, `/${id}`, (got) => got.status === 200 && got.json().title === `made at ${site.name}`));
    }
    print(summary("creations read at another site after", times));
  });

  it("say who answered and how many sites hold a write", async () => {
    for (const site of lattice.sites) {
      const answer = await create(site, "who");
      assert.equal(answer.headers["hedgerow-site"], site.name, "the own kv actor is the fastest");
      const [, held, all] = /^(\d)\/(\d)$/.exec(answer.headers["hedgerow-acks"]);
      assert.ok(held >= 2, `two sites hold it: ${held}`);
      assert.equal(all, "3");
      assert.equal((await request("GET", site.api)).headers["hedgerow-site"], site.name);
    }
  });

  it("change and delete a todo that another one made", async () => {
    for (const [index, site] of lattice.sites.entries()) {
      const [second, third] = [1, 2].map((step) => lattice.sites[(index + step) % 3]);
      const { id } = (await create(site, "first")).json();
      await seen(second, `/${id}`, (got) => got.status === 200);
      const changed = await json("PATCH", `${second.api}/${id}`, { title: "second", completed: true });
      assert.equal(changed.status, 200, changed.text);
      await seen(third, `/${id}`, (got) => got.status === 200 && got.json().title === "second");
      const deleted = await request("DELETE", `${third.api}/${id}`);
      assert.equal(deleted.status, 204, deleted.text);
      for (const other of [site, second]) await seen(other, `/${id}`, (got) => got.status === 404);
    }
  });

  it("keep both of two changes of different fields at the same time", async () => {
    const { id } = (await create(lattice.sites[0], "both")).json();
    for (const other of lattice.sites.slice(1)) await seen(other, `/${id}`, (got) => got.status === 200);
    const answers = await Promise.all([
      json("PATCH", `${lattice.sites[0].api}/${id}`, { title: "renamed" }),
      json("PATCH", `${lattice.sites[1].api}/${id}`, { completed: true }),
      json("PATCH", `${lattice.sites[2].api}/${id}`, { order: 7 }),
    ]);
    for (const answer of answers) assert.equal(answer.status, 200, answer.text);
    for (const site of lattice.sites)
      await seen(site, `/${id}`, (got) => {
        const { title, completed, order } = got.json();
        return title === "renamed" && completed === true && order === 7;
      });
  });

  it("delete everything from any of them", async () => {
    for (const site of lattice.sites) {
      const made = await Promise.all(lattice.sites.map((one) => create(one, "to be cleared")));
      const ids = made.map((answer) => answer.json().id);
      for (const id of ids) await seen(site, `/${id}`, (got) => got.status === 200);
      const answer = await request("DELETE", site.api);
      assert.equal(answer.status, 204, answer.text);
      assert.match(answer.headers["hedgerow-acks"], /^[23]\/3$/);
      const { list, ms: took } = await lattice.agreement();
      assert.deepEqual(list, []);
      print(`deleted at ${site.name}: empty everywhere after ${ms(took)}`);
    }
  });
});
