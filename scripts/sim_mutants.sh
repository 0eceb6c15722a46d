#!/usr/bin/env bash
# Plants known bugs in a copy of the kv core, one at a time (tests/sim/mutants.txt), and counts the seeds in which the
# simulator finds each. Fails if one is found in none. SIM_SEEDS seeds each (2000), SIM_JOBS jobs (2); names as arguments:
# only those. The copy and its build are in build/mutants.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds="${SIM_SEEDS:-2000}" jobs="${SIM_JOBS:-2}" root="$PWD" copy="$PWD/build/mutants"
mkdir -p "$copy"
rm -rf "$copy/base" "$copy/sim" "$copy/actors"
mkdir -p "$copy/actors/kv"
cp -r base sim "$copy/"
cp actors/CMakeLists.txt "$copy/actors/"
cp -r actors/kv/core "$copy/actors/kv/"
cat >"$copy/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(mutants LANGUAGES C)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
add_compile_definitions(_GNU_SOURCE)
include_directories(\${CMAKE_SOURCE_DIR})
add_library(yyjson STATIC $root/build/deps/sources/yyjson/yyjson.c)
target_include_directories(yyjson SYSTEM PUBLIC $root/build/deps/sources/yyjson)
file(GLOB base_sources base/*.c)
add_library(hr_base STATIC \${base_sources})
add_subdirectory(actors)
add_subdirectory(sim)
END
cmake -G Ninja -S "$copy" -B "$copy/b" -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
missed=0
# A mutant: a line `== NAME FILE`, the text that goes, a line `--`, the text that comes.
while IFS= read -r name && IFS= read -r file; do
    if [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qx "$name"; then continue; fi
    if ! node tests/sim/plant.mjs tests/sim/mutants.txt "$name" "$copy/$file"; then missed=1; continue; fi
    ninja -C "$copy/b" --quiet sim >"$copy/$name.log" 2>&1 || { echo "$name does not build; see $copy/$name.log"; missed=1; }
    "$copy/b/sim/sim" --seeds "1..$seeds" --jobs "$jobs" --quiet >"$copy/$name.log" 2>&1 || true
    found=$(sed -nE 's/^[0-9]+ seeds passed, ([0-9]+) failed$/\1/p' "$copy/$name.log")
    printf '%-22s found in %5d of %d seeds; %s\n' "$name" "$found" "$seeds" "$(grep -m1 FAILED "$copy/$name.log" | sed 's/: FAILED//')"
    [ "$found" -gt 0 ] || missed=1
    cp "$file" "$copy/$file"
done < <(sed -nE 's/^== ([^ ]+) (.+)$/\1\n\2/p' tests/sim/mutants.txt)
exit "$missed"
