// What is above and below the list: the box for all, the count, the filters, and deleting many.
import { useEffect, useRef } from "preact/hooks";
import type { Filter, Item } from "../store.ts";
import { usePage } from "./page.ts";

const FILTERS: readonly (readonly [Filter, string])[] = [
  ["all", "All"],
  ["active", "Active"],
  ["completed", "Completed"],
];

export const filterOfHash = (hash: string): Filter =>
  FILTERS.find(([filter]) => hash === `#/${filter}`)?.[0] ?? "all";

export function Toolbar({ items, filter }: { items: readonly Item[]; filter: Filter }) {
  const { dispatch } = usePage();
  const box = useRef<HTMLInputElement>(null);
  const done = items.filter((item) => item.completed).length;
  const left = items.length - done;
  const all = left === 0;
  useEffect(() => {
    if (box.current) box.current.indeterminate = done > 0 && !all;
  });
  return (
    <div class="toolbar">
      <div class="all">
        <input
          class="box"
          type="checkbox"
          ref={box}
          checked={all}
          aria-label={all ? "Mark all as active" : "Mark all as completed"}
          onChange={() => dispatch({ type: "toggle-all", completed: !all })}
        />
        <span class="count">
          <b>{left}</b> {left === 1 ? "item" : "items"} left
        </span>
      </div>
      <nav class="filters" aria-label="Filter">
        {FILTERS.map(([name, label]) => (
          <a href={`#/${name}`} aria-current={filter === name ? "page" : undefined}>
            {label}
          </a>
        ))}
      </nav>
    </div>
  );
}

export function Bulk({ items }: { items: readonly Item[] }) {
  const { dispatch } = usePage();
  const completed = items.filter((item) => item.completed).map((item) => item.id);
  return (
    <div class="bulk">
      <button
        class="button quiet"
        type="button"
        disabled={completed.length === 0}
        onClick={() => dispatch({ type: "trash", ids: completed })}
      >
        Clear completed{completed.length > 0 && ` (${completed.length})`}
      </button>
      <button
        class="button quiet danger"
        type="button"
        onClick={() => dispatch({ type: "trash", ids: items.map((item) => item.id) })}
      >
        Delete all
      </button>
    </div>
  );
}
