// Keeps what was typed and not saved over a reload of the page: in the tab's own storage, so that two
// tabs never send the same change twice.
import { emptyState, toSaved, type Saved, type State } from "./store.ts";

const KEY = "hedgerow.unsaved.v1";

/** The state to start with. What another version of the page left behind is not understood and not used. */
export function restore(storage: Pick<Storage, "getItem">): State {
  const text = storage.getItem(KEY);
  if (!text) return emptyState;
  try {
    return { ...emptyState, ...(JSON.parse(text) as Saved) };
  } catch {
    return emptyState;
  }
}

export function keep(storage: Pick<Storage, "setItem" | "removeItem">, state: State): void {
  const saved = toSaved(state);
  const empty =
    saved.ops.length === 0 &&
    saved.draft === "" &&
    !saved.editing &&
    Object.keys(saved.conflicts).length === 0;
  if (empty) storage.removeItem(KEY);
  else storage.setItem(KEY, JSON.stringify(saved));
}
