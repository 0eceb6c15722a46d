#!/usr/bin/env bash
# sim.sh FROM COUNT JOBS [FLAGS...]: the seeds of tests/sim/seeds, then COUNT from FROM on. Seeds that are known to fail, with what is
# open about them, stand in tests/sim/open: they are run, and told, but do not fail the whole. Whatever else fails, does; so does a
# seed of that list that passes, until it is taken out of it.
set -uo pipefail
cd "$(dirname "$0")/.."
from="$1" count="$2" jobs="$3"
shift 3
log=$(mktemp)
trap 'rm -f "$log"' EXIT
last=$((from + count - 1))
echo "sim: the seeds of tests/sim/seeds, and $count from $from on"
build/release/sim/sim --file tests/sim/seeds --seeds "$from..$last" --jobs "$jobs" "$@" --quiet >"$log" 2>&1
grep -E '^seed [0-9]+: FAILED' "$log"
grep -vE '^seed |seeds passed' "$log"
mapfile -t failed < <(sed -nE 's/^seed ([0-9]+): FAILED.*/\1/p' "$log" | sort -u)
mapfile -t open < <(sed -E "s/#.*//" tests/sim/open | awk -v a="$from" -v b="$last" 'NF && $1 + 0 >= a && $1 + 0 <= b { print $1 }')
passed=$(sed -nE 's/^([0-9]+) seeds passed.*/\1/p' "$log")
bad=0
for seed in "${failed[@]}"; do
    printf '%s\n' "${open[@]}" | grep -qx "$seed" || bad=$((bad + 1))
done
for seed in "${open[@]}"; do
    if ! printf '%s\n' "${failed[@]}" | grep -qx "$seed"; then
        echo "seed $seed passes: take it out of tests/sim/open"
        bad=$((bad + 1))
    fi
done
if [ -z "$passed" ]; then
    echo "the simulator did not come to its end:"
    tail -n 20 "$log"
    passed=0 bad=$((bad + 1))
fi
echo "${#open[@]} seeds are known to fail (tests/sim/open)"
echo "$passed seeds passed, $bad failed"
[ "$bad" -eq 0 ]
