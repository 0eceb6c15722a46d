// What a person does with the list, by mouse on a desktop and by finger on a phone.
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
  rows,
  scenario,
  shows,
  startEdit,
  still,
  stored,
  titleOf,
  toast,
  told,
  until,
  url,
} from "./support.mjs";

const TITLE_BYTES_MAX = 4096;

scenario("an empty list says so and invites to write", {}, async ({ page }) => {
  await page.getByRole("heading", { name: "Nothing to do." }).waitFor();
  assert.equal(await page.title(), "To do · Hedgerow");
});

scenario("what is written is added by Enter and by the button, and stored", {}, async ({ page }) => {
  await composer(page).fill("  first  ");
  await composer(page).press("Enter");
  await composer(page).fill("second");
  await button(page, "Add").click();
  await shows(page, ["first", "second"]);
  await stored(["first", "second"]);
  assert.equal(await composer(page).inputValue(), "");
  await told(page, /Added “second”/);
  await page.getByText("2 items left").waitFor();
  await until("the title counts", async () => (await page.title()) === "(2) To do · Hedgerow");
  await page.reload();
  await shows(page, ["first", "second"]);
});

scenario("nothing but white space is not added, and the page says why", {}, async ({ page }) => {
  await add(page, "   ");
  await page.getByText("Write something first.").waitFor();
  assert.equal(await composer(page).getAttribute("aria-invalid"), "true");
  await composer(page).fill("x");
  await page.getByText("Write something first.").waitFor({ state: "hidden" });
  assert.deepEqual(await api.list(), []);
});

scenario("a title may have 4,096 bytes and no more, and the page counts them", {}, async ({ page }) => {
  const longest = "é".repeat(TITLE_BYTES_MAX / 2);
  await composer(page).fill(longest + "x");
  await page.getByText("4,097 of 4,096 bytes").waitFor();
  await page.getByText("Too long to be saved.").waitFor();
  await composer(page).press("Enter");
  await told(page, /4,096 bytes is the limit|Too long to be saved/);
  assert.equal(await composer(page).inputValue(), longest + "x");
  assert.deepEqual(await api.list(), []);
  await composer(page).fill(longest);
  await page.getByText("4,096 of 4,096 bytes").waitFor();
  await composer(page).press("Enter");
  await stored([longest]);
});

scenario(
  "titles are text: nothing in them is taken for markup",
  { seed: ["<img src=x onerror=alert(1)>", "&amp; <b>bold</b>"] },
  async ({ page }) => {
    assert.equal(await page.locator(".list img, .list b").count(), 0);
  },
);

scenario(
  "a title of several lines, emoji and right-to-left text comes back as it was",
  {},
  async ({ page }) => {
    const title = "one\n  two 🌿👩‍🌾\nשלום";
    await composer(page).fill(title);
    await composer(page).press("Enter");
    await shows(page, [title]);
    assert.equal((await until("it is stored", async () => (await api.list())[0])).title, title);
  },
);

scenario("ticking and unticking is stored", { seed: ["a", "b"] }, async ({ page }) => {
  await box(page, "a").click();
  await stored(["a ✓", "b"]);
  await page.getByText("1 item left").waitFor();
  assert.equal(await box(page, "a").isChecked(), true);
  await box(page, "a").click();
  await stored(["a", "b"]);
});

scenario("all are ticked and unticked at once", { seed: ["a", "b", "c"] }, async ({ page }) => {
  await box(page, "b").click();
  await page.getByRole("checkbox", { name: "Mark all as completed" }).click();
  await stored(["a ✓", "b ✓", "c ✓"]);
  await page.getByText("0 items left").waitFor();
  await page.getByRole("checkbox", { name: "Mark all as active" }).click();
  await stored(["a", "b", "c"]);
});

scenario(
  "filters show their own, live in the address, and obey Back",
  { seed: ["a", "b"] },
  async ({ page }) => {
    await box(page, "a").click();
    await page.getByRole("link", { name: "Active" }).click();
    await shows(page, ["b"]);
    assert.equal(new URL(page.url()).hash, "#/active");
    assert.equal(await page.getByRole("link", { name: "Active" }).getAttribute("aria-current"), "page");
    await page.getByRole("link", { name: "Completed" }).click();
    await shows(page, ["a"]);
    await page.goBack();
    await shows(page, ["b"]);
    await box(page, "b").click();
    await page.getByRole("heading", { name: "All done." }).waitFor();
    await stored(["a ✓", "b ✓"]);
    await load(page, ["a", "b"], "/?fresh#/completed");
  },
);

scenario("a title is edited in place", { seed: ["a", "b"] }, async ({ page, variant }) => {
  await startEdit(page, variant, "a");
  assert.equal(await editor(page).inputValue(), "a");
  await editor(page).fill("changed");
  await editor(page).press("Enter");
  await shows(page, ["changed", "b"]);
  await stored(["changed", "b"]);
});

scenario("Escape and Cancel leave the title as it was", { seed: ["a"] }, async ({ page, variant }) => {
  await startEdit(page, variant, "a");
  await editor(page).fill("changed");
  await editor(page).press("Escape");
  await shows(page, ["a"]);
  await startEdit(page, variant, "a");
  await editor(page).fill("changed");
  await button(page, "Cancel").click();
  await shows(page, ["a"]);
  await stored(["a"]);
});

scenario("leaving the field saves, and so does the button", { seed: ["a"] }, async ({ page, variant }) => {
  await startEdit(page, variant, "a");
  await editor(page).fill("once");
  await composer(page).click();
  await stored(["once"]);
  await startEdit(page, variant, "once");
  await editor(page).fill("twice");
  await button(page, "Save").click();
  await stored(["twice"]);
});

scenario(
  "a title cannot be edited to nothing, or to too much; what was typed stays",
  { seed: ["a"] },
  async ({ page, variant }) => {
    await startEdit(page, variant, "a");
    await editor(page).fill(" ");
    await editor(page).press("Enter");
    await page.getByText("Write something first.").waitFor();
    const long = "x".repeat(TITLE_BYTES_MAX + 1);
    await editor(page).fill(long);
    await editor(page).press("Enter");
    await page.getByText("4,097 of 4,096 bytes").waitFor();
    await composer(page).focus();
    assert.equal(await editor(page).inputValue(), long);
    await stored(["a"]);
  },
);

scenario(
  "a deletion can be undone, and nothing was sent before",
  { seed: ["a", "b", "c"] },
  async ({ page }) => {
    const before = await api.list();
    const deletions = [];
    page.on("request", (request) => request.method() === "DELETE" && deletions.push(request.url()));
    await row(page, "b").hover();
    await button(page, "Delete b").click();
    await shows(page, ["a", "c"]);
    await toast(page).getByText("Deleted “b”").waitFor();
    await button(page, "Undo").click();
    await shows(page, ["a", "b", "c"]);
    assert.deepEqual(await api.list(), before);
    assert.deepEqual(deletions, []);
  },
);

/** As stored(), with the page's clock running on: a request under way when it leapt may count as too late. */
const storedAsTimePasses = (page, titles) =>
  until(`the server has ${titles}`, async () => {
    await page.clock.runFor(500);
    return JSON.stringify((await api.list()).map((todo) => todo.title)) === JSON.stringify(titles);
  });

scenario(
  "a deletion is carried out when the time to undo is over",
  { start: false, seed: ["a", "b"] },
  async ({ page }) => {
    await page.clock.install();
    await load(page, ["a", "b"]);
    await page.clock.pauseAt(Date.now() + 60_000);
    await row(page, "a").hover();
    await button(page, "Delete a").click();
    await toast(page).waitFor();
    await page.mouse.move(0, 0);
    await composer(page).focus();
    await page.clock.runFor(9_000);
    await stored(["a", "b"]);
    await page.clock.runFor(1_500);
    await toast(page).waitFor({ state: "hidden" });
    await storedAsTimePasses(page, ["b"]);
  },
);

scenario(
  "the time to undo stands still while the focus is on it",
  { start: false, seed: ["a", "b"] },
  async ({ page }) => {
    await page.clock.install();
    await load(page, ["a", "b"]);
    await page.clock.pauseAt(Date.now() + 60_000);
    await row(page, "a").hover();
    await button(page, "Delete a").click();
    await button(page, "Undo").focus();
    await page.clock.runFor(60_000);
    await toast(page).waitFor();
    await stored(["a", "b"]);
    await composer(page).focus();
    await page.mouse.move(0, 0);
    await page.clock.runFor(11_000);
    await toast(page).waitFor({ state: "hidden" });
    await storedAsTimePasses(page, ["b"]);
  },
);

scenario("Delete now does not wait", { seed: ["a", "b"] }, async ({ page }) => {
  await row(page, "a").hover();
  await button(page, "Delete a").click();
  await button(page, "Delete now").click();
  await stored(["b"]);
  await toast(page).waitFor({ state: "hidden" });
});

scenario("a deletion is carried out when the page is left", { seed: ["a", "b"] }, async ({ page }) => {
  await row(page, "a").hover();
  await button(page, "Delete a").click();
  await shows(page, ["b"]);
  await page.goto("about:blank");
  await stored(["b"]);
});

scenario(
  "completed to-dos are cleared, and brought back by Undo",
  { seed: ["a", "b", "c"] },
  async ({ page }) => {
    await box(page, "a").click();
    await box(page, "c").click();
    await button(page, "Clear completed (2)").click();
    await shows(page, ["b"]);
    await toast(page).getByText("Deleted 2 to-dos").waitFor();
    await button(page, "Undo").click();
    await shows(page, ["a", "b", "c"]);
    await button(page, "Clear completed (2)").click();
    await button(page, "Delete now").click();
    await stored(["b"]);
  },
);

scenario("all are deleted, and brought back by Undo", { seed: ["a", "b", "c"] }, async ({ page }) => {
  await button(page, "Delete all").click();
  await shows(page, []);
  await button(page, "Undo").click();
  await shows(page, ["a", "b", "c"]);
  await button(page, "Delete all").click();
  await button(page, "Delete now").click();
  await stored([]);
  await page.getByRole("heading", { name: "Nothing to do." }).waitFor();
});

/** Drags the row's handle to the middle of another row, by mouse or by finger. */
async function drag(page, variant, title, onto) {
  await still(page);
  await row(page, title).hover();
  const from = await button(page, `Move ${title}`).boundingBox();
  const to = await row(page, onto).boundingBox();
  const x = from.x + from.width / 2;
  const y = from.y + from.height / 2;
  const end = to.y + to.height * (to.y > from.y ? 0.8 : 0.2);
  const path = Array.from({ length: 8 }, (_, i) => y + ((end - y) * (i + 1)) / 8);
  if (!variant.hasTouch) {
    await page.mouse.move(x, y);
    await page.mouse.down();
    for (const at of path) await page.mouse.move(x, at);
    await page.mouse.up();
    return;
  }
  const client = await page.context().newCDPSession(page);
  const touch = (type, at) =>
    client.send("Input.dispatchTouchEvent", { type, touchPoints: at === null ? [] : [{ x, y: at }] });
  await touch("touchStart", y);
  for (const at of path) await touch("touchMove", at);
  await touch("touchEnd", null);
}

scenario(
  "rows are dragged to another place, which is stored",
  { seed: ["a", "b", "c", "d"] },
  async ({ page, variant }) => {
    await drag(page, variant, "a", "c");
    await shows(page, ["b", "c", "a", "d"]);
    await stored(["b", "c", "a", "d"]);
    await drag(page, variant, "d", "b");
    await shows(page, ["d", "b", "c", "a"]);
    await stored(["d", "b", "c", "a"]);
    await page.reload();
    await shows(page, ["d", "b", "c", "a"]);
  },
);

scenario(
  "a drag that Escape ends changes nothing",
  { seed: ["a", "b", "c"], variants: [{ name: "desktop", viewport: { width: 1280, height: 800 } }] },
  async ({ page }) => {
    await row(page, "a").hover();
    const from = await button(page, "Move a").boundingBox();
    await page.mouse.move(from.x + 10, from.y + 10);
    await page.mouse.down();
    await page.mouse.move(from.x + 10, from.y + 130, { steps: 5 });
    await page.locator(".dragged").waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".dragged").waitFor({ state: "detached" });
    await page.mouse.up();
    await shows(page, ["a", "b", "c"]);
    await stored(["a", "b", "c"]);
  },
);

scenario("to-dos whose orders leave no room are spread", { start: false }, async ({ page, variant }) => {
  for (const title of ["a", "b", "c"]) await api.add(title, { order: 7 });
  await load(page, ["a", "b", "c"]);
  await drag(page, variant, "c", "b");
  // Each is written by itself, so the list may be right before the last one is.
  await until("each has an order of its own", async () => {
    const orders = (await api.list()).map((todo) => todo.order);
    return new Set(orders).size === 3;
  });
  await stored(["a", "c", "b"]);
});

scenario(
  "to-dos without an order stand in the order of their creation, and can be moved",
  { start: false },
  async ({ page, variant }) => {
    for (const title of ["a", "b", "c"]) await api.add(title);
    await load(page, ["a", "b", "c"]);
    await drag(page, variant, "a", "b");
    await stored(["b", "a", "c"]);
  },
);

scenario("a row is moved by taps alone, without dragging", { seed: ["a", "b", "c"] }, async ({ page }) => {
  await row(page, "a").hover();
  await button(page, "Move a").click();
  await page.getByRole("button", { name: "Down" }).click();
  await page.getByRole("button", { name: "Down" }).click();
  await button(page, "Done").click();
  await stored(["b", "c", "a"]);
});

scenario(
  "the theme can be switched, stays switched, and goes back to the system's",
  {},
  async ({ page, variant }) => {
    const other = variant.colorScheme === "dark" ? "light" : "dark";
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const own = await ground();
    await button(page, `Switch to the ${other} theme`).click();
    const switched = await ground();
    assert.notEqual(switched, own);
    await page.reload();
    await button(page, `Switch to the ${variant.colorScheme} theme`).waitFor();
    assert.equal(await ground(), switched);
    await button(page, `Switch to the ${variant.colorScheme} theme`).click();
    assert.equal(await ground(), own);
    await page.emulateMedia({ colorScheme: other });
    await until("the system's theme is followed again", async () => (await ground()) === switched);
  },
);

scenario("what is half written outlives a reload", {}, async ({ page }) => {
  await composer(page).fill("half a thought");
  await page.reload();
  await shows(page, []);
  assert.equal(await composer(page).inputValue(), "half a thought");
});

scenario(
  "nothing moves for who asked for less motion",
  { seed: ["a", "b"], context: { reducedMotion: "reduce" } },
  async ({ page }) => {
    await add(page, "c");
    await shows(page, ["a", "b", "c"]);
    await box(page, "a").click();
    await button(page, "Delete b").focus();
    await page.keyboard.press("Enter");
    await shows(page, ["a", "c"]);
    assert.deepEqual(
      await page.evaluate(() =>
        document.getAnimations().map((animation) => animation.animationName ?? "script"),
      ),
      [],
    );
    // Nothing is on its way any more that the next scenario would find.
    await stored(["a ✓", "b", "c"]);
  },
);

scenario("a long list stays usable", { start: false, tolerant: true }, async ({ page }) => {
  const titles = Array.from({ length: 300 }, (_, i) => `to-do number ${i + 1}`);
  for (let i = 0; i < titles.length; i += 20) {
    await Promise.all(titles.slice(i, i + 20).map((title, j) => api.add(title, { order: (i + j + 1) * 10 })));
  }
  await load(page, titles);
  await box(page, "to-do number 300").click();
  await until("it is stored", async () =>
    (await api.list()).some((todo) => todo.title === "to-do number 300" && todo.completed),
  );
  assert.equal(await rows(page).count(), 300);
});

scenario(
  "no size of screen from 320 pixels up scrolls sideways, and every target is big enough",
  { seed: ["a", "x".repeat(400)] },
  async ({ page }) => {
    for (const width of [320, 360, 390, 768, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(sideways <= 0, `at ${width}: ${sideways} pixels too wide`);
      const small = await page.evaluate(() =>
        [...document.querySelectorAll("button, input, a, textarea")]
          .map((element) => ({
            name: element.className || element.tagName,
            box: element.getBoundingClientRect(),
          }))
          .filter(({ box }) => box.width < 24 || box.height < 24)
          .map(({ name, box }) => `${name} ${box.width}x${box.height}`),
      );
      assert.deepEqual(small, [], `at ${width}`);
    }
  },
);

scenario("a path within the page gives the page", { start: false, seed: ["a"] }, async ({ page }) => {
  await load(page, ["a"], "/some/place");
  assert.equal(new URL(page.url()).origin, new URL(url).origin);
  await titleOf(page, "a").waitFor();
});
