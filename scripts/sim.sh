#!/usr/bin/env bash
# sim.sh FROM COUNT JOBS [FLAGS...]: the seeds of tests/sim/seeds, then COUNT from FROM on. FROM `fresh`: a number that follows from the sources of the
# core and of the simulator, so that each change of those is tried with other seeds, and the same sources always with the same.
set -euo pipefail
cd "$(dirname "$0")/.."
from="$1" count="$2" jobs="$3"
shift 3
if [ "$from" = fresh ]; then
    hash=$(find actors/kv/core sim -name '*.[ch]' | LC_ALL=C sort | xargs cat | sha256sum)
    from=$((16#${hash:0:8}))
fi
last=$((from + count - 1))
echo "sim: the seeds of tests/sim/seeds, and $count from $from on"
exec build/release/sim/sim --file tests/sim/seeds --seeds "$from..$last" --jobs "$jobs" "$@" --quiet
