// Actor-to-actor calls between hosts: the gateway's host has no `ui`, so each file of the page comes from another host.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";

import { until } from "../integration/host.mjs";
import { cGuest } from "../integration/guests.mjs";
import { request } from "../integration/http.mjs";
import { ms, print, summary } from "./figures.mjs";
import { withScene } from "./scene.mjs";

const LARGE_BYTES = 5_000_000; // more than NATS carries in one message (1 MiB)
const CALLS = 300;

const page = (site) => request("GET", `${site.url}/`, { headers: { "Accept-Encoding": "identity" } });

async function gateway(scene, nats) {
  const site = await scene.start("edge", { nats, actors: ["todo"] });
  await until("the page comes", async () => (await page(site)).status === 200, 20_000);
  return site;
}

describe("the gateway and the page on different hosts", () => {
  it("the page is served", withScene(async (scene) => {
    const nats = await scene.nats("one");
    const whole = await scene.start("whole", { nats: { url: "" } });
    await scene.start("pages", { nats, actors: ["ui"] });
    const edge = await gateway(scene, nats);
    const [here, there] = [await page(whole), await page(edge)];
    assert.equal(there.text, here.text);
    assert.equal(there.headers["content-type"], here.headers["content-type"]);
    assert.equal(there.headers.etag, here.headers.etag);
    assert.equal((await request("GET", `${edge.url}/nothing.js`)).status, 404);
  }));

  it("a file that is larger than a message travels in pieces", withScene(async (scene) => {
    const nats = await scene.nats("one");
    await scene.start("pages", { nats, actors: ["ui"], files: { ui: cGuest("numbers") } });
    const edge = await gateway(scene, nats);
    for (const size of [1_000_000, 1_048_576, 1_048_577, LARGE_BYTES]) {
      const answer = await request("GET", `${edge.url}/${size}`);
      assert.equal(answer.status, 200, answer.text.slice(0, 200));
      assert.equal(answer.body.length, size);
      // The byte at each place is its number modulo 251, so that a piece that is lost, doubled or moved shows.
      const wanted = Buffer.alloc(size);
      for (let i = 0; i < size; i++) wanted[i] = i % 251;
      const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
      assert.equal(digest(answer.body), digest(wanted), `the ${size} bytes are others`);
    }
  }));

  it("the callee's host is killed in the middle of calls: others answer", withScene(async (scene) => {
    const nats = await scene.nats("one");
    const pages = await Promise.all(["one", "two"].map((name) => scene.start(name, { nats, actors: ["ui"] })));
    const edge = await gateway(scene, nats);
    const wanted = (await page(edge)).text;
    const times = [];
    let killed;
    const client = async (count) => {
      for (let i = 0; i < count; i++) {
        const began = performance.now();
        const answer = await page(edge);
        times.push(performance.now() - began);
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.text, wanted);
      }
    };
    for (const victim of pages) {
      const clients = [client(CALLS), client(CALLS), client(CALLS)];
      const from = times.length;
      await until("calls are under way", () => times.length > from + CALLS / 2);
      killed = victim;
      await victim.kill("host");
      await Promise.all(clients);
      print(`${victim.name} was killed: ${summary("calls", times.slice(from))}`);
      await victim.startHost();
      await until(`${victim.name} serves again`, async () => (await edge.sites())?.sites.some((site) => site.name === victim.name && site.alive));
    }
    assert.ok(killed);
    print(`the longest call took ${ms(Math.max(...times))}`);
  }));
});
