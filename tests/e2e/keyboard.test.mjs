// Everything by keyboard alone, with what a screen reader is told.
import assert from "node:assert/strict";
import { ALL, composer, editor, focused, scenario, shows, stored, toast, told, until } from "./support.mjs";

/** What has the focus without showing it: no ring, see-through, or covered by something else. Null when all is well. */
const hiddenFocus = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const look = getComputedStyle(element);
    const frame = getComputedStyle(element.closest(".composer") ?? element);
    const ring = look.outlineStyle !== "none" || frame.boxShadow !== "none";
    const box = element.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height, 20) / 2);
    const covered = !top || (!element.contains(top) && !top.contains(element));
    return ring && look.opacity === "1" && !covered ? null : element.outerHTML.slice(0, 120);
  });

/** Presses Tab until the focus is on @name, checking on the way that the focus can always be seen. */
async function tabTo(page, name) {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    await until("the focus shows", async () => {
      const hidden = await hiddenFocus(page);
      if (hidden) throw new Error(hidden);
      return true;
    });
    if ((await focused(page)) === name) return;
  }
  assert.fail(`Tab never reached ${name}`);
}

const focusIs = (page, name) =>
  until(
    `the focus is on ${name}`,
    async () => (await focused(page)) === name || assert.fail(`it is on ${await focused(page)}`),
  );

scenario("a whole session by keyboard", { variants: ALL }, async ({ page }) => {
  const { keyboard } = page;
  await page.evaluate(() => document.activeElement?.blur());
  await keyboard.press("Tab");
  await keyboard.press("Tab");
  assert.equal(await composer(page).evaluate((field) => field === document.activeElement), true);
  for (const title of ["one", "two", "three"]) {
    await keyboard.type(title);
    await keyboard.press("Enter");
  }
  await shows(page, ["one", "two", "three"]);

  // Tick, through the row's box.
  await tabTo(page, "one");
  await keyboard.press("Shift+Tab");
  await keyboard.press("Space");
  await stored(["one ✓", "two", "three"]);

  // Edit with F2 and with Enter; Escape gives up; the focus comes back to the title.
  await keyboard.press("ArrowDown");
  await keyboard.press("Tab");
  await focusIs(page, "two");
  await keyboard.press("F2");
  await editor(page).waitFor();
  await keyboard.type(" and a half");
  await keyboard.press("Enter");
  await focusIs(page, "two and a half");
  await keyboard.press("Enter");
  await editor(page).waitFor();
  await keyboard.type("!");
  await keyboard.press("Escape");
  await focusIs(page, "two and a half");
  await stored(["one ✓", "two and a half", "three"]);

  // Move at once with Alt, keeping the focus.
  await keyboard.press("Alt+ArrowDown");
  await shows(page, ["one", "three", "two and a half"]);
  await focusIs(page, "two and a half");
  await told(page, /“two and a half” is now 3 of 3/);
  await stored(["one ✓", "three", "two and a half"]);

  // Pick up, move, drop with the handle; then pick up and put back.
  await tabTo(page, "Move two and a half");
  await keyboard.press("Space");
  await told(page, /Picked up “two and a half”, 3 of 3/);
  await keyboard.press("ArrowUp");
  await told(page, /2 of 3/);
  await keyboard.press("ArrowUp");
  await shows(page, ["two and a half", "one", "three"]);
  await focusIs(page, "Move two and a half");
  await keyboard.press("Space");
  await told(page, /is now 1 of 3/);
  await stored(["two and a half", "one ✓", "three"]);
  await keyboard.press("Space");
  await keyboard.press("ArrowDown");
  await shows(page, ["one", "two and a half", "three"]);
  await keyboard.press("Escape");
  await told(page, /Put back/);
  await shows(page, ["two and a half", "one", "three"]);

  // Delete; the focus goes to what takes its place; undo from anywhere.
  await keyboard.press("Delete");
  await shows(page, ["one", "three"]);
  await focusIs(page, "Move one");
  await told(page, /Deleted “two and a half”/);
  await keyboard.press("Control+z");
  await shows(page, ["two and a half", "one", "three"]);
  await focusIs(page, "two and a half");
  await keyboard.press("Delete");
  await tabTo(page, "Undo");
  await keyboard.press("Enter");
  await shows(page, ["two and a half", "one", "three"]);
  await toast(page).waitFor({ state: "hidden" });

  // Filters, all at once, clearing.
  await page.evaluate(() => document.activeElement?.blur());
  await tabTo(page, "Completed");
  await keyboard.press("Enter");
  await shows(page, ["one"]);
  await keyboard.press("Shift+Tab");
  await keyboard.press("Shift+Tab");
  await keyboard.press("Enter");
  await shows(page, ["two and a half", "one", "three"]);
  await keyboard.press("Shift+Tab");
  await keyboard.press("Space");
  await stored(["two and a half ✓", "one ✓", "three ✓"]);
  await told(page, /Marked 2 to-dos as completed/);
  await tabTo(page, "Clear completed (3)");
  await keyboard.press("Enter");
  await shows(page, []);
  await tabTo(page, "Delete now");
  await keyboard.press("Enter");
  await stored([]);
  assert.equal(await composer(page).evaluate((field) => field === document.activeElement), true);
});

scenario(
  "the focus goes on when a filter takes its row away",
  { seed: ["a", "b", "c"] },
  async ({ page }) => {
    await page.getByRole("link", { name: "Active" }).click();
    await page.getByRole("checkbox", { name: "b", exact: true }).focus();
    await page.keyboard.press("Space");
    await shows(page, ["a", "c"]);
    await until("the next row's box has the focus", () =>
      page.evaluate(
        () =>
          document.activeElement?.closest(".row")?.textContent === "c" &&
          document.activeElement.matches(".box"),
      ),
    );
  },
);

scenario("Enter that ends an input method's composition does not submit", {}, async ({ page }) => {
  await composer(page).fill("かな");
  await composer(page).evaluate((field) =>
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true })),
  );
  assert.equal(await composer(page).inputValue(), "かな");
});

scenario("Control Z in a text undoes the text, not the deletion", { seed: ["a", "b"] }, async ({ page }) => {
  await page.getByRole("button", { name: "Delete a", exact: true }).focus();
  await page.keyboard.press("Enter");
  await shows(page, ["b"]);
  await composer(page).focus();
  await page.keyboard.type("text");
  await page.keyboard.press("Control+z");
  await shows(page, ["b"]);
  await toast(page).waitFor();
});
