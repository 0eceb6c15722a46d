// Nobody works for a requester that has given up: what has waited past the time that came with it is dropped unseen.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { connect, headers } from "@nats-io/transport-node";

import { until } from "../integration/host.mjs";
import { withScene } from "./scene.mjs";

const SHORT_MS = 300;
const LONG_MS = 10_000;

describe("a deadline", () => {
  it("that has passed while a write waited for the one before it: the write is not done", withScene(async (scene) => {
    const nats = await scene.nats("one");
    const site = await scene.start("aws", { nats, kind: "redis" });
    const client = await connect({ servers: nats.url });
    // The header's time ends well before the client's own, which begins earlier.
    const send = (subject, value, timeout) => {
      const given = headers();
      given.set("Hedgerow-Timeout-Ms", `${timeout / 2}`);
      return client.request(subject, value ? JSON.stringify(value) : "", { timeout, headers: given }).then((reply) => reply.json());
    };
    try {
      assert.equal((await send("wasmkv.set.before", { n: 0 }, LONG_MS)).created, true);
      const running = await site.metric("hedgerow_calls_running");
      site.store.service.pause();
      const patient = send("wasmkv.set.patient", { n: 1 }, LONG_MS); // its batch waits for the store
      await until("the batch has begun", async () => (await site.metric("hedgerow_calls_running")) > running);
      const hasty = send("wasmkv.set.hasty", { n: 2 }, SHORT_MS); // waits for that batch
      await assert.rejects(hasty, /timeout/i);
      site.store.service.resume();
      const reply = await patient;
      assert.equal(reply.key, "patient", JSON.stringify(reply));
      assert.equal((await send("wasmkv.get.hasty", null, LONG_MS)).error?.code, "not-found");
      assert.equal((await send("wasmkv.set.hasty", { n: 3 }, LONG_MS)).created, true);
    } finally {
      await client.close();
    }
  }));
});
