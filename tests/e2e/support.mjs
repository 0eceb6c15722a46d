// What every file of the suite uses: a browser, a page at a given size and theme, the API, and waiting.
//
// A scenario starts with an empty list and fails, whatever else it finds, when the page breaks its own
// content security policy, asks anybody but its own server for something, throws, or logs an error.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const url = (process.env.HEDGEROW_URL ?? "").replace(/\/$/, "");
if (!url)
  throw new Error(
    "HEDGEROW_URL is not set: give the address of a running Hedgerow, such as http://127.0.0.1:8080",
  );

export const WAIT_MS = 15_000;
/** How often a page that is waited for is made to look, so that the waiting is not for its pauses. */
const LOOK_MS = 200;
const BROWSER_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const desktop = { viewport: { width: 1280, height: 800 } };
export const PHONE_LIGHT = { name: "phone light", ...phone, colorScheme: "light" };
export const PHONE_DARK = { name: "phone dark", ...phone, colorScheme: "dark" };
export const DESKTOP_LIGHT = { name: "desktop light", ...desktop, colorScheme: "light" };
export const DESKTOP_DARK = { name: "desktop dark", ...desktop, colorScheme: "dark" };
/** Both sizes and both themes. */
export const BOTH = [PHONE_DARK, DESKTOP_LIGHT];
export const ALL = [PHONE_LIGHT, PHONE_DARK, DESKTOP_LIGHT, DESKTOP_DARK];

let launched = null;
/** Started by the first scenario that needs it. */
function browser() {
  launched ??= chromium.launch({
    executablePath: process.env.HEDGEROW_CHROMIUM ?? "/usr/bin/chromium",
    args: BROWSER_ARGS,
  });
  return launched;
}
after(async () => (await launched)?.close());

/** The API as another client would use it. */
export const api = {
  async send(method, path, body, headers = {}) {
    const response = await fetch(url + path, {
      method,
      headers: { "Content-Type": "application/json", ...headers },
      body: body && JSON.stringify(body),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return response;
  },
  list: async () => (await api.send("GET", "/api")).json(),
  add: async (title, fields = {}) => (await api.send("POST", "/api", { title, ...fields })).json(),
  change: async (id, fields) => (await api.send("PATCH", `/api/${id}`, fields)).json(),
  remove: (id) => api.send("DELETE", `/api/${id}`),
  clear: () => api.send("DELETE", "/api"),
  /** Adds them in this order, each further down the list. */
  seed: async (...titles) => {
    const added = [];
    for (const [i, title] of titles.entries()) added.push(await api.add(title, { order: (i + 1) * 1000 }));
    return added;
  },
};

/** Waits until @check gives something true (or no longer throws), and returns it. */
export async function until(what, check) {
  const deadline = Date.now() + WAIT_MS;
  for (let last = "it stayed false"; ;) {
    try {
      const value = await check();
      if (value) return value;
    } catch (error) {
      last = error.message;
    }
    if (Date.now() > deadline) assert.fail(`waited ${WAIT_MS} ms in vain: ${what} (${last})`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Watches a page for everything that must not happen in it. */
function watch(page, faults, tolerant) {
  page.on("pageerror", (error) => faults.push(`thrown: ${error.stack}`));
  page.on("console", (message) => {
    const text = message.text();
    const failedRequest = /^Failed to load resource/.test(text);
    if (message.type() === "error" && !(tolerant && failedRequest)) faults.push(`logged: ${text}`);
  });
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== "data:" && protocol !== "about:" && origin !== new URL(url).origin)
      faults.push(`asked elsewhere: ${request.url()}`);
  });
}

// "1/3": of three processes that share a file's scenarios, this is the second.
const [share, shares] = (process.env.HEDGEROW_SHARE ?? "0/1").split("/").map(Number);
let registered = 0;

/**
 * Closes the context of a scenario that has seen what it wanted to see. The page asks by itself every two seconds, so a
 * handler of its requests may just be at one: what it then fails with, for its page is gone, belongs to nobody. Left alone it
 * would fail the whole file, and no test by name.
 */
async function end(context) {
  // A page that closes by itself has no handlers any more, and says so by an error.
  await Promise.allSettled(context.pages().map((page) => page.unrouteAll({ behavior: "ignoreErrors" })));
  await context.close();
}

/** Says yes to what a page asks. It may go before it is told so; what had been asked is for the scenario to see. */
const accept = (dialog) => dialog.accept().catch(() => undefined);

/**
 * Registers a test for each of @variants. @body gets {page, context, variant, open}; open() gives another
 * page of the same browser. @options: tolerant (failed requests are what it is about), start (false:
 * the body itself loads the page), context (more options for the browser's context).
 */
export function scenario(name, options, body) {
  for (const variant of options.variants ?? BOTH) {
    if (registered++ % shares !== share) continue;
    test(`${name} (${variant.name})`, async () => {
      await api.clear();
      const { name: _, ...settings } = variant;
      const context = await (await browser()).newContext({ ...settings, ...options.context });
      context.setDefaultTimeout(WAIT_MS);
      const faults = [];
      const open = async () => {
        const page = await context.newPage();
        watch(page, faults, options.tolerant);
        return page;
      };
      try {
        const page = await open();
        page.on("dialog", accept);
        if (options.seed) await api.seed(...options.seed);
        if (options.start !== false) await load(page, options.seed ?? []);
        await body({ page, context, variant, open });
      } finally {
        await end(context);
      }
      assert.deepEqual(faults, []);
    });
  }
}

/** Loads the page and waits for the list. */
export async function load(page, titles, path = "/") {
  await page.goto(url + path);
  await shows(page, titles);
}

export const composer = (page) => page.getByRole("textbox", { name: "New to-do" });
export const editor = (page) => page.getByRole("textbox", { name: "Edit to-do" });
export const rows = (page) =>
  page
    .getByRole("list", { name: "To-dos" })
    .getByRole("listitem")
    .filter({ has: page.locator(".box") });
export const row = (page, title) => rows(page).filter({ hasText: title });
export const box = (page, title) => page.getByRole("checkbox", { name: title, exact: true });
export const titleOf = (page, title) => page.getByRole("button", { name: title, exact: true });
export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const toast = (page) => page.getByRole("region", { name: "Undo" });

/** Makes the page ask now what it would ask by itself within two seconds, as coming back to it does. */
export const comeBack = (page) => page.evaluate(() => window.dispatchEvent(new Event("focus")));

/** Waits until the list shows just these titles in this order. */
export async function shows(page, titles) {
  let seen;
  let nextLook = Date.now() + LOOK_MS;
  await until(`the list shows ${JSON.stringify(titles)}`, async () => {
    if (Date.now() > nextLook) {
      nextLook = Date.now() + LOOK_MS;
      await comeBack(page);
    }
    if (await page.locator(".loading").count()) throw new Error("still loading");
    if (!(await page.locator(".list").count())) throw new Error("no list");
    seen = await page.locator(".row .title").allTextContents();
    if (JSON.stringify(seen) !== JSON.stringify(titles)) throw new Error(`it shows ${JSON.stringify(seen)}`);
    return true;
  });
}

/**
 * Answers for the sites in the server's place: @names as they stand, changed by what @more has of each. What was said before
 * is not taken back first: the page might ask in between.
 */
export async function lattice(page, names, more = {}) {
  const sites = names.map((name, i) => ({
    name,
    id: i + 1,
    here: i === 0,
    alive: true,
    hosts: 1,
    round_trip_ms: i === 0 ? null : 17.25 * i,
    silent_ms: 0,
    ...more[name],
  }));
  await page.route("**/api/sites", (route) => route.fulfill({ json: { here: names[0], sites } }));
  await comeBack(page);
}

/** Waits until the server has just these to-dos, as "title" or "title ✓", in the order of their ranks. */
export async function stored(expected) {
  const rank = (todo) => todo.order ?? parseInt(todo.id.slice(0, 8) + todo.id.slice(9, 13), 16);
  await until(`the server has ${JSON.stringify(expected)}`, async () => {
    const todos = (await api.list()).sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
    const has = todos.map((todo) => todo.title + (todo.completed ? " ✓" : ""));
    if (JSON.stringify(has) !== JSON.stringify(expected)) throw new Error(`it has ${JSON.stringify(has)}`);
    return true;
  });
}

/** Waits until assistive technology is told something that matches. */
export async function told(page, pattern) {
  await until(`${pattern} is announced`, async () => {
    const texts = await page.locator("[aria-live], [role=alert], [role=status]").allTextContents();
    if (!texts.some((text) => pattern.test(text))) throw new Error(`announced: ${JSON.stringify(texts)}`);
    return true;
  });
}

export async function add(page, title) {
  await composer(page).fill(title);
  await composer(page).press("Enter");
}

/** Starts to edit as this device's user would. */
export async function startEdit(page, variant, title) {
  if (variant.hasTouch) await titleOf(page, title).tap();
  else await titleOf(page, title).dblclick();
  await editor(page).waitFor();
}

/** The element that has the focus, as its accessible name or its own text. */
export const focused = (page) =>
  page.evaluate(
    () => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "",
  );

/** Waits for all motion to end but the toast's clock and the loading list's breath. */
export const still = (page) =>
  page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter((animation) => !["drain", "breathe"].includes(animation.animationName))
        .map((animation) => animation.finished.catch(() => undefined)),
    ).then(() => undefined),
  );

const shots = fileURLToPath(new URL("./screenshots/", import.meta.url));
mkdirSync(shots, { recursive: true });

export async function screenshot(page, variant, name) {
  await still(page);
  await page.screenshot({ path: `${shots}${variant.name.replace(" ", "-")}-${name}.png` });
}
