// The test guests of tests/guests as files: C ones built as actors are, WAT ones assembled, and one that AssemblyScript's
// compiler makes. Each is made once and kept under build/test-guests, named by what went into it, so that test files which run at the same time share it.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import wabtInit from "wabt";

import { root } from "./host.mjs";

const folder = join(root, "tests/guests");
const built = join(root, "build/test-guests");

const digest = (...files) => {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
};

export const sha256 = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");

// Puts what `make` writes to a path in its place in one step.
function once(target, make) {
  if (existsSync(target)) return target;
  mkdirSync(dirname(target), { recursive: true });
  const work = mkdtempSync(join(built, ".work-"));
  try {
    const file = join(work, "module.wasm");
    make(file, work);
    renameSync(file, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return target;
}

export function cGuest(name) {
  const inputs = [join(folder, `${name}.c`), join(folder, `wit/${name}.wit`), join(folder, "build.sh")];
  return once(join(built, `${name}-${digest(...inputs)}.wasm`), (file, work) => {
    execFileSync(join(folder, "build.sh"), [name, work], { stdio: ["ignore", "ignore", "inherit"] });
    renameSync(join(work, `${name}.wasm`), file);
  });
}

const wabt = await wabtInit();

export function watGuest(name) {
  const source = join(folder, "wat", `${name}.wat`);
  return once(join(built, `${name}-${digest(source)}.wasm`), (file) => {
    const module = wabt.parseWat(`${name}.wat`, readFileSync(source, "utf8"));
    writeFileSync(file, module.toBinary({}).buffer);
    module.destroy();
  });
}

export function assemblyScriptGuest(name) {
  const source = join(folder, "assemblyscript");
  const inputs = [join(source, `${name}.ts`), join(source, "rename.mjs"), join(root, "tests/integration/package-lock.json")];
  return once(join(built, `${name}-${digest(...inputs)}.wasm`), (file) => {
    const compiler = join(root, "tests/integration/node_modules/assemblyscript/bin/asc.js");
    const options = ["--runtime", "stub", "-O", "--use", "abort=", "--transform", "./rename.mjs"];
    execFileSync(process.execPath, [compiler, `${name}.ts`, ...options, "-o", relative(source, file)],
      { cwd: source, stdio: ["ignore", "ignore", "inherit"] });
  });
}

export const watNames = readdirSync(join(folder, "wat")).map((file) => file.replace(/\.wat$/, ""));

// Writes a manifest (JSON is YAML) into a folder of its own and gives its path. `actors`: name to what stands under it.
export function writeManifest(folder, actors, settings = {}) {
  const path = join(folder, "hedgerow.yaml");
  writeFileSync(path, JSON.stringify({ store: "lmdb:./store", ...settings, actors }, null, 2));
  return path;
}
