#!/usr/bin/env bash
# Fails on an include against the arrows: base <- actors/*/core <- {actors/*/guest*.c, sim},
# base <- host <- cli; nothing includes tests or bench; the host knows no actor. Within the host, each folder
# includes those that `host_folders` names after it, and none of them what lies in host/ itself.
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

# Lower ones first, so that there is no way round: a folder may include itself and those named after it, which stand above it.
# check_folders ROOT ALSO FOLDERS: what lies in ROOT itself wires them together, and none of them includes it, but for ALSO (a pattern).
check_folders() {
    local root="$1" also="$2" known="" folder uses use allowed file files
    while IFS=: read -r folder uses; do
        [ -n "$folder" ] || continue
        for use in $uses; do
            case " $known " in
            *" $use "*) ;;
            *) echo "layers: $root/$folder uses $root/$use, which is not below it" >&2; failed=1 ;;
            esac
        done
        known="$known $folder"
        allowed=$(printf '%s/|' $folder $uses)$also
        mapfile -t files < <(list "$root/$folder/*.[ch]")
        [ "${#files[@]}" -gt 0 ] || { echo "layers: $root/$folder is empty" >&2; failed=1; }
        for file in "${files[@]}"; do
            if grep -nE "^ *# *include +\"$root/" "$file" | grep -vE "\"$root/(${allowed%|})" | sed "s|^|$file:|"; then
                echo "layers: $root/$folder may include${uses:- nothing else} and itself" >&2
                failed=1
            fi
        done
    done
    while read -r folder; do
        case " $known " in
        *" $folder "*) ;;
        *) echo "layers: $root/$folder has no place among the folders" >&2; failed=1 ;;
        esac
    done < <(list "$root/" | awk -F/ -v depth="$(awk -F/ '{ print NF }' <<<"$root")" 'NF > depth + 1 { print $(depth + 1) }' | sort -u)
}

check_folders host '' <<'FOLDERS'
obs
loop
bus: obs loop
kv: obs loop
lattice: obs loop bus
manifest: obs bus kv
run: obs loop bus kv lattice
calls: obs loop bus run
imports: obs loop bus kv lattice run calls
http: obs loop bus run imports
FOLDERS
check_folders actors/kv/core 'env\.h|limits\.h' <<'FOLDERS'
format
site: format
values: format site
replicate: format site values
transfer: format site values replicate
compare: format site values replicate
operate: format site values replicate transfer compare
FOLDERS

for actor in todo ui kv; do
    mapfile -t own < <(list "actors/$actor/**" | grep '\.[ch]$')
    others=$(printf 'actors/%s/|' todo ui kv | sed "s#actors/$actor/|##; s/|$//")
    forbid "actor $actor" "$others" "${own[@]+"${own[@]}"}"
done
[ "$failed" -eq 0 ] && echo "layers: $checked files respect the arrows"
exit "$failed"
