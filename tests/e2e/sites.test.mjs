// Who answered, how fast, and on how many sites a change is stored.
import assert from "node:assert/strict";
import { add, api, load, scenario, shows, until, url } from "./support.mjs";

const sites = (page) => page.getByRole("region", { name: "Answered by" });

scenario("the site that answered is named, with its round trip", {}, async ({ page }) => {
  const site = (await fetch(`${url}/api`)).headers.get("Hedgerow-Site");
  assert.ok(site, "the server does not say which site it is");
  const line = sites(page).getByRole("listitem").filter({ hasText: site });
  await until("a time is shown", async () => /\d ms/.test((await line.textContent()) ?? ""));
  assert.match(await line.textContent(), /answered last/);
});

scenario("a write tells on how many sites it is stored", {}, async ({ page }) => {
  const answer = page.waitForResponse((response) => response.request().method() === "POST");
  await add(page, "a");
  const acks = (await (await answer).allHeaders())["hedgerow-acks"];
  const [, stored, all] = /^(\d+)\/(\d+)$/.exec(acks);
  await page
    .getByText(`Last change stored on ${stored} of ${all} ${all === "1" ? "site" : "sites"}`)
    .waitFor();
});

scenario(
  "many sites are listed by name, and the newest answerer is marked",
  { start: false },
  async ({ page }) => {
    await api.add("a", { order: 1 });
    const names = ["azure-weu", "aws-use1", "gcp-asia", "oracle-lhr", "edge-bristol", "aws-use1"];
    let turn = 0;
    await page.route("**/api", async (route) => {
      const response = await route.fetch();
      const headers = {
        ...response.headers(),
        "hedgerow-site": names[Math.min(turn++, names.length - 1)],
        "hedgerow-acks": "2/5",
      };
      return route.fulfill({ response, headers });
    });
    await load(page, ["a"]);
    for (let i = 1; i < names.length; i++) {
      const asked = page.waitForResponse(`${url}/api`);
      await page.evaluate(() => window.dispatchEvent(new Event("focus")));
      await asked;
    }
    await until("all sites are listed", async () => (await sites(page).getByRole("listitem").count()) === 5);
    const listed = await sites(page).locator(".site-name").allTextContents();
    assert.deepEqual(listed, ["aws-use1", "azure-weu", "edge-bristol", "gcp-asia", "oracle-lhr"]);
    await until(
      "the newest is marked",
      async () => (await sites(page).locator(".newest .site-name").textContent()) === "aws-use1",
    );
    assert.equal(await sites(page).locator(".newest").count(), 1);
    await page.getByText("Last change stored on 2 of 5 sites").waitFor();
    await shows(page, ["a"]);
  },
);
