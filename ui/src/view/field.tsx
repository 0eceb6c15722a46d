// A text field that grows with its text and tells how much room is left when little is. Enter submits,
// Shift+Enter makes a new line.
import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { byteLength, cleanTitle, TITLE_BYTES_MAX, TITLE_BYTES_WARN } from "../todo.ts";

interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  /** What is wrong with the text, besides its length. */
  readonly problem: string | null;
  readonly inputRef?: RefObject<HTMLTextAreaElement | null>;
  readonly onText: (text: string) => void;
  readonly onEnter: () => void;
  readonly onBlur?: (event: FocusEvent) => void;
  readonly children?: ComponentChildren;
}

const count = new Intl.NumberFormat("en");

export function Field(props: FieldProps) {
  const { id, value, problem } = props;
  const own = useRef<HTMLTextAreaElement>(null);
  const ref = props.inputRef ?? own;
  useLayoutEffect(() => {
    const area = ref.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }, [value]);
  const bytes = byteLength(cleanTitle(value));
  const over = bytes > TITLE_BYTES_MAX;
  const note = over ? "Too long to be saved." : problem;
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    props.onEnter();
  };
  return (
    <div class={`field${over ? " over" : ""}`}>
      <label class="unseen" for={id}>
        {props.label}
      </label>
      <textarea
        id={id}
        ref={ref}
        rows={1}
        value={value}
        placeholder={props.placeholder}
        enterkeyhint="done"
        autocomplete="off"
        aria-invalid={note !== null}
        aria-describedby={`${id}-note`}
        onInput={(event) => props.onText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onBlur={props.onBlur}
      />
      {props.children}
      <p class="field-note" id={`${id}-note`}>
        <span role="alert">{note}</span>
        {bytes >= TITLE_BYTES_WARN && (
          <span class="counter">
            {count.format(bytes)} of {count.format(TITLE_BYTES_MAX)} bytes
          </span>
        )}
      </p>
    </div>
  );
}
