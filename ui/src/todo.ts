// What a to-do is, and the limits of its title. Pure; knows nothing of the network or the page.

export interface Todo {
  readonly id: string;
  readonly url: string;
  readonly title: string;
  readonly completed: boolean;
  readonly order: number | null;
}

/** What a new to-do is made of; `order` is always given, so that it stays where it was put. */
export interface NewTodo {
  readonly title: string;
  readonly completed: boolean;
  readonly order: number;
}

export type TodoFields = Partial<NewTodo>;

export const TITLE_BYTES_MAX = 4096;
/** From here on the page shows how much room is left. */
export const TITLE_BYTES_WARN = 3500;

const encoder = new TextEncoder();

/** Bytes of UTF-8. */
export const byteLength = (text: string): number => encoder.encode(text).length;

/** A title as it is sent: no white space around it, and no half surrogate pairs, which UTF-8 cannot carry. */
export const cleanTitle = (text: string): string =>
  text.trim().replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "\uFFFD");

/** What is wrong with a typed title, for the person who typed it; null when nothing is. */
export function titleProblem(text: string): string | null {
  const title = cleanTitle(text);
  if (title === "") return "Write something first.";
  if (byteLength(title) > TITLE_BYTES_MAX)
    return `That is too long: ${TITLE_BYTES_MAX.toLocaleString("en")} bytes is the limit.`;
  return null;
}

/** The title cut to a length that suits a label or an announcement. */
export function shortTitle(title: string, max = 60): string {
  const line = title.replace(/\s+/g, " ").trim();
  const letters = Array.from(line);
  return letters.length <= max
    ? line
    : `${letters
        .slice(0, max - 1)
        .join("")
        .trimEnd()}…`;
}
