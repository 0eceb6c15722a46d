// A NATS server with TLS and a password, end to end; and what keeps a stranger out.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { until } from "../integration/host.mjs";
import { json, request } from "../integration/http.mjs";
import { withScene } from "./scene.mjs";

// A key and its own certificate for 127.0.0.1: {key, cert}, as files.
function certificate(folder, name) {
  const [key, cert, config] = ["key.pem", "cert.pem", "cnf"].map((kind) => join(folder, `${name}-${kind}`));
  writeFileSync(config, "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=127.0.0.1\n"
    + "[ext]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\n");
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-config", config, "-keyout", key, "-out", cert], { stdio: ["ignore", "ignore", "ignore"] });
  return { key, cert };
}

describe("a NATS server with TLS and a password", () => {
  it("joins those who have both, and nobody else", withScene(async (scene) => {
    const server = certificate(scene.folder, "server");
    const other = certificate(scene.folder, "other");
    const nats = await scene.nats("secured", { extra: [
      `tls { cert_file: "${server.cert}", key_file: "${server.key}" }`,
      'authorization { user: "hedge", password: "thorn-y" }',
    ] });
    const url = (password) => `tls://hedge:${encodeURIComponent(password)}@127.0.0.1:${nats.port}`;
    const options = (password, ca) => ({ nats, env: { HEDGEROW_NATS: url(password), HEDGEROW_NATS_CA: ca } });
    const [aws, gcp, liar, stranger] = await Promise.all([
      scene.start("aws", options("thorn-y", server.cert)),
      scene.start("gcp", options("thorn-y", server.cert)),
      scene.start("liar", options("rose", server.cert)),
      scene.start("stranger", options("thorn-y", other.cert)),
    ]);
    await scene.sees(aws, ["aws", "gcp"]);
    await scene.sees(gcp, ["aws", "gcp"]);
    const made = await json("POST", aws.api, { title: "under lock" });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.headers["hedgerow-acks"], "2/2");
    await until("gcp has it", async () => (await request("GET", `${gcp.api}/${made.json().id}`)).status === 200);
    for (const site of [liar, stranger]) {
      assert.deepEqual(await site.aliveSites(), [site.name]);
      assert.doesNotMatch(site.host.log, /thorn|rose/, "a password is in the log");
    }
  }));
});
