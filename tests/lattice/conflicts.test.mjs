// Two hosts that cannot be in one lattice: the later one ends with a message that names the reason, the earlier one goes on.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Host, within } from "../integration/host.mjs";
import { request } from "../integration/http.mjs";
import { withScene } from "./scene.mjs";
import { withParent } from "./service.mjs";

const END_LIMIT_MS = 30_000;

const cases = [
  {
    what: "two hosts with one id",
    first: { name: "aws", env: { HEDGEROW_HOST: "twin" } },
    second: { name: "gcp", env: { HEDGEROW_HOST: "twin" } },
    message: /twin/,
  },
  {
    what: "two sites of one name with different stores",
    first: { name: "aws", env: {} },
    second: { name: "aws", env: { HEDGEROW_STORE: "lmdb:./another-store" } },
    message: /aws.*store|store.*aws/,
  },
  {
    what: "two names with one site id",
    first: { name: "aws", env: { HEDGEROW_SITE_ID: "77" } },
    second: { name: "gcp", env: { HEDGEROW_SITE_ID: "77" } },
    message: /77/,
  },
];

describe("what cannot be in one lattice", () => {
  for (const { what, first, second, message } of cases) {
    it(`${what}: the later one ends, the earlier one goes on`, withScene(async (scene) => {
      const nats = await scene.nats("one");
      const earlier = await scene.start(first.name, { nats, env: first.env });
      await scene.sees(earlier, [first.name]);
      const later = await scene.site(second.name, { nats, env: second.env });
      const host = new Host({ cwd: scene.folder, env: later.env, wrapper: withParent });
      const exit = await within(END_LIMIT_MS, `the end of the later one; its log:\n${host.log}`, host.exited);
      assert.equal(exit.signal, null, host.log);
      assert.notEqual(exit.code, 0, host.log);
      assert.match(host.log.trimEnd().split("\n").slice(-3).join(" "), message);
      assert.equal(earlier.host.exit, undefined, earlier.host.log);
      assert.equal((await request("GET", earlier.api)).status, 200);
      await scene.sees(earlier, [first.name]);
    }));
  }
});
