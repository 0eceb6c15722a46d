// The list of to-dos: its rows, their keys, dragging, the focus, and the rows' movements.
//
// When a row that has the focus goes away, the row in its place gets it; when it moves, it keeps it.
import { Component } from "preact";
import { startDrag } from "../drag.ts";
import type { Editing, Grab, Item } from "../store.ts";
import { focusComposer } from "./composer.tsx";
import type { Page } from "./page.ts";
import { Row, sameItem, startEdit } from "./row.tsx";

interface ListProps {
  readonly page: Page;
  readonly items: readonly Item[];
  readonly editing: Editing | null;
  readonly grab: Grab | null;
}

interface Snapshot {
  readonly tops: Map<string, number>;
  readonly focus: {
    readonly key: string;
    readonly index: number;
    readonly part: string;
    readonly element: Element;
  } | null;
}

/** Longer lists change without motion. */
const ANIMATED_ROWS_MAX = 150;
const MOVE: KeyframeAnimationOptions = { duration: 220, easing: "cubic-bezier(.2,.7,.2,1)" };

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class List extends Component<ListProps> {
  #list: HTMLUListElement | null = null;
  #droppedTops: Map<string, number> | null = null;

  override shouldComponentUpdate(next: ListProps): boolean {
    const { items, editing, grab } = this.props;
    const sameItems =
      items.length === next.items.length && items.every((item, i) => sameItem(item, next.items[i]!));
    return !sameItems || editing !== next.editing || grab !== next.grab;
  }

  override componentDidMount(): void {
    document.addEventListener("focusin", this.#onFocusElsewhere);
    document.addEventListener("pointerdown", this.#onFocusElsewhere);
  }

  override componentWillUnmount(): void {
    document.removeEventListener("focusin", this.#onFocusElsewhere);
    document.removeEventListener("pointerdown", this.#onFocusElsewhere);
  }

  override getSnapshotBeforeUpdate(): Snapshot {
    const tops = this.#droppedTops ?? this.#tops();
    this.#droppedTops = null;
    const element = document.activeElement;
    const row = element?.closest<HTMLElement>(".row");
    const part = element?.closest<HTMLElement>("[data-part]")?.dataset.part;
    if (!element || !row || part === undefined || !this.#list?.contains(row)) return { tops, focus: null };
    return { tops, focus: { key: row.dataset.key!, index: this.#rows().indexOf(row), part, element } };
  }

  override componentDidUpdate(before: ListProps, _: unknown, snapshot: Snapshot): void {
    const order = (items: readonly Item[]) => items.map((item) => item.key).join();
    if (order(before.items) !== order(this.props.items))
      this.#animate(snapshot.tops, before.items.length > 0);
    this.#keepFocus(snapshot.focus);
    this.#revealAdded(before.items);
  }

  /** What was just written here comes into sight, however long the list is. */
  #revealAdded(before: readonly Item[]): void {
    const known = new Set(before.map((item) => item.key));
    const added = this.props.items.find((item) => item.id.startsWith("new-") && !known.has(item.key));
    const row = added && this.#rows().find((each) => each.dataset.key === added.key);
    row?.scrollIntoView({ block: "nearest", behavior: stillness.matches ? "instant" : "smooth" });
  }

  #rows(): HTMLElement[] {
    return [...(this.#list?.children ?? [])] as HTMLElement[];
  }

  #tops(): Map<string, number> {
    const rows = this.#rows();
    if (rows.length > ANIMATED_ROWS_MAX) return new Map();
    return new Map(rows.map((row) => [row.dataset.key!, row.getBoundingClientRect().top + scrollY]));
  }

  #animate(before: Map<string, number>, wasThere: boolean): void {
    if (stillness.matches || (before.size === 0 && wasThere)) return;
    for (const row of this.#rows()) {
      const was = before.get(row.dataset.key!);
      const by = was === undefined ? 0 : was - row.getBoundingClientRect().top - scrollY;
      if (was === undefined) row.animate({ opacity: [0, 1], transform: ["translateY(-6px)", "none"] }, MOVE);
      else if (by) row.animate({ transform: [`translateY(${by}px)`, "none"] }, MOVE);
    }
  }

  #keepFocus(focus: Snapshot["focus"]): void {
    const { page } = this.props;
    const rows = this.#rows();
    const wished = page.wish === null ? undefined : rows.find((row) => row.dataset.key === page.wish);
    if (wished) {
      page.wish = null;
      wished.querySelector<HTMLElement>("[data-part=title]")?.focus();
      return;
    }
    if (!focus || document.activeElement === focus.element || document.activeElement !== document.body)
      return;
    if (focus.element instanceof HTMLElement && focus.element.isConnected) return focus.element.focus();
    const row =
      rows.find((each) => each.dataset.key === focus.key) ?? rows[Math.min(focus.index, rows.length - 1)];
    if (!row) return focusComposer();
    const part = focus.part === "mover" ? "handle" : focus.part;
    const target =
      row.querySelector<HTMLElement>(`[data-part=${part}]:is(button,input)`) ??
      row.querySelector<HTMLElement>("[data-part=title], textarea");
    target?.focus();
  }

  // A to-do that was picked up is dropped where it is when the person turns to something else.
  #onFocusElsewhere = (event: Event): void => {
    const { grab, page } = this.props;
    if (!grab || !(event.target instanceof Element)) return;
    if (event.target.closest<HTMLElement>(".row")?.dataset.id !== grab.id)
      page.dispatch({ type: "grab-drop" });
  };

  #handleDowns = new Map<string, (event: PointerEvent) => void>();

  /** The same function for the same row each time, so that the row is not rendered anew for it. */
  #onHandleDown(key: string): (event: PointerEvent) => void {
    let handler = this.#handleDowns.get(key);
    if (!handler) this.#handleDowns.set(key, (handler = (event) => this.#drag(key, event)));
    return handler;
  }

  #drag(key: string, event: PointerEvent): void {
    const { page } = this.props;
    const row = this.#rows().find((each) => each.dataset.key === key);
    if (event.button !== 0 || !this.#list || !row) return;
    startDrag({
      list: this.#list,
      row,
      event,
      onStart: () => {
        page.dispatch({ type: "grab-cancel" });
        page.sync.hold(true);
      },
      onEnd: (to) => {
        const tops = this.#tops();
        const index = this.props.items.findIndex((item) => item.key === key);
        page.sync.hold(false);
        if (to === null || to === index) {
          queueMicrotask(() => this.#animate(tops, true));
          return;
        }
        this.#droppedTops = tops;
        page.dispatch({ type: "move", id: this.props.items[index]!.id, to });
      },
    });
  }

  #onKeyDown = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    const row = target.closest<HTMLElement>(".row");
    const index = this.props.items.findIndex((item) => item.key === row?.dataset.key);
    const item = this.props.items[index];
    if (!item || target instanceof HTMLTextAreaElement || event.ctrlKey || event.metaKey) return;
    if (this.#act(event, item, index, target)) event.preventDefault();
  };

  /** Whether the key meant something here. */
  #act(event: KeyboardEvent, item: Item, index: number, target: HTMLElement): boolean {
    const { page, grab } = this.props;
    const by = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    const grabbed = grab?.id === item.id;
    if (by && grabbed) page.dispatch({ type: "grab-move", by });
    else if (by && event.altKey) page.dispatch({ type: "move", id: item.id, to: index + by });
    else if (by) this.#focusNeighbour(index + by, target.closest<HTMLElement>("[data-part]")?.dataset.part);
    else if (event.key === "Escape" && grabbed) page.dispatch({ type: "grab-cancel" });
    else if (event.key === "F2") startEdit(page, item.id);
    else if (event.key === "Delete") page.dispatch({ type: "trash", ids: [item.id] });
    else return false;
    return true;
  }

  #focusNeighbour(index: number, part = "title"): void {
    const row = this.#rows()[index];
    (
      row?.querySelector<HTMLElement>(`[data-part=${part}]:is(button,input)`) ??
      row?.querySelector<HTMLElement>("[data-part=title]")
    )?.focus();
  }

  override render({ items, editing, grab }: ListProps) {
    return (
      <ul
        class="list"
        role="list"
        aria-label="To-dos"
        ref={(list) => void (this.#list = list)}
        onKeyDown={this.#onKeyDown}
      >
        {items.map((item) => (
          <Row
            key={item.key}
            item={item}
            editing={editing?.id === item.id ? editing : null}
            grabbed={grab?.id === item.id}
            onHandleDown={this.#onHandleDown(item.key)}
          />
        ))}
      </ul>
    );
  }
}
