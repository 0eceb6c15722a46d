// When things go wrong: refusals, errors, no connection. Nothing that was typed may get lost.
import assert from "node:assert/strict";
import {
  add,
  api,
  box,
  button,
  composer,
  editor,
  load,
  row,
  scenario,
  shows,
  startEdit,
  stored,
  titleOf,
  told,
  until,
  url,
} from "./support.mjs";

const problem = (status, detail, headers = {}) => ({
  status,
  headers: { "Content-Type": "application/problem+json", ...headers },
  body: JSON.stringify({ type: "about:blank", title: "Problem", status, detail }),
});

/** Answers requests of @method in the server's place until the returned function is called. */
async function intercept(page, method, path, handle) {
  const matches = (address) =>
    address.pathname === path || (path.endsWith("/*") && address.pathname.startsWith(path.slice(0, -1)));
  const handler = (route) => (route.request().method() === method ? handle(route) : route.fallback());
  await page.route(matches, handler);
  return () => page.unroute(matches, handler);
}

/**
 * Counts the page's reads of the list, begun and ended, within the page: with its clock stopped that is exact, while what
 * is seen of its requests from outside is seen some time later. Returns how to look at the counts.
 */
async function countReads(page) {
  await page.addInitScript(() => {
    const reads = { begun: 0, ended: 0 };
    const send = window.fetch;
    window.reads = reads;
    window.fetch = (input, init) => {
      const sent = send(input, init);
      if (input !== "/api" || init.method !== "GET") return sent;
      reads.begun++;
      const end = () => void reads.ended++;
      sent.then(end, end);
      return sent;
    };
  });
  return () => page.evaluate(() => window.reads);
}

/** Waits until no read is under way; how many there have been. */
const settled = (reads) =>
  until("no read is under way", async () => {
    const { begun, ended } = await reads();
    return begun === ended && begun;
  });

scenario(
  "an add that is refused keeps what was typed, and Retry sends it",
  { tolerant: true },
  async ({ page }) => {
    let refused = 0;
    const allow = await intercept(page, "POST", "/api", (route) => {
      refused++;
      return route.fulfill(problem(400, "title has a bad word"));
    });
    await add(page, "precious");
    await row(page, "precious").getByText("title has a bad word").waitFor();
    await told(page, /Not saved: title has a bad word/);
    await shows(page, ["precious"]);
    await button(page, "Retry").click();
    await until("it is refused once more", () => refused === 2);
    await row(page, "precious").getByText("title has a bad word").waitFor();
    await allow();
    await button(page, "Retry").click();
    await stored(["precious"]);
    await button(page, "Retry").waitFor({ state: "detached" });
  },
);

scenario(
  "an add that is refused can be edited into one that is taken, or discarded",
  { tolerant: true },
  async ({ page, variant }) => {
    const allow = await intercept(page, "POST", "/api", (route) => route.fulfill(problem(400, "No.")));
    await add(page, "bad");
    await add(page, "worse");
    await row(page, "worse").getByText("Not saved.").waitFor();
    await row(page, "worse").getByRole("button", { name: "Discard" }).click();
    await shows(page, ["bad"]);
    await allow();
    await startEdit(page, variant, "bad");
    await editor(page).fill("good");
    await editor(page).press("Enter");
    await stored(["good"]);
  },
);

scenario(
  "an edit that fails keeps the new title in sight; Undo change brings back the old",
  { tolerant: true, seed: ["a"] },
  async ({ page, variant }) => {
    await intercept(page, "PATCH", "/api/*", (route) => route.fulfill(problem(500, "the disk is full")));
    await startEdit(page, variant, "a");
    await editor(page).fill("precious");
    await editor(page).press("Enter");
    await row(page, "precious").getByText("the disk is full").waitFor();
    await stored(["a"]);
    await button(page, "Undo change").click();
    await shows(page, ["a"]);
  },
);

scenario(
  "a tick that fails is shown as such, and Retry sends it",
  { tolerant: true, seed: ["a"] },
  async ({ page }) => {
    const allow = await intercept(page, "PATCH", "/api/*", (route) => route.fulfill(problem(500, "no luck")));
    await box(page, "a").click();
    await row(page, "a").getByText("no luck").waitFor();
    await allow();
    await button(page, "Retry").click();
    await stored(["a ✓"]);
  },
);

scenario(
  "a deletion that fails brings the to-do back, and Retry deletes it",
  { tolerant: true, seed: ["a", "b"] },
  async ({ page }) => {
    const allow = await intercept(page, "DELETE", "/api/*", (route) =>
      route.fulfill(problem(500, "no luck")),
    );
    await row(page, "a").hover();
    await button(page, "Delete a").click();
    await button(page, "Delete now").click();
    await row(page, "a").getByText("Not deleted.").waitFor();
    await shows(page, ["a", "b"]);
    await allow();
    await button(page, "Retry").click();
    await stored(["b"]);
  },
);

scenario(
  "a busy server is asked again by itself, after as long as it says",
  { tolerant: true },
  async ({ page }) => {
    let asked = 0;
    let looked;
    const look = new Promise((resolve) => (looked = resolve));
    await intercept(page, "POST", "/api", async (route) => {
      if (++asked === 1) return route.fulfill(problem(503, "the kv actor is late", { "Retry-After": "1" }));
      await look;
      return route.fallback();
    });
    await add(page, "patient");
    await row(page, "patient").getByText("the kv actor is late").waitFor();
    looked();
    await stored(["patient"]);
    assert.equal(asked, 2);
    await button(page, "Retry").waitFor({ state: "detached" });
  },
);

scenario("an add whose answer got lost is not done twice", { tolerant: true }, async ({ page }) => {
  let lost = 0;
  await intercept(page, "POST", "/api", async (route) => {
    if (lost++) return route.fallback();
    await route.fetch();
    return route.abort("connectionreset");
  });
  await add(page, "once");
  await until("it was carried out", async () => (await api.list()).length === 1);
  await until("the page knows", async () => (await page.locator(".trouble").count()) === 0);
  await shows(page, ["once"]);
  await stored(["once"]);
});

scenario(
  "offline, work goes on and is sent when the connection is back",
  { tolerant: true, seed: ["a", "b"] },
  async ({ page, context }) => {
    await context.setOffline(true);
    await page.getByText("You are offline.").waitFor();
    await add(page, "offline thought");
    await box(page, "a").click();
    await shows(page, ["a", "b", "offline thought"]);
    await page.getByText("2 changes wait here to be sent.").waitFor();
    assert.equal((await api.list()).length, 2);
    await context.setOffline(false);
    await stored(["a ✓", "b", "offline thought"]);
    await page.getByText("You are offline.").waitFor({ state: "hidden" });
  },
);

scenario(
  "a server that does not answer is told of, asked ever more rarely, and at once on demand",
  { tolerant: true, start: false, seed: ["a"] },
  async ({ page }) => {
    const reads = await countReads(page);
    await page.clock.install();
    await load(page, ["a"]);
    await page.clock.pauseAt(Date.now() + 60_000);
    let down = true;
    await intercept(page, "GET", "/api", (route) =>
      down ? route.abort("connectionrefused") : route.fallback(),
    );
    const banner = page.getByRole("region", { name: "Connection" });
    /** Lets the page's clock run until it asks once more; how many milliseconds that took. */
    const pause = async () => {
      const before = await settled(reads);
      let passed = 0;
      for (; (await reads()).begun === before; passed += 100) {
        assert.ok(passed < 60_000, "the page asks no more");
        await page.clock.runFor(100);
      }
      await settled(reads);
      await banner.getByText(/Trying again in/).waitFor();
      return passed;
    };
    await pause();
    await banner.getByText("Hedgerow does not answer.").waitFor();
    await told(page, /Hedgerow does not answer/);
    // The pauses double, and vary by a fifth; a tenth of a second is how closely they are looked at.
    for (const expected of [2_000, 4_000, 8_000]) {
      const took = await pause();
      assert.ok(
        took >= expected * 0.8 && took <= expected * 1.2 + 100,
        `${took} ms, not about ${expected}`,
      );
    }
    down = false;
    await button(page, "Try now").click();
    await banner.waitFor({ state: "detached" });
    await told(page, /Connected again/);
  },
);

scenario(
  "a list that cannot be loaded says so, and comes when it can",
  { tolerant: true, start: false, seed: ["a"] },
  async ({ page }) => {
    const allow = await intercept(page, "GET", "/api", (route) =>
      route.fulfill(problem(503, "no site answers")),
    );
    const reads = await countReads(page);
    await page.clock.install();
    await page.goto(url);
    await page.getByRole("heading", { name: "Hedgerow cannot serve the list." }).waitFor();
    await page.getByText("no site answers", { exact: true }).waitFor();
    await composer(page).fill("still typing");
    // From here on it asks only when it is told to: the button would go if it succeeded by itself.
    await page.clock.pauseAt(Date.now() + 60_000);
    await settled(reads);
    await allow();
    await button(page, "Try now").click();
    await shows(page, ["a"]);
    assert.equal(await composer(page).inputValue(), "still typing");
  },
);

scenario("while the list loads the page says so", { start: false, seed: ["a"] }, async ({ page }) => {
  let go;
  const gate = new Promise((resolve) => (go = resolve));
  await intercept(page, "GET", "/api", async (route) => {
    await gate;
    return route.fallback();
  });
  await page.goto(url);
  await page.getByText("Loading the list…").waitFor();
  go();
  await shows(page, ["a"]);
});

scenario(
  "an answer that is not a list is an error, not an empty list",
  { tolerant: true, seed: ["a"] },
  async ({ page }) => {
    await intercept(page, "GET", "/api", (route) =>
      route.fulfill({ status: 200, contentType: "text/html", body: "<h1>Hotel WiFi</h1>" }),
    );
    await page.getByRole("region", { name: "Connection" }).waitFor();
    await shows(page, ["a"]);
  },
);

scenario(
  "what was not saved outlives a reload",
  { tolerant: true, seed: ["a"] },
  async ({ page, variant }) => {
    const allowAdd = await intercept(page, "POST", "/api", (route) => route.abort("connectionrefused"));
    const allowEdit = await intercept(page, "PATCH", "/api/*", (route) => route.fulfill(problem(500, "No.")));
    await add(page, "precious");
    await row(page, "precious").getByText("Not saved yet.").waitFor();
    await startEdit(page, variant, "a");
    await editor(page).fill("edited");
    await editor(page).press("Enter");
    await row(page, "edited").getByText("Not saved.").waitFor();
    await page.reload();
    await shows(page, ["edited", "precious"]);
    await allowAdd();
    await allowEdit();
    await stored(["a", "precious"]);
    await row(page, "edited").getByRole("button", { name: "Retry" }).click();
    await stored(["edited", "precious"]);
  },
);

scenario("an edit that is under way outlives a reload", { seed: ["a"] }, async ({ page, variant }) => {
  await startEdit(page, variant, "a");
  await editor(page).fill("half");
  await page.reload();
  await editor(page).waitFor();
  assert.equal(await editor(page).inputValue(), "half");
  await editor(page).press("Enter");
  await stored(["half"]);
});

scenario("an edit that outlives a reload can end before the list is there", { seed: ["a"] }, async ({ page, variant }) => {
  await startEdit(page, variant, "a");
  await editor(page).fill("half");
  let go;
  const gate = new Promise((resolve) => (go = resolve));
  await intercept(page, "GET", "/api", async (route) => {
    await gate;
    return route.fallback();
  });
  await page.reload();
  await editor(page).waitFor();
  await editor(page).press("Enter");
  await editor(page).waitFor({ state: "detached" });
  go();
  await stored(["half"]);
  await shows(page, ["half"]);
});

scenario(
  "what needs attention shows under every filter",
  { tolerant: true, seed: ["a", "b"] },
  async ({ page }) => {
    await intercept(page, "PATCH", "/api/*", (route) => route.fulfill(problem(500, "No.")));
    await page.getByRole("link", { name: "Active" }).click();
    await box(page, "a").click();
    await row(page, "a").getByText("Not saved.").waitFor();
    await titleOf(page, "a").waitFor();
  },
);

scenario("closing the page with something unsaved asks first", { tolerant: true }, async ({ page }) => {
  await intercept(page, "POST", "/api", (route) => route.fulfill(problem(500, "No.")));
  await add(page, "precious");
  await row(page, "precious").getByText("Not saved.").waitFor();
  const asked = page.waitForEvent("dialog");
  const gone = page.waitForEvent("close");
  await page.close({ runBeforeUnload: true });
  assert.equal((await asked).type(), "beforeunload");
  await gone;
});
