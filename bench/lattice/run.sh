#!/usr/bin/env bash
# Builds and runs bench/lattice; its README.md says what it measures.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/bench-lattice
mkdir -p "$out"
cc -O2 -std=c11 -D_GNU_SOURCE -Wall -Wextra -o "$out/bench_lattice" bench/lattice/bench_lattice.c -lnats
exec node bench/lattice/measure.mjs
