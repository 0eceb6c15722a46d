// Other people at the same list: their changes come in, and nobody's work is written over unseen.
import assert from "node:assert/strict";
import {
  add,
  api,
  box,
  button,
  comeBack,
  composer,
  editor,
  load,
  row,
  rows,
  scenario,
  shows,
  startEdit,
  stored,
  titleOf,
  told,
  until,
} from "./support.mjs";

/** Ends the page's edit with @text, and the to-do changed or deleted by somebody else in between. */
async function conflict(page, variant, text, meanwhile) {
  const [todo] = await api.list();
  await startEdit(page, variant, todo.title);
  await editor(page).fill(text);
  await meanwhile(todo);
  await editor(page).press("Enter");
}

/**
 * Lets the page hear nothing of what others do to the list, neither from now on nor by a read that is under way already. The
 * returned function ends that.
 */
async function deafen(page) {
  let deaf = true;
  let told = 0;
  await page.route("**/api", (route) => {
    if (!deaf || route.request().method() !== "GET") return route.fallback();
    told++;
    return route.fulfill({ status: 304 });
  });
  // It reads one list after the other.
  await until("the page has read that nothing is new", async () => {
    await comeBack(page);
    return told > 0;
  });
  return () => (deaf = false);
}

const choice = (page) => page.getByRole("group", { name: "Somebody else changed this" });

scenario("two pages see each other's changes", { seed: ["a"] }, async ({ page, open, variant }) => {
  const other = await open();
  await load(other, ["a"]);
  // A page in the background asks nothing: each comes to the front to look.
  const onBoth = async (titles) => {
    for (const each of [page, other]) {
      await each.bringToFront();
      await shows(each, titles);
    }
  };
  await add(other, "b");
  await onBoth(["a", "b"]);
  await page.bringToFront();
  await box(page, "a").click();
  await stored(["a ✓", "b"]);
  await other.bringToFront();
  await comeBack(other);
  await until("the other page shows the tick", () => box(other, "a").isChecked());
  await startEdit(other, variant, "b");
  await editor(other).fill("changed");
  await editor(other).press("Enter");
  await onBoth(["a", "changed"]);
  await page.bringToFront();
  await titleOf(page, "changed").focus();
  await page.keyboard.press("Alt+ArrowUp");
  await stored(["changed", "a ✓"]);
  await onBoth(["changed", "a"]);
  await other.bringToFront();
  await titleOf(other, "a").focus();
  await other.keyboard.press("Delete");
  await button(other, "Delete now").click();
  await onBoth(["changed"]);
});

scenario("an unchanged list costs a 304", { seed: ["a"] }, async ({ page }) => {
  const answer = await page.waitForResponse(
    (response) => response.url().endsWith("/api") && response.status() === 304,
  );
  assert.ok((await answer.request().allHeaders())["if-none-match"]);
  // Nothing but time makes the page ask.
  await api.add("b", { order: 5000 });
  await titleOf(page, "b").waitFor();
});

scenario("coming back to the page asks at once", { start: false, seed: ["a"] }, async ({ page }) => {
  await page.clock.install();
  await load(page, ["a"]);
  await page.clock.pauseAt(Date.now() + 60_000);
  await api.add("b", { order: 5000 });
  // The clock stands still: only coming back can make the page ask. A read that was under way may be older.
  await until("the page shows it", async () => {
    await comeBack(page);
    return (await titleOf(page, "b").count()) === 1;
  });
});

scenario(
  "others' changes leave an edit and the focus alone",
  { seed: ["a", "b", "c"] },
  async ({ page, variant }) => {
    const [a, , c] = await api.list();
    await startEdit(page, variant, "b");
    await editor(page).fill("half a th");
    await api.add("first of all", { order: 1 });
    await api.change(a.id, { title: "A" });
    await api.remove(c.id);
    await comeBack(page);
    await until(
      "the others' changes show",
      async () => (await rows(page).count()) === 3 && (await titleOf(page, "first of all").count()) === 1,
    );
    assert.equal(await editor(page).inputValue(), "half a th");
    await page.keyboard.type("ought");
    await page.keyboard.press("Enter");
    await stored(["first of all", "A", "half a thought"]);
  },
);

scenario(
  "an edit is told that somebody else has changed the title meanwhile",
  { seed: ["a"] },
  async ({ page, variant }) => {
    const [todo] = await api.list();
    await startEdit(page, variant, "a");
    await editor(page).fill("mine");
    await api.change(todo.id, { title: "theirs" });
    await comeBack(page);
    await page.getByText("Somebody else changed this meanwhile to “theirs”.").waitFor();
    assert.equal(await editor(page).inputValue(), "mine");
    await editor(page).press("Escape");
    await shows(page, ["theirs"]);
  },
);

scenario(
  "a conflict shows both titles; theirs can be kept",
  { tolerant: true, seed: ["a"] },
  async ({ page, variant }) => {
    await conflict(page, variant, "mine", (todo) => api.change(todo.id, { title: "theirs" }));
    await choice(page).getByText("theirs", { exact: true }).waitFor();
    await choice(page).getByText("mine", { exact: true }).waitFor();
    await told(page, /Somebody else changed this to-do to “theirs”/);
    await stored(["theirs"]);
    await button(page, "Keep theirs").click();
    await shows(page, ["theirs"]);
    await choice(page).waitFor({ state: "detached" });
  },
);

scenario("a conflict can be decided for mine", { tolerant: true, seed: ["a"] }, async ({ page, variant }) => {
  await conflict(page, variant, "mine", (todo) => api.change(todo.id, { title: "theirs" }));
  await button(page, "Use mine").click();
  await stored(["mine"]);
});

scenario(
  "an edit is sent with If-Match, and a 412 is a conflict",
  { tolerant: true, seed: ["a"] },
  async ({ page, variant }) => {
    const [todo] = await api.list();
    let matched;
    await page.route(`**/api/${todo.id}`, async (route) => {
      if (route.request().method() !== "PATCH" || matched) return route.fallback();
      matched = (await route.request().allHeaders())["if-match"];
      await api.change(todo.id, { title: "theirs" });
      return route.continue();
    });
    const refused = page.waitForResponse((response) => response.status() === 412);
    await startEdit(page, variant, "a");
    await editor(page).fill("mine");
    await editor(page).press("Enter");
    await refused;
    await choice(page).waitFor();
    assert.match(matched, /^"[^"]+"$/);
    await stored(["theirs"]);
  },
);

scenario(
  "an edit goes through when only something else was changed in between",
  { tolerant: true, seed: ["a"] },
  async ({ page, variant }) => {
    await conflict(page, variant, "mine", (todo) => api.change(todo.id, { completed: true }));
    await stored(["mine ✓"]);
    assert.equal(await choice(page).count(), 0);
  },
);

scenario(
  "a to-do deleted by somebody else while it is edited can be put back",
  { tolerant: true, seed: ["a"] },
  async ({ page, variant }) => {
    const [todo] = await api.list();
    await startEdit(page, variant, "a");
    await editor(page).fill("mine");
    await api.remove(todo.id);
    await comeBack(page);
    await page.getByText("Somebody else deleted this meanwhile. Saving puts it back.").waitFor();
    await editor(page).press("Enter");
    await stored(["mine"]);
  },
);

scenario(
  "an edit of a to-do that is gone asks whether to put it back",
  { tolerant: true, seed: ["a", "b"] },
  async ({ page, variant }) => {
    for (const [answer, left] of [
      ["Leave it deleted", ["b"]],
      ["Put it back", ["b", "mine"]],
    ]) {
      await api.clear();
      await api.seed("a");
      await api.add("b", { order: 500 });
      await shows(page, ["b", "a"]);
      const todo = (await api.list()).find((each) => each.title === "a");
      await startEdit(page, variant, "a");
      await editor(page).fill("mine");
      // The page learns of it by the answer to its own write, not by a list read before.
      const hear = await deafen(page);
      await api.remove(todo.id);
      await editor(page).press("Enter");
      await choice(page).waitFor();
      hear();
      await button(page, answer).click();
      await stored(left);
      await shows(page, left);
    }
  },
);

scenario(
  "what somebody else changes after it was deleted here is kept",
  { seed: ["a", "b"] },
  async ({ page }) => {
    const [todo] = await api.list();
    await row(page, "a").hover();
    await button(page, "Delete a").click();
    await shows(page, ["b"]);
    await api.change(todo.id, { title: "a, but better" });
    await shows(page, ["a, but better", "b"]);
    await told(page, /Kept “a, but better”/);
    await stored(["a, but better", "b"]);
  },
);

scenario("deleting all spares what somebody else added meanwhile", { seed: ["a", "b"] }, async ({ page }) => {
  // The page does not hear of it before it deletes.
  const hear = await deafen(page);
  await button(page, "Delete all").click();
  await api.add("new", { order: 9000 });
  hear();
  await button(page, "Delete now").click();
  await stored(["new"]);
  await shows(page, ["new"]);
});

scenario(
  "the composer keeps its text and the focus when others' changes come in",
  { seed: ["a"] },
  async ({ page }) => {
    await composer(page).fill("typing");
    await api.add("b", { order: 5000 });
    await shows(page, ["a", "b"]);
    assert.equal(await composer(page).inputValue(), "typing");
    assert.equal(await composer(page).evaluate((field) => field === document.activeElement), true);
  },
);
