#!/usr/bin/env bash
# test_failures.sh KIND LOG: what failed in a step of scripts/test.sh, and the first lines of why; little enough to be read at the
# end of a log. KIND is how the step's cases are counted there. What it does not understand it shows the end of.
set -uo pipefail
cd "$(dirname "$0")/.."
kind="$1" log="$2"
LINES_MAX=24

# Node's closing parts ("failing tests:"; several of them where a runner shows its parts one after the other), without the
# stacks; then what is said of processes as a whole.
of_node() {
    awk '
        /^✖ failing tests:/ { inside = 1; next }
        inside && /^test at / { place = $0; next }
        inside && /^✖ / { print $0 (place ? "  " place : ""); place = ""; left = 6; next }
        inside && /^ +at / { next }
        inside && /^ +generatedMessage: / { left = 0; next } # what follows the message says it once more
        inside && (/^ *$/ || /^ /) { if (left > 0 && NF) { print substr($0, 1, 300); left-- } next }
        { inside = 0 }' "$1"
    grep -E "^ℹ Error: |^(with_host|run): " "$1" | grep -v "a host's log:$"
}

# cmocka tells a case as it fails; ctest, which programs did, also when they crashed; the sanitizers, in one line.
of_cmocka() {
    local detail=build/dev/Testing/Temporary/LastTest.log
    [ -f "$detail" ] && grep -E '^\[ +(ERROR|LINE) +\]|^\[  FAILED  \] [^0-9 ]+$|^SUMMARY: ' "$detail" | uniq
    sed -n '/^The following tests FAILED:/,/^Errors while/p' "$1"
}

of_sim() {
    grep -E '^seed [0-9]+: FAILED' "$1" | cut -c1-300
}

case "$kind" in
node | cmocka | sim) told=$("of_$kind" "$log") ;;
*) told="" ;;
esac
if [ -z "$told" ]; then told=$(tail -n 10 "$log"); fi
if [ -z "$told" ]; then told="it said nothing"; fi
lines=$(printf '%s\n' "$told" | wc -l)
printf '%s\n' "$told" | head -n "$LINES_MAX"
if [ "$lines" -gt "$LINES_MAX" ]; then echo "... and $((lines - LINES_MAX)) lines more"; fi
