// A minute of the soak (soak.mjs says what it shows).
import { describe, it } from "node:test";

process.env.SECONDS ??= "60";
const { run } = await import("./soak.mjs");

describe("a minute of kills under load", () => {
  it("loses nothing, and leaves nothing behind", run);
});
