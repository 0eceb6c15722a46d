#!/bin/sh
# Builds the store's benchmark optimised and runs it in a folder of its own below $1 (default: build).
set -eu
cd "$(dirname "$0")/../.."
place=$(mktemp -d "${1:-build}/bench-store-XXXXXX")
trap 'rm -rf "$place"' EXIT
${CC:-cc} -std=c11 -O2 -g -D_GNU_SOURCE -I. -o "$place/bench_store" bench/store/bench_store.c \
    host/kv/kv.c host/kv/lmdb*.c host/kv/redis*.c host/kv/hiredis_plain.c host/loop/*.c base/*.c -luv -llmdb -lhiredis -lpthread
"$place/bench_store" "$place"
