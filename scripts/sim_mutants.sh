#!/usr/bin/env bash
# Builds the simulator and lets it look for the bugs of tests/sim/mutants.txt (tests/sim/mutants.mjs): all of them, those
# named, or with --quick a few that are found soon.
set -euo pipefail
cd "$(dirname "$0")/.."
make --no-print-directory build/release/sim/sim
exec node tests/sim/mutants.mjs "$@"
