// A site that has a gateway and no store: it serves its clients out of the others' stores, and is no holder of anything.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { json, request } from "../integration/http.mjs";
import { withScene } from "./scene.mjs";

describe("an edge without a store", () => {
  it("reads and writes at the sites that have one, and is not waited for", withScene(async (scene) => {
    const nats = await scene.nats("one");
    const store = await scene.start("store", { nats });
    const edge = await scene.start("edge", { nats, actors: ["todo", "ui"] });
    for (const site of scene.sites) await scene.sees(site, ["edge", "store"]);
    for (const site of scene.sites) {
      const made = await json("POST", site.api, { title: `by ${site.name}` });
      assert.equal(made.status, 201, made.text);
      assert.equal(made.headers["hedgerow-site"], "store");
      assert.equal(made.headers["hedgerow-acks"], "1/1");
      const read = await request("GET", `${edge.api}/${made.json().id}`);
      assert.equal(read.status, 200, read.text);
      assert.equal(read.headers["hedgerow-site"], "store");
    }
    await store.kill("host");
    await scene.sees(edge, ["edge"]);
    assert.equal((await request("GET", edge.api)).status, 503);
  }));
});
