// What every part of the page can reach: the state's store and the synchronisation.
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { Action, State, Store } from "../store.ts";
import type { Sync } from "../sync.ts";

export interface Page {
  readonly store: Store;
  readonly sync: Sync;
  readonly dispatch: (action: Action) => void;
  /** The row (by key) that gets the focus when it is next shown. */
  wish: string | null;
}

const Context = createContext<Page | null>(null);

export const PageProvider = Context.Provider;

export function usePage(): Page {
  const page = useContext(Context);
  if (!page) throw new Error("no PageProvider around this component");
  return page;
}

export function useStore(store: Store): State {
  const [state, setState] = useState(store.get());
  useEffect(() => {
    setState(store.get());
    return store.subscribe(() => setState(store.get()));
  }, [store]);
  return state;
}
