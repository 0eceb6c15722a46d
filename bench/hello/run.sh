#!/usr/bin/env bash
# Builds the three servers of bench/README.md and measures them. ROUNDS (default 7) rounds of SECONDS_EACH (default 3).
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v wrk >/dev/null || { echo "bench: wrk is missing: apt-get install wrk" >&2; exit 1; }
out=build/bench-hello
mkdir -p "$out"
tests/guests/build.sh hello "$out" bench/hello
"$(scripts/rust_tool.sh wasm-tools)/wasm-tools" component new "$out/hello.wasm" -o "$out/hello-component.wasm"
cc -O2 -Wall -Wextra -o "$out/mhd_hello" bench/hello/mhd_hello.c -lmicrohttpd
WASMTIME="$(scripts/rust_tool.sh wasmtime-cli)/wasmtime" exec node bench/hello/measure.mjs
