// Hosts without their NATS server: they start and serve alone, and join when it comes; and they go on when it goes.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { NatsServer } from "./nats_server.mjs";
import { withScene } from "./scene.mjs";

async function create(site, title) {
  const answer = await json("POST", site.api, { title });
  assert.equal(answer.status, 201, answer.text);
  return answer;
}

const titles = async (site) => (await site.list()).map((todo) => todo.title).sort();

// A site that has heard of others serves again when it has caught up.
async function bothHave(sites, wanted) {
  for (const site of sites) await site.serves();
  for (const site of sites)
    await until(`${site.name} has ${wanted}`, async () => (await titles(site)).join() === [...wanted].sort().join(), 20_000);
}

describe("a NATS server that is away", () => {
  it("at the start: each host serves alone, and they meet when it comes", withScene(async (scene) => {
    const nats = await NatsServer.create(scene.folder, "late");
    scene.servers.push(nats);
    const sites = await Promise.all(["aws", "gcp"].map((name) => scene.start(name, { nats })));
    for (const site of sites) {
      const answer = await create(site, `alone at ${site.name}`);
      assert.equal(answer.headers["hedgerow-acks"].split("/")[0], "1");
      assert.deepEqual(await titles(site), [`alone at ${site.name}`]);
      assert.deepEqual(await site.aliveSites(), [site.name]);
    }
    await nats.start();
    for (const site of sites) await scene.sees(site, ["aws", "gcp"]);
    await bothHave(sites, ["alone at aws", "alone at gcp"]);
    const answer = await create(sites[0], "together");
    assert.equal(answer.headers["hedgerow-acks"], "2/2");
  }));

  it("later: they go on alone, and make up for it when it is back", withScene(async (scene) => {
    const nats = await scene.nats("one");
    const sites = await Promise.all(["aws", "gcp"].map((name) => scene.start(name, { nats })));
    for (const site of sites) await scene.sees(site, ["aws", "gcp"]);
    for (const site of sites) await site.serves();
    await create(sites[0], "before");
    await bothHave(sites, ["before"]);
    await nats.service.kill();
    for (const site of sites) await scene.sees(site, [site.name]);
    for (const site of sites) {
      assert.equal((await create(site, `apart at ${site.name}`)).headers["hedgerow-acks"].split("/")[0], "1");
      assert.equal((await request("GET", site.api)).headers["hedgerow-site"], site.name);
    }
    await nats.start();
    for (const site of sites) await scene.sees(site, ["aws", "gcp"]);
    await bothHave(sites, ["before", "apart at aws", "apart at gcp"]);
  }));
});
