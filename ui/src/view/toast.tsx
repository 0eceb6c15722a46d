// Offers to undo a deletion for UNDO_MS; only then is it sent. The time stands still while the pointer
// or the focus is on the toast and while the page is in the background.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { selectItems, type Trash } from "../store.ts";
import { focusComposer } from "./composer.tsx";
import { IconClose } from "./icons.tsx";
import { usePage } from "./page.ts";

export const UNDO_MS = 10_000;

function useCountdown(stamp: number, paused: boolean, onEnd: () => void): void {
  const left = useRef(UNDO_MS);
  useEffect(() => {
    left.current = UNDO_MS;
  }, [stamp]);
  useEffect(() => {
    if (paused) return;
    const started = performance.now();
    const timer = setTimeout(onEnd, left.current);
    return () => {
      clearTimeout(timer);
      left.current -= performance.now() - started;
    };
  }, [stamp, paused]);
}

export function Toast({ trash }: { trash: Trash }) {
  const page = usePage();
  const { dispatch, store } = page;
  const [over, setOver] = useState(false);
  const [focused, setFocused] = useState(false);
  const [hidden, setHidden] = useState(document.hidden);
  const paused = over || focused || hidden;
  useEffect(() => {
    const listener = () => setHidden(document.hidden);
    document.addEventListener("visibilitychange", listener);
    return () => document.removeEventListener("visibilitychange", listener);
  }, []);
  useCountdown(trash.stamp, paused, () => dispatch({ type: "trash-empty" }));
  const undo = () => {
    const first = selectItems({ ...store.get(), trash: null }).find((item) => trash.ids.includes(item.id));
    page.wish = first?.key ?? null;
    dispatch({ type: "trash-undo" });
  };
  // At once, not after the next paint: who sees the toast may press the keys.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLTextAreaElement && event.target.value !== "";
      if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || typing)
        return;
      event.preventDefault();
      undo();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
  return (
    <section
      class={`toast${paused ? " paused" : ""}`}
      aria-label="Undo"
      onPointerEnter={() => setOver(true)}
      onPointerLeave={() => setOver(false)}
      onFocusIn={() => setFocused(true)}
      onFocusOut={() => setFocused(false)}
    >
      <p>{trash.label}</p>
      <button class="button small" type="button" onClick={undo}>
        Undo
      </button>
      <button
        class="tool"
        type="button"
        aria-label="Delete now"
        onClick={() => {
          dispatch({ type: "trash-empty" });
          focusComposer();
        }}
      >
        <IconClose />
      </button>
      <i class="toast-time" key={trash.stamp} />
    </section>
  );
}
