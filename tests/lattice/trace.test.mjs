// A W3C traceparent that comes with an HTTP request is in the log lines of every host that had a part in the answer.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";

import { until } from "../integration/host.mjs";
import { request } from "../integration/http.mjs";
import { withScene } from "./scene.mjs";

describe("a trace", () => {
  it("goes with a request from host to host", withScene(async (scene) => {
    const nats = await scene.nats("one");
    const env = { HEDGEROW_LOG: "debug" };
    const store = await scene.start("store", { nats, env, actors: ["kv"] });
    const edge = await scene.start("edge", { nats, env, actors: ["todo", "ui"] });
    const trace = randomBytes(16).toString("hex");
    const parent = `00-${trace}-${randomBytes(8).toString("hex")}-01`;
    const answer = await until("the store is known", async () => {
      const got = await request("GET", edge.api, { headers: { traceparent: parent } });
      return got.status === 200 && got;
    });
    assert.equal(answer.headers["hedgerow-site"], "store");
    const lineWith = (site, actor) => site.host.event((fields) => fields.actor === actor && JSON.stringify(fields).includes(trace));
    const [gateway, kv] = await Promise.all([lineWith(edge, "todo"), lineWith(store, "kv")]);
    assert.ok(gateway && kv);
  }));
});
