// One to-do in the list: its box, its title (or the field to edit it), its buttons, and what went wrong with it.
import { Component } from "preact";
import { spreadText } from "../api.ts";
import type { Editing, Item, Op } from "../store.ts";
import { shortTitle } from "../todo.ts";
import { Editor } from "./editor.tsx";
import { IconClose, IconDown, IconGrip, IconUp } from "./icons.tsx";
import { usePage, type Page } from "./page.ts";

export interface RowProps {
  readonly item: Item;
  /** Only for the row that is being edited. */
  readonly editing: Editing | null;
  readonly grabbed: boolean;
  readonly onHandleDown: (event: PointerEvent) => void;
}

export function startEdit({ dispatch, sync }: Page, id: string): void {
  dispatch({ type: "edit", id });
  void sync.prepareEdit(id);
}

function Trouble({ op }: { op: Op }) {
  const { dispatch } = usePage();
  const missed = op.kind === "remove" ? "Not deleted" : op.phase === "failed" ? "Not saved" : "Not saved yet";
  const what = op.fault?.kind === "spreading" ? "Not everywhere yet" : missed;
  const give = op.kind === "add" ? "Discard" : op.kind === "remove" ? "Keep it" : "Undo change";
  return (
    <div class="note trouble" data-part="note">
      <p>
        <strong>{what}.</strong> {op.fault?.text} {op.phase === "queued" && "It is tried again by itself."}
      </p>
      <div class="note-buttons">
        <button
          class="button small"
          type="button"
          disabled={op.phase === "sending"}
          onClick={() => dispatch({ type: "retry", key: op.key })}
        >
          {op.phase === "sending" ? "Trying…" : "Retry"}
        </button>
        <button class="button small" type="button" onClick={() => dispatch({ type: "discard", key: op.key })}>
          {give}
        </button>
      </div>
    </div>
  );
}

function Choice({ item, mine }: { item: Item; mine: string }) {
  const { dispatch } = usePage();
  const resolve = (keep: "mine" | "theirs") => () => dispatch({ type: "resolve", id: item.id, keep });
  return (
    <div class="note choice" data-part="note" role="group" aria-label="Somebody else changed this">
      <p>
        <strong>{item.gone ? "Somebody else deleted this" : "Somebody else changed this"}</strong> while you
        were editing it.
      </p>
      <dl>
        {!item.gone && (
          <div>
            <dt>Theirs</dt>
            <dd>{item.title}</dd>
          </div>
        )}
        <div>
          <dt>Yours</dt>
          <dd>{mine}</dd>
        </div>
      </dl>
      <div class="note-buttons">
        <button class="button small" type="button" onClick={resolve("theirs")}>
          {item.gone ? "Leave it deleted" : "Keep theirs"}
        </button>
        <button class="button small primary" type="button" onClick={resolve("mine")}>
          {item.gone ? "Put it back" : "Use mine"}
        </button>
      </div>
    </div>
  );
}

function Mover({ name }: { name: string }) {
  const { dispatch } = usePage();
  return (
    <div class="mover" data-part="mover" role="group" aria-label={`Move ${name}`}>
      <button
        class="button small"
        type="button"
        aria-label="Up"
        onClick={() => dispatch({ type: "grab-move", by: -1 })}
      >
        <IconUp />
      </button>
      <button
        class="button small"
        type="button"
        aria-label="Down"
        onClick={() => dispatch({ type: "grab-move", by: 1 })}
      >
        <IconDown />
      </button>
      <button class="button small primary" type="button" onClick={() => dispatch({ type: "grab-drop" })}>
        Done
      </button>
      <button class="button small" type="button" onClick={() => dispatch({ type: "grab-cancel" })}>
        Put back
      </button>
    </div>
  );
}

function RowBody({ item, editing, grabbed, onHandleDown }: RowProps) {
  const page = usePage();
  const { dispatch } = page;
  const name = shortTitle(item.title);
  const titleId = `title-${item.key}`;
  const edit = () => startEdit(page, item.id);
  // One click of a mouse leaves the title alone: it takes two. A tap, a key or assistive technology takes one.
  const onTitleClick = (event: MouseEvent) => {
    const mouse = event.detail === 1 && (event as PointerEvent).pointerType === "mouse";
    if (!mouse) edit();
  };
  return (
    <>
      <input
        class="box"
        type="checkbox"
        data-part="box"
        checked={item.completed}
        disabled={item.gone}
        aria-labelledby={editing ? undefined : titleId}
        aria-label={editing ? name : undefined}
        onChange={(event) =>
          dispatch({ type: "toggle", id: item.id, completed: event.currentTarget.checked })
        }
      />
      {editing ? (
        <Editor item={item} editing={editing} />
      ) : (
        <button
          class="title"
          id={titleId}
          type="button"
          data-part="title"
          title="Double-click, or press Enter or F2, to edit"
          onClick={onTitleClick}
        >
          <span>{item.title}</span>
        </button>
      )}
      {!editing && (
        <div class="tools">
          <button
            class="tool danger"
            type="button"
            data-part="delete"
            aria-label={`Delete ${name}`}
            onClick={() => dispatch({ type: "trash", ids: [item.id] })}
          >
            <IconClose />
          </button>
          <button
            class="tool grip"
            type="button"
            data-part="handle"
            aria-label={`Move ${name}`}
            aria-pressed={grabbed}
            aria-describedby="how-to-move"
            aria-keyshortcuts="Alt+ArrowUp Alt+ArrowDown"
            onPointerDown={onHandleDown}
            onClick={() => dispatch(grabbed ? { type: "grab-drop" } : { type: "grab", id: item.id })}
          >
            <IconGrip />
          </button>
        </div>
      )}
      {grabbed && <Mover name={name} />}
      {item.conflict && !editing && <Choice item={item} mine={item.conflict.mine} />}
      {item.trouble && <Trouble op={item.trouble} />}
      {item.thin && !item.trouble && <p class="thin">{spreadText(item.thin.acks)}</p>}
    </>
  );
}

const same = <T extends object>(a: T, b: T): boolean => {
  const keys = Object.keys(a) as (keyof T)[];
  return keys.length === Object.keys(b).length && keys.every((key) => Object.is(a[key], b[key]));
};

export const sameItem = (a: Item, b: Item): boolean => a === b || same(a, b);

/** Rendered anew only when something in it changed: a list may have thousands of rows. */
export class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { item, ...rest } = this.props;
    const { item: nextItem, ...nextRest } = next;
    return !sameItem(item, nextItem) || !same(rest, nextRest);
  }

  override render({ item, editing, grabbed }: RowProps) {
    const state = [
      item.completed && "done",
      editing && "editing",
      grabbed && "grabbed",
      item.gone && "gone",
    ].filter(Boolean);
    return (
      <li class={["row", ...state].join(" ")} data-key={item.key} data-id={item.id}>
        <RowBody {...this.props} />
      </li>
    );
  }
}
