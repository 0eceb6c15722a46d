// Copies WIT packages and C sources out of the crates that third_party/sources pins.
// Usage: cargo metadata ... | node collect_sources.mjs OUTPUT_FOLDER
import { cpSync, mkdirSync, readFileSync, writeFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const out = process.argv[2];
const metadata = JSON.parse(readFileSync(0, "utf8"));
const crate = (name) => {
  const found = metadata.packages.find((p) => p.name === name);
  if (!found) throw new Error(`crate ${name} is not in third_party/sources/Cargo.lock`);
  return dirname(found.manifest_path);
};

// Each entry becomes wit/<name>/; a WIT package is a folder of .wit files.
const wit = (name, ...files) => {
  const folder = join(out, "wit", name);
  mkdirSync(folder, { recursive: true });
  for (const file of files) writeFileSync(join(folder, file.split("/").pop()), readFileSync(file));
};
const folderFiles = (folder) => readdirSync(folder).map((f) => join(folder, f));

const wasi = join(crate("wasip2"), "wit/deps");
for (const name of ["io", "clocks", "random", "cli", "http", "filesystem", "sockets"])
  wit(`wasi-${name}`, join(wasi, `${name}.wit`));
const wasmcloud = join(crate("wasmcloud-component"), "wit/deps");
wit("wasi-keyvalue", ...folderFiles(join(wasmcloud, "keyvalue")));
wit("wasi-logging", ...folderFiles(join(wasmcloud, "logging")));
wit("wasmcloud-messaging", ...folderFiles(join(wasmcloud, "messaging")));
wit("wasi-config", ...folderFiles(join(crate("wasmtime-wasi-config"), "wit/deps/config")));

const yyjson = join(crate("yyjson-sys"), "yyjson");
mkdirSync(join(out, "yyjson"), { recursive: true });
for (const file of ["src/yyjson.c", "src/yyjson.h", "LICENSE"])
  cpSync(join(yyjson, file), join(out, "yyjson", file.split("/").pop()));
