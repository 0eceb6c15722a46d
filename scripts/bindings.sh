#!/usr/bin/env bash
# Assembles one WIT folder (our packages and those out of pinned crates) and writes the C bindings of
# one world of it. Usage: scripts/bindings.sh WORLD OUTPUT_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
world="$1" out="$2"
wit="$out/wit"
rm -rf "$wit" && mkdir -p "$wit/deps"
cp wit/worlds/*.wit "$wit/"
for package in build/deps/sources/wit/*; do cp -r "$package" "$wit/deps/"; done
for package in kv lattice messaging ui; do cp -r "wit/$package" "$wit/deps/hedgerow-$package"; done
build/deps/tools/bin/wit-bindgen c "$wit" --world "$world" --out-dir "$out" >/dev/null
