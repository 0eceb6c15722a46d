// Wires the page: state, API, synchronisation, view, and what the browser tells of itself.
import { render } from "preact";
import { Api } from "./api.ts";
import { keep, restore } from "./outbox.ts";
import { createStore, hasUnsaved } from "./store.ts";
import "./style.css";
import { Sync } from "./sync.ts";
import { applyTheme } from "./theme.ts";
import { Watch } from "./watch.ts";
import { App } from "./view/app.tsx";
import type { Page } from "./view/page.ts";
import { filterOfHash } from "./view/toolbar.tsx";

applyTheme();

const store = createStore({ ...restore(sessionStorage), filter: filterOfHash(location.hash) });
const api = new Api({
  fetch: (input, init) => fetch(input, init),
  onAnswer: (answer) => store.dispatch({ type: "answered", answer }),
  nowMs: () => performance.now(),
});
const sync = new Sync({
  store,
  api,
  nowMs: () => Date.now(),
  random: () => Math.random(),
  isVisible: () => !document.hidden,
});
const watch = new Watch({ store, api, random: () => Math.random(), isVisible: () => !document.hidden });
const wake = () => {
  sync.wake();
  watch.wake();
};
const page: Page = { store, sync, dispatch: store.dispatch, wish: null };

const tellOnline = () => {
  store.dispatch({ type: "online", online: navigator.onLine });
  wake();
};
addEventListener("online", tellOnline);
addEventListener("offline", tellOnline);
addEventListener("focus", wake);
addEventListener("pageshow", (event) => event.persisted && wake());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) keep(sessionStorage, store.get());
  else wake();
});
addEventListener("pagehide", () => {
  sync.leave();
  keep(sessionStorage, store.get());
});
addEventListener("beforeunload", (event) => {
  if (hasUnsaved(store.get())) event.preventDefault();
});

render(<App page={page} />, document.getElementById("app")!);
tellOnline();
sync.start();
