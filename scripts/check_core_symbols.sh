#!/usr/bin/env bash
# Checks that the cores of the actors are what they say: pure C that reaches the world only through its
# table of functions. Each actors/<name>/core is compiled as for a release and joined by `ld -r`; what
# is undefined then must be on the list below, and nothing may lie in memory that can be written.
# Usage: scripts/check_core_symbols.sh [ACTOR ...]   (all, if none is named)
set -euo pipefail
cd "$(dirname "$0")/.."

# Memory and strings of the C library, our base, the JSON library, and what compilers call by
# themselves. Nothing that allocates, prints, reads clocks, draws numbers or knows a locale.
allowed='^(mem(cpy|move|set|cmp|chr)|str(len|cmp|ncmp|chr|rchr|spn|cspn)|hr_[a-z0-9_]+|yyjson_[a-z0-9_]+'
allowed+='|__(u|)(div|mod|divmod|mul)[a-z]*[0-9]+|_GLOBAL_OFFSET_TABLE_)$'

compiler="${CC:-gcc}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
bad=0

check() {
    local actor="$1" source sources objects=() undefined writable
    mapfile -t sources < <(find actors/"$actor"/core -name '*.c' | LC_ALL=C sort)
    [ "${#sources[@]}" -gt 0 ] || { echo "core symbols: actors/$actor/core has no sources"; bad=1; return; }
    for source in "${sources[@]}"; do
        objects+=("$work/$actor-$(basename "$source" .c).o")
        "$compiler" -std=c11 -O2 -DNDEBUG -D_GNU_SOURCE -U_FORTIFY_SOURCE -fno-stack-protector -I. \
            -isystem build/deps/sources/yyjson -c "$source" -o "${objects[-1]}"
    done
    ld -r -o "$work/$actor.o" "${objects[@]}"
    undefined="$(nm -u "$work/$actor.o" | awk '{print $NF}' | grep -vE "$allowed" || true)"
    if [ -n "$undefined" ]; then
        echo "core symbols: actors/$actor/core must not use:" $undefined
        echo "core symbols: take it through the core's table of functions, or write it in base/"
        bad=1
    fi
    # B, C and D: variables. Constant tables are R, or d in .data.rel.ro, which only the loader writes.
    writable="$(objdump -t "$work/$actor.o" |
        awk '$0 ~ / O / && ($0 ~ /\t?[ ]\.(data|bss)(\.[A-Za-z0-9_]+)?\t/ && $0 !~ /\.data\.rel\.ro/ || $0 ~ /\*COM\*/) {print $NF}')"
    if [ -n "$writable" ]; then
        echo "core symbols: actors/$actor/core has variables that outlive a call:" $writable
        bad=1
    fi
}

if [ $# -eq 0 ]; then
    for folder in actors/*/core; do
        actor="$(basename "$(dirname "$folder")")"
        compgen -G "$folder/*.c" >/dev/null && set -- "$@" "$actor"
    done
fi
for actor in "$@"; do check "$actor"; done
[ "$bad" -eq 0 ] && echo "core symbols: $* ok"
exit "$bad"
