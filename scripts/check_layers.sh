#!/usr/bin/env bash
# Fails on an include against the arrows: base <- actors/*/core <- {actors/*/guest*.c, sim},
# base <- host <- cli; nothing includes tests or bench; the host knows no actor.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
checked=0

# forbid LAYER_NAME FORBIDDEN_PATTERN FILES...
forbid() {
    local name="$1" pattern="$2"; shift 2
    local file
    for file in "$@"; do
        checked=$((checked + 1))
        if grep -nE "^ *# *include +[\"<]($pattern)" "$file" | sed "s|^|$file:|"; then
            echo "layers: $name may not include that" >&2
            failed=1
        fi
    done
}

list() { git ls-files "$@"; }
mapfile -t base < <(list 'base/*.[ch]')
mapfile -t cores < <(list 'actors/*/core/*.[ch]')
mapfile -t guests < <(list 'actors/*/*.[ch]' | grep -v /core/)
mapfile -t host < <(list 'host/*.[ch]')
mapfile -t cli < <(list 'cli/*.[ch]')
mapfile -t sim < <(list 'sim/*.[ch]')
mapfile -t judges < <(list 'sim/check_*.c' 'sim/model.[ch]' 'sim/known.[ch]' 'sim/json.[ch]')
forbid base 'host/|actors/|cli/|sim/|tests/|bench/|uv\.h|lmdb\.h|yyjson\.h|wasmtime' "${base[@]}"
forbid 'an actor core' 'host/|cli/|sim/|tests/|bench/|uv\.h|time\.h|stdio\.h|unistd\.h|pthread\.h' "${cores[@]}"
forbid 'a guest' 'host/|cli/|sim/|tests/|bench/' "${guests[@]}"
forbid 'the host' 'actors/|cli/|sim/|tests/|bench/' "${host[@]}"
forbid 'the command line' 'actors/|sim/|tests/|bench/' "${cli[@]+"${cli[@]}"}"
forbid 'the simulator' 'host/|cli/|tests/|bench/|actors/(todo|ui)/|uv\.h' "${sim[@]}"
forbid "what judges the simulated core" 'actors/' "${judges[@]}"
for actor in todo ui kv; do
    mapfile -t own < <(list "actors/$actor/**" | grep '\.[ch]$')
    others=$(printf 'actors/%s/|' todo ui kv | sed "s#actors/$actor/|##; s/|$//")
    forbid "actor $actor" "$others" "${own[@]+"${own[@]}"}"
done
[ "$failed" -eq 0 ] && echo "layers: $checked files respect the arrows"
exit "$failed"
