#!/usr/bin/env bash
# Every test, in order, whatever fails on the way; what `make test` and CI run. Each runner's own closing lines are
# printed, and at the end what failed, and one line for all: `N passed, N failed`. A runner that runs nothing has failed.
set -uo pipefail
cd "$(dirname "$0")/.."
logs="build/test-logs"
mkdir -p "$logs"
total_passed=0
total_failed=0
told_failures=""
began=$SECONDS

count() { # PATTERN FILE [GROUP]: the sum of the numbers that PATTERN's group (the first) finds
    sed -nE "s/$1/\\${3:-1}/p" "$2" 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }'
}

# step NAME KIND COMMAND...: runs it; KIND says how its cases are counted.
step() {
    local name="$1" kind="$2" log="$logs/$1.log" from=$SECONDS status=0 passed failed told
    shift 2
    printf '== %s\n' "$name"
    "$@" >"$log" 2>&1 || status=$?
    case "$kind" in
    cmocka)
        local detail=build/dev/Testing/Temporary/LastTest.log
        passed=$(count '^\[  PASSED  \] ([0-9]+) test.*' "$detail")
        failed=$(count '^\[  FAILED  \] ([0-9]+) test.*' "$detail")
        grep -E '^[0-9]+% tests passed|tests failed out of' "$log" ;;
    node)
        passed=$(count '^[^ ]+ pass ([0-9]+)$' "$log")
        failed=$(count '^[^ ]+ (fail|cancelled) ([0-9]+)$' "$log" 2)
        grep -E '^[^ ]+ (tests|pass|fail|cancelled|skipped) [0-9]+$' "$log" ;;
    sim)
        passed=$(count '^([0-9]+) seeds passed, ([0-9]+) failed$' "$log")
        failed=$(count '^([0-9]+) seeds passed, ([0-9]+) failed$' "$log" 2)
        tail -n 3 "$log" ;;
    *)
        passed=$((status == 0 ? 1 : 0)); failed=0
        tail -n 1 "$log" ;;
    esac
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
    if [ "$passed" -eq 0 ] && [ "$failed" -eq 0 ]; then failed=1; echo "$name ran no test"; fi
    if [ "$failed" -ne 0 ]; then
        echo "---- $name failed (status $status); the end of $log:"
        grep -nE 'not ok|FAILED|ERROR|error:|✖|AssertionError' "$log" | head -n 40
        tail -n 80 "$log"
        echo "---- what failed in $name:"
        told=$(scripts/test_failures.sh "$kind" "$log")
        printf '%s\n----\n' "$told"
        told_failures+="== $name failed (status $status):"$'\n'"$told"$'\n'
    fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    printf '   %s: %d passed, %d failed, %d s\n' "$name" "$passed" "$failed" $((SECONDS - from))
}

# The same suites against the host with sanitizers: every report of theirs ends it, which fails the suite's last check.
# Not the one that kills it, for which the release is the harder case.
integration_sanitized() {
    HEDGEROW_BIN=build/dev/hedgerow node --test --test-reporter=spec \
        tests/integration/{admin,adversity,api,clouds,drain,limits,manifest,partners,toolchains}.test.mjs
}
fuzz_all() { make --no-print-directory fuzz SECONDS_EACH=8; }

step deps check make --no-print-directory deps
step build-guest check make --no-print-directory guest
step build-release check make --no-print-directory build
step build-dev check make --no-print-directory dev
step format check scripts/check_format.sh
step layers check scripts/check_layers.sh
step paths check scripts/check_paths.sh
step core-symbols check scripts/check_core_symbols.sh
rm -f build/dev/Testing/Temporary/LastTest.log # or an old one would be counted
step unit cmocka ctest --test-dir build/dev -j "$(nproc)" --output-on-failure --no-tests=error
step sim sim make --no-print-directory sim
step sim-mutants check make --no-print-directory sim-mutants QUICK=1
step page node bash -c 'scripts/npm_ci.sh ui && cd ui && npm test --silent'
step integration node make --no-print-directory integration
step integration-sanitized node integration_sanitized
step todo-backend node make --no-print-directory todo-backend-spec
step lattice node make --no-print-directory test-lattice
step e2e node make --no-print-directory e2e
step components check make --no-print-directory components
step fuzz check fuzz_all

printf '%s' "$told_failures"
echo "all in $((SECONDS - began)) s; logs in $logs"
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ]
