// A to-do's title while it is being edited in place. Leaving the field saves, as Enter does; Escape does not.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Editing, Item } from "../store.ts";
import { shortTitle, titleProblem } from "../todo.ts";
import { Field } from "./field.tsx";
import { usePage } from "./page.ts";

function meanwhile(item: Item, editing: Editing): string | null {
  if (item.gone) return "Somebody else deleted this meanwhile. Saving puts it back.";
  if (item.title !== editing.base)
    return `Somebody else changed this meanwhile to “${shortTitle(item.title)}”.`;
  return null;
}

export function Editor({ item, editing }: { item: Item; editing: Editing }) {
  const { dispatch } = usePage();
  const input = useRef<HTMLTextAreaElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useLayoutEffect(() => {
    const area = input.current;
    area?.focus();
    area?.setSelectionRange(area.value.length, area.value.length);
  }, []);
  const save = () => {
    const found = titleProblem(editing.text);
    setProblem(found);
    if (!found) dispatch({ type: "edit-save" });
    else input.current?.focus();
  };
  const cancel = () => dispatch({ type: "edit-cancel" });
  const onBlur = (event: FocusEvent) => {
    const to = event.relatedTarget;
    const inside = to instanceof Node && input.current?.closest(".editor")?.contains(to);
    // Another window or tab in front is not leaving the field; nor is a text that cannot be saved.
    if (inside || !document.hasFocus() || titleProblem(editing.text)) return;
    dispatch({ type: "edit-save" });
  };
  // The field keeps the focus when a button is pressed, so that pressing Cancel does not save.
  const keepFocus = (event: Event) => event.preventDefault();
  const note = meanwhile(item, editing);
  return (
    <div
      class="editor"
      data-part="editor"
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.isComposing) cancel();
      }}
    >
      <Field
        id={`edit-${item.key}`}
        label="Edit to-do"
        value={editing.text}
        problem={problem}
        inputRef={input}
        onText={(text) => {
          setProblem(null);
          dispatch({ type: "edit-text", text });
        }}
        onEnter={save}
        onBlur={onBlur}
      >
        {note && (
          <p class="meanwhile" role="status">
            {note}
          </p>
        )}
        <div class="editor-buttons">
          <button class="button small primary" type="button" onPointerDown={keepFocus} onClick={save}>
            Save
          </button>
          <button class="button small" type="button" onPointerDown={keepFocus} onClick={cancel}>
            Cancel
          </button>
          <span class="keys" aria-hidden="true">
            <kbd>Enter</kbd> saves <kbd>Esc</kbd> cancels
          </span>
        </div>
      </Field>
    </div>
  );
}
