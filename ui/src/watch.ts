// Asks how the sites are while somebody looks at the page: every WATCH_MS, more rarely where there is
// only one site, and with growing pauses while nobody answers. It never asks while the page is hidden.
import type { Api } from "./api.ts";
import type { Store } from "./store.ts";
import { backOffMs } from "./sync.ts";

export const WATCH_MS = 2_000;
/** A lattice may grow out of a single site, but not often. */
export const WATCH_ALONE_MS = 10_000;

export interface WatchOptions {
  readonly store: Store;
  readonly api: Pick<Api, "sites">;
  readonly random: () => number;
  readonly isVisible: () => boolean;
}

export class Watch {
  readonly #options: WatchOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = false;
  #tries = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Asks now, unless the page is hidden or is just asking. */
  wake(): void {
    clearTimeout(this.#timer);
    if (!this.#asking && this.#options.isVisible()) void this.#ask();
  }

  async #ask(): Promise<void> {
    const { store, api, random } = this.#options;
    this.#asking = true;
    const result = await api.sites();
    this.#asking = false;
    const lattice = result.ok ? result.value : null;
    store.dispatch({ type: "lattice", lattice });
    const pause = lattice
      ? lattice.length > 1
        ? WATCH_MS
        : WATCH_ALONE_MS
      : backOffMs(this.#tries, random());
    this.#tries = lattice ? 0 : this.#tries + 1;
    this.#timer = setTimeout(() => this.wake(), pause);
  }
}
