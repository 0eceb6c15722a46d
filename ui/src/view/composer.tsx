// Where a new to-do is written.
import { useRef, useState } from "preact/hooks";
import { titleProblem } from "../todo.ts";
import { Field } from "./field.tsx";
import { IconPlus } from "./icons.tsx";
import { usePage } from "./page.ts";

export const COMPOSER_ID = "new-todo";

export const focusComposer = (): void => document.getElementById(COMPOSER_ID)?.focus();

export function Composer({ draft }: { draft: string }) {
  const { dispatch } = usePage();
  const input = useRef<HTMLTextAreaElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const submit = () => {
    const found = titleProblem(draft);
    setProblem(found);
    if (!found) dispatch({ type: "add", nowMs: Date.now(), salt: Math.random() });
    input.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <span class="composer-plus" aria-hidden="true">
        <IconPlus />
      </span>
      <Field
        id={COMPOSER_ID}
        label="New to-do"
        placeholder="What needs doing?"
        value={draft}
        problem={problem}
        inputRef={input}
        onText={(text) => {
          setProblem(null);
          dispatch({ type: "draft", text });
        }}
        onEnter={submit}
      />
      <button class="button primary" type="submit">
        Add
      </button>
    </form>
  );
}
