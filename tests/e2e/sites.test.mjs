// Who answered, how fast, which sites there are, and on how many of them a change is held.
import assert from "node:assert/strict";
import {
  add,
  api,
  BOTH,
  box,
  button,
  comeBack,
  composer,
  editor,
  lattice,
  load,
  row,
  scenario,
  shows,
  startEdit,
  stored,
  told,
  until,
  url,
} from "./support.mjs";

const sites = (page) => page.getByRole("region", { name: "Sites" });
const place = (page, name) => sites(page).getByRole("listitem").filter({ hasText: name });
const NAMES = ["azure-weu", "aws-use1", "edge-bristol", "gcp-asia", "oracle-lhr"];

/** Answers @method with 503 as a write that few sites have, whether it is carried out (@does) or not. */
async function few(page, method, does) {
  const matches = (address) => address.pathname.startsWith("/api") && address.pathname !== "/api/sites";
  const handler = async (route) => {
    if (route.request().method() !== method) return route.fallback();
    const made = does ? (await route.fetch()).headers().location : null;
    const location = made ?? `${url}/api/01890000-0000-7000-8000-000000000000`;
    return route.fulfill({
      status: 503,
      headers: {
        "Content-Type": "application/problem+json",
        "Hedgerow-Site": "aws-use1",
        "Hedgerow-Acks": "1/5",
        "Retry-After": "1",
        ...(method === "POST" && { Location: location }),
      },
      body: JSON.stringify({ status: 503, detail: "It is on 1 of 5 sites and may still spread." }),
    });
  };
  await page.route(matches, handler);
  return () => page.unroute(matches, handler);
}

scenario("the server tells of its sites, its own one first", { start: false }, async () => {
  const answer = await api.send("GET", "/api/sites");
  assert.equal(answer.headers.get("Cache-Control"), "no-store");
  const told = await answer.json();
  assert.equal(told.sites[0].name, told.here);
  assert.equal(told.sites[0].here, true);
  assert.equal(told.sites[0].alive, true);
  assert.equal(told.here, (await api.send("GET", "/api")).headers.get("Hedgerow-Site"));
  assert.equal((await fetch(`${url}/api/sites`, { method: "DELETE" })).status, 405);
});

scenario("the site that answered is named, with its round trip; a single one is one line", {}, async ({ page }) => {
  const site = (await fetch(`${url}/api`)).headers.get("Hedgerow-Site");
  assert.ok(site, "the server does not say which site it is");
  const line = sites(page).locator(".answered");
  await until("a time is shown", async () => /\d ms/.test((await line.textContent()) ?? ""));
  assert.match(await line.textContent(), new RegExp(`Answered by ${site} in`));
  assert.equal(await sites(page).getByRole("listitem").count(), 0);
});

scenario("a write tells by how many sites it is held", {}, async ({ page }) => {
  const answer = page.waitForResponse((response) => response.request().method() === "POST");
  await add(page, "a");
  const acks = (await (await answer).allHeaders())["hedgerow-acks"];
  const [, held, all] = /^(\d+)\/(\d+)$/.exec(acks);
  await page
    .getByText(`Last change held by ${held} of ${all} ${all === "1" ? "site" : "sites"}`)
    .waitFor();
});

scenario(
  "all sites are listed with their round trips, and the newest answerer is marked",
  { start: false },
  async ({ page }) => {
    await api.add("a", { order: 1 });
    await lattice(page, NAMES);
    const answerers = [...NAMES, "aws-use1"];
    let turn = 0;
    await page.route("**/api", async (route) => {
      const response = await route.fetch();
      const headers = {
        ...response.headers(),
        "hedgerow-site": answerers[Math.min(turn++, answerers.length - 1)],
        "hedgerow-acks": "2/5",
      };
      return route.fulfill({ response, headers });
    });
    await load(page, ["a"]);
    for (let i = 1; i < answerers.length; i++) {
      const asked = page.waitForResponse(`${url}/api`);
      await comeBack(page);
      await asked;
    }
    // Who has answered is listed too, before it is told which sites there are.
    await until("all sites are listed with the round trips that were told", async () => {
      const notes = (await sites(page).locator("li .site-ms").allTextContents()).map((text) => text.split(",")[0]);
      assert.deepEqual(notes, ["here", "17 ms", "35 ms", "52 ms", "69 ms"]);
      return true;
    });
    assert.deepEqual(await sites(page).locator(".site-name").allTextContents(), NAMES);
    await until(
      "the newest is marked",
      async () => (await sites(page).locator(".newest .site-name").textContent()) === "aws-use1",
    );
    assert.equal(await sites(page).locator(".newest").count(), 1);
    assert.match(await place(page, "aws-use1").textContent(), /answered last/);
    await page.getByText("Last change held by 2 of 5 sites").waitFor();
    await shows(page, ["a"]);
  },
);

scenario(
  "a site that goes is shown with how long it is gone, and told of once; so is its return",
  { seed: ["a"] },
  async ({ page }) => {
    await lattice(page, NAMES);
    await place(page, "gcp-asia").getByText("52 ms").waitFor();
    const before = await sites(page).boundingBox();
    await lattice(page, NAMES, { "gcp-asia": { alive: false, silent_ms: 3_200 } });
    await place(page, "gcp-asia").getByText("gone 3 s").waitFor();
    await told(page, /^gcp-asia is gone\.$/);
    await lattice(page, NAMES, { "gcp-asia": { alive: false, silent_ms: 185_000 } });
    await place(page, "gcp-asia").getByText("gone 3 min").waitFor();
    await told(page, /^gcp-asia is gone\.$/);
    const after = await sites(page).boundingBox();
    assert.deepEqual([after.y, after.height], [before.y, before.height], "the page jumped");
    await lattice(page, NAMES);
    await place(page, "gcp-asia").getByText("52 ms").waitFor();
    await told(page, /^gcp-asia is back\.$/);
  },
);

scenario("a site that is catching up says so until it is done, in the same place", { seed: ["a"] }, async ({ page }) => {
  await lattice(page, NAMES);
  await place(page, "gcp-asia").getByText("52 ms").waitFor();
  const before = await sites(page).boundingBox();
  await lattice(page, NAMES, { "gcp-asia": { state: "catching-up" }, [NAMES[0]]: { state: "catching-up" } });
  await place(page, "gcp-asia").getByText("catching up").waitFor();
  await place(page, NAMES[0]).getByText("catching up").waitFor();
  const during = await sites(page).boundingBox();
  assert.deepEqual([during.y, during.height], [before.y, before.height], "the page jumped");
  await lattice(page, NAMES, { "gcp-asia": { state: "active" } });
  await place(page, "gcp-asia").getByText("52 ms").waitFor();
  await place(page, NAMES[0]).getByText("here").waitFor();
});

scenario("sites that cannot be asked for stay as they were told of", { tolerant: true }, async ({ page }) => {
  await lattice(page, NAMES);
  await place(page, "gcp-asia").waitFor();
  await page.route("**/api/sites", (route) => route.fulfill({ status: 503, body: "" }));
  await comeBack(page);
  await sites(page).locator(".places.old").waitFor();
  for (const name of NAMES) assert.equal(await place(page, name).count(), 1);
});

scenario("the sites are asked for while the page is seen, and not while it is hidden", { start: false }, async ({ page }) => {
  await page.clock.install();
  let asked = 0;
  await page.route("**/api/sites", (route) => {
    asked++;
    return route.fulfill({ json: { here: null, sites: [] } });
  });
  await load(page, []);
  await until("it asks", () => asked > 0);
  await page.clock.pauseAt(Date.now() + 60_000);
  const seen = asked;
  await until("it asks again", async () => {
    await page.clock.runFor(1_000);
    return asked > seen;
  });
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.clock.runFor(11_000);
  const hidden = asked;
  await page.clock.runFor(120_000);
  assert.equal(asked, hidden);
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await until("it asks at once", () => asked > hidden);
});

scenario(
  "a new to-do that few sites have kept is there, and says so",
  { tolerant: true, variants: BOTH },
  async ({ page }) => {
    const allow = await few(page, "POST", true);
    await add(page, "precious");
    await row(page, "precious").getByText("Kept on 1 of 5 sites so far; it may still spread.").waitFor();
    await told(page, /Kept on 1 of 5 sites so far; it may still spread/);
    await page.getByText("Last change held by 1 of 5 sites").waitFor();
    assert.equal(await button(page, "Retry").count(), 0);
    await allow();
    await box(page, "precious").click();
    await stored(["precious ✓"]);
    await shows(page, ["precious"]);
    await row(page, "precious").getByText("Kept on 1 of 5 sites so far").waitFor({ state: "detached" });
  },
);

scenario(
  "an edit that few sites have kept stands; a deletion too",
  { tolerant: true, seed: ["a", "b"] },
  async ({ page, variant }) => {
    await few(page, "PATCH", true);
    await few(page, "DELETE", true);
    await startEdit(page, variant, "a");
    await editor(page).fill("precious");
    await editor(page).press("Enter");
    await row(page, "precious").getByText("Kept on 1 of 5 sites so far").waitFor();
    await row(page, "b").hover();
    await button(page, "Delete b").click();
    await button(page, "Delete now").click();
    await stored(["precious"]);
    await shows(page, ["precious"]);
    assert.equal(await button(page, "Retry").count(), 0);
  },
);

scenario(
  "a new to-do that was kept where nobody answers now is neither lost nor written twice",
  { tolerant: true },
  async ({ page }) => {
    let posts = 0;
    page.on("request", (request) => (posts += request.method() === "POST"));
    const allow = await few(page, "POST", false);
    await add(page, "precious");
    await row(page, "precious").getByText("Not everywhere yet.").waitFor();
    await row(page, "precious").getByText("Kept on 1 of 5 sites so far").waitFor();
    await composer(page).fill("still typing");
    // It is looked for by itself, and written anew only when the person says so.
    await page.waitForResponse(
      (response) => /\/api\/01890000/.test(response.url()) && response.status() === 404,
    );
    await until("it was looked for", async () => (await button(page, "Retry").count()) === 1);
    assert.equal(posts, 1);
    await allow();
    await button(page, "Retry").click();
    await stored(["precious"]);
    await button(page, "Retry").waitFor({ state: "detached" });
    assert.equal(await composer(page).inputValue(), "still typing");
  },
);
