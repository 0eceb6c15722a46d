// The page as a whole.
import { useEffect, useState } from "preact/hooks";
import { selectItems, selectVisible, type Filter, type State } from "../store.ts";
import { chooseTheme, currentTheme, watchTheme } from "../theme.ts";
import { Composer } from "./composer.tsx";
import { Hedge } from "./hedge.tsx";
import { IconMoon, IconSun, Mark } from "./icons.tsx";
import { List } from "./list.tsx";
import { PageProvider, usePage, useStore, type Page } from "./page.ts";
import { Banner, LoadFailed, SiteStatus } from "./status.tsx";
import { Toast } from "./toast.tsx";
import { Bulk, filterOfHash, Toolbar } from "./toolbar.tsx";

function ThemeButton() {
  const [theme, setTheme] = useState(currentTheme());
  useEffect(() => watchTheme(() => setTheme(currentTheme())), []);
  const other = theme === "dark" ? "light" : "dark";
  const onClick = () => {
    chooseTheme(other);
    setTheme(other);
  };
  return (
    <button
      class="tool theme"
      type="button"
      aria-label={`Switch to the ${other} theme`}
      title={`Switch to the ${other} theme`}
      onClick={onClick}
    >
      {theme === "dark" ? <IconSun /> : <IconMoon />}
    </button>
  );
}

const NOTHING: Record<Filter, readonly [string, string]> = {
  all: [
    "Nothing to do.",
    "Write the first one above. It is stored at every site, and answered by the nearest.",
  ],
  active: ["All done.", "Nothing is left. What is finished is under Completed."],
  completed: ["Nothing finished yet.", "Tick something off and it shows up here."],
};

function Nothing({ filter }: { filter: Filter }) {
  const [head, text] = NOTHING[filter];
  return (
    <div class="void">
      <Mark />
      <h2>{head}</h2>
      <p>{text}</p>
    </div>
  );
}

const Loading = () => (
  <div class="loading" role="status">
    <span class="unseen">Loading the list…</span>
    <i />
    <i />
    <i />
  </div>
);

function Body({ state }: { state: State }) {
  const page = usePage();
  const items = selectItems(state);
  const visible = selectVisible(state, items);
  const { todos, filter, link } = state;
  if (!todos && items.length === 0) return link.state === "down" ? <LoadFailed link={link} /> : <Loading />;
  // The list stays in the page when it is empty: it moves the focus on when its last row goes.
  return (
    <>
      {items.length > 0 && <Toolbar items={items} filter={filter} />}
      <List page={page} items={visible} editing={state.editing} grab={state.grab} />
      {visible.length === 0 && <Nothing filter={items.length === 0 ? "all" : filter} />}
      {items.length > 0 && <Bulk items={items} />}
    </>
  );
}

function Said({ said }: { said: State["said"] }) {
  // The same words twice are told twice: an invisible character makes them differ.
  const text = said.text + (said.count % 2 ? "\u200B" : "");
  return (
    <>
      <p class="unseen" role="status" aria-live="polite">
        {said.urgent ? "" : text}
      </p>
      <p class="unseen" role="alert" aria-live="assertive">
        {said.urgent ? text : ""}
      </p>
    </>
  );
}

function useHashFilter({ dispatch }: Page): void {
  useEffect(() => {
    const listener = () => dispatch({ type: "filter", filter: filterOfHash(location.hash) });
    addEventListener("hashchange", listener);
    return () => removeEventListener("hashchange", listener);
  }, []);
}

function useTitle(state: State): void {
  const left = selectItems(state).filter((item) => !item.completed).length;
  useEffect(() => {
    document.title = `${left ? `(${left}) ` : ""}To do · Hedgerow`;
  }, [left]);
}

export function App({ page }: { page: Page }) {
  const state = useStore(page.store);
  useHashFilter(page);
  useTitle(state);
  const items = selectItems(state);
  const down = state.link.state === "down";
  const waiting = state.ops.filter((op) => op.phase === "queued" || op.phase === "sending").length;
  return (
    <PageProvider value={page}>
      <div class="page">
        <header class="top">
          <p class="brand">
            <Mark /> Hedgerow
          </p>
          <ThemeButton />
        </header>
        <main>
          <div class="heading">
            <h1>To do</h1>
            <Hedge items={items} />
          </div>
          {down && state.todos && <Banner link={state.link} waiting={waiting} />}
          <div class="sheet">
            <Composer draft={state.draft} />
            <Body state={state} />
          </div>
          <p class="unseen" id="how-to-move">
            Press to pick up, then use the arrow keys; press again to drop. Alt with an arrow key moves at
            once.
          </p>
        </main>
        <footer class="bottom">
          <SiteStatus sites={state.sites} up={!down} />
          <p class="hints">
            <span>Double-click to edit.</span>{" "}
            <span>
              Drag to reorder, or press <kbd>Alt</kbd> <kbd>↑</kbd> <kbd>↓</kbd>.
            </span>
          </p>
        </footer>
        {state.trash && <Toast trash={state.trash} />}
        <Said said={state.said} />
      </div>
    </PageProvider>
  );
}
