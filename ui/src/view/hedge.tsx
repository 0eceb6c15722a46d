// The hedgerow: a leaf for each to-do, grown and green once it is done. It only adorns what the count
// says in words.
import type { Item } from "../store.ts";

const LEAVES_MAX = 56;
const LEAF_WIDTH = 9;
const HEIGHT = 34;

/** A height between 0.62 and 1 that a to-do keeps. */
function tallness(key: string): number {
  let hash = 7;
  for (const letter of key) hash = (hash * 31 + letter.charCodeAt(0)) % 9973;
  return 0.62 + (0.38 * (hash % 97)) / 96;
}

export function Hedge({ items }: { items: readonly Item[] }) {
  const shown = items.slice(0, LEAVES_MAX);
  const width = Math.max(1, shown.length) * LEAF_WIDTH;
  return (
    <svg
      class="hedge"
      viewBox={`0 0 ${width} ${HEIGHT}`}
      width={width}
      height={HEIGHT}
      aria-hidden="true"
      focusable="false"
    >
      {shown.map((item, i) => (
        <g
          key={item.key}
          transform={`translate(${i * LEAF_WIDTH + LEAF_WIDTH / 2} ${HEIGHT}) scale(1 ${tallness(item.key)})`}
        >
          <path
            class={item.completed ? "leaf grown" : "leaf"}
            d="M0 0C-5.2-10-5.2-22 0-33 5.2-22 5.2-10 0 0Z"
          />
        </g>
      ))}
    </svg>
  );
}
