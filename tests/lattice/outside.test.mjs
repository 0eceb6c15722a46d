// A program that has nothing but a NATS client takes part: docs/protocol.md's subjects, over any server of the lattice.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { connect } from "@nats-io/transport-node";

import { until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { Lattice } from "./site.mjs";

const TIMEOUT_MS = 10_000;
const names = ["aws", "gcp"];
let lattice;
let client;

before(async () => {
  lattice = await Lattice.start(names);
  client = await connect({ servers: lattice.site("aws").nats.url });
});
after(async () => {
  await client?.close();
  await lattice?.stop();
});

const send = async (subject, body = "") => (await client.request(subject, body, { timeout: TIMEOUT_MS })).string();
const ask = async (subject, value) => JSON.parse(await send(subject, value === undefined ? "" : JSON.stringify(value)));

describe("a NATS client", () => {
  it("sets a value, which a page at either site reads as a todo", async () => {
    const reply = await ask("wasmkv.set.outside", { title: "from outside", completed: false });
    assert.equal(reply.key, "outside");
    assert.equal(reply.created, true);
    assert.ok(names.includes(reply.site));
    assert.equal(reply.acks, 2);
    assert.equal(reply.sites, 2);
    for (const site of lattice.sites)
      await until(`${site.name} has it`, async () => {
        const answer = await request("GET", `${site.api}/outside`);
        return answer.status === 200 && answer.json().title === "from outside";
      });
  });

  it("gets a value by its key, and all of them", async () => {
    const made = await json("POST", lattice.site("gcp").api, { title: "from a page" });
    const { id } = made.json();
    const reply = await until("it is there", async () => {
      const got = await ask(`wasmkv.get.${id}`);
      return got.value && got;
    });
    assert.equal(reply.key, id);
    assert.equal(reply.value.title, "from a page");
    assert.match(reply.version, /^[0-9a-f]{32}$/);
    const list = await until("both are in the list", async () => {
      const got = await ask("wasmkv.get");
      return got.items.length === 2 && got;
    });
    assert.deepEqual(list.items.map((item) => item.key).sort(), [id, "outside"].sort());
    assert.equal(list.next, null);
    const page = await ask("wasmkv.get", { limit: 1 });
    assert.equal(page.items.length, 1);
    assert.equal(typeof page.next, "string");
  });

  it("is told what is wrong, as JSON", async () => {
    const code = async (subject, body) => JSON.parse(await send(subject, body)).error?.code;
    assert.equal(await code("wasmkv.get.nothing-here"), "not-found");
    assert.equal(await code("wasmkv.set.outside", "{"), "bad-request");
    assert.equal(await code("wasmkv.set.outside", '{"$nonsense": 1}'), "bad-request");
    assert.equal(await code("wasmkv.set.outside", '{"$if-absent": true, "title": "x"}'), "conflict");
    assert.equal(await code("wasmkv.set.outside", JSON.stringify({ title: "x".repeat(70_000) })), "too-large");
    assert.equal(await code("wasmkv.get", '{"limit": 0}'), "bad-request");
  });

  it("deletes one value, and all of them", async () => {
    const one = await ask("wasmkv.del.outside");
    assert.equal(one.deleted, true);
    for (const site of lattice.sites)
      await until(`it is gone at ${site.name}`, async () => (await request("GET", `${site.api}/outside`)).status === 404);
    const all = await ask("wasmkv.del");
    assert.equal(all.cleared, true);
    assert.equal(all.count, 1);
    assert.deepEqual((await lattice.agreement()).list, []);
  });

  it("is answered once, whichever site it asks", async () => {
    // A request without a known responder's choice goes to one member of the queue group.
    const replies = [];
    const inbox = `_INBOX.outside.${process.pid}`;
    const subscription = client.subscribe(inbox, { callback: (error, message) => replies.push(message.string()) });
    for (let i = 0; i < 20; i++) client.publish("wasmkv.get", "", { reply: inbox });
    await until("20 replies came", () => replies.length >= 20);
    await client.flush();
    await ask("wasmkv.get"); // what would come twice has come by now
    assert.equal(replies.length, 20);
    subscription.unsubscribe();
  });
});
