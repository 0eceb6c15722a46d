#!/usr/bin/env bash
# Runs every fuzzer for a while on its kept corpus (tests/seeds/<fuzzer>) and what it finds on the way
# (build/fuzz-corpus). Usage: scripts/fuzz.sh [SECONDS_EACH]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-30}"
count=0
for fuzzer in build/fuzz/tests/fuzz_*; do
    [ -x "$fuzzer" ] || continue
    name="$(basename "$fuzzer")"
    mkdir -p "build/fuzz-corpus/$name"
    corpora=("build/fuzz-corpus/$name")
    [ -d "tests/seeds/$name" ] && corpora+=("tests/seeds/$name")
    if ! "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=0 \
        -artifact_prefix="build/fuzz-corpus/$name-" "${corpora[@]}" >"build/fuzz-corpus/$name.log" 2>&1; then
        tail -n 60 "build/fuzz-corpus/$name.log"
        echo "fuzz: $name found something; the input is build/fuzz-corpus/$name-*"
        exit 1
    fi
    grep -E '^Done [0-9]+ runs' "build/fuzz-corpus/$name.log" | sed "s/^/$name: /" || true
    count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "fuzz: no fuzzer was built"; exit 1; }
echo "fuzz: $count fuzzers, $seconds s each, nothing found"
