#!/usr/bin/env bash
# Builds one guest out of C: bindings of the world NAME in SOURCE_FOLDER/wit/NAME.wit, then SOURCE_FOLDER/NAME.c, as actors
# are built. Usage: tests/guests/build.sh NAME OUTPUT_FOLDER [SOURCE_FOLDER]   (leaves OUTPUT_FOLDER/NAME.wasm)
set -euo pipefail
cd "$(dirname "$0")/../.."
name="$1" out="$2" source="${3:-tests/guests}"
wit="$out/wit"
rm -rf "$wit" && mkdir -p "$wit/deps"
cp "$source/wit/$name.wit" "$wit/"
for package in build/deps/sources/wit/* wit/{kv,lattice,messaging,ui}; do cp -r "$package" "$wit/deps/"; done
build/deps/tools/bin/wit-bindgen c "$wit" --world "$name" --out-dir "$out" >/dev/null 2>&1
clang --target=wasm32-wasi -std=c11 -Oz -mexec-model=reactor -Wall -Wextra -Wl,--gc-sections -Wl,--strip-debug \
    -Wno-infinite-recursion -I "$out" -o "$out/$name.wasm" "$source/$name.c" "$out/$name.c" "$out/${name}_component_type.o"
