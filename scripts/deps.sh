#!/usr/bin/env bash
# Installs what a machine lacks and leaves links to it under build/deps:
#   build/deps/wasmtime   include/ and lib/ of Wasmtime's C API
#   build/deps/tools/bin  wit-bindgen
#   build/deps/sources    wit/<package>.wit and yyjson/, out of pinned crates
# What is built outside the tree is kept under ${XDG_CACHE_HOME:-~/.cache}/hedgerow, named by what went
# into it, so that a fresh clone on the same machine builds none of it again.
# WASMTIME_PREFIX uses an installed Wasmtime C API (48.x) instead of building one.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/hedgerow"
say() { printf '%s\n' "deps: $*" >&2; }

WIT_BINDGEN_VERSION=0.63.0

install_debian_packages() {
    local missing=() package
    for package in $(sed 's/#.*//' scripts/packages.txt); do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    say "installing Debian packages: ${missing[*]}"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { say "run as root, or install sudo, or install them by hand"; exit 1; }
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -q >&2
    # RUNLEVEL=1: servers are installed for their programs, none is started.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}

need() { command -v "$1" >/dev/null || { say "$1 is missing: $2"; exit 1; }; }

digest() { cat "$@" | sha256sum | cut -c1-16; }

link() { mkdir -p build/deps; ln -sfn "$1" "build/deps/$2"; }

# Runs "$@ <folder>" unless the cache already holds the folder; a build that is cut short leaves nothing.
cached() {
    local name="$1"; shift
    if [ ! -e "$cache/$name/.complete" ]; then
        mkdir -p "$cache"
        local work; work="$(mktemp -d "$cache/.$name.XXXXXX")"
        if ! "$@" "$work"; then rm -rf "$work"; say "building $name failed"; exit 1; fi
        touch "$work/.complete"
        rm -rf "${cache:?}/$name"
        mv "$work" "$cache/$name"
    fi
}

build_wasmtime() {
    say "building Wasmtime's C API (once for this machine, about 4 minutes on 2 cores)"
    local target="$1/target"
    cargo build --release --locked --manifest-path third_party/wasmtime/Cargo.toml --target-dir "$target" >&2
    mkdir -p "$1/lib"
    cp "$target/release/libhedgerow_wasmtime.a" "$1/lib/libwasmtime.a"
    cp -r "$(dirname "$(find "$target/release/build" -path '*/out/include/wasmtime.h')")" "$1/include"
    rm -rf "$target"
}

install_tool() {
    say "building $1 $2 (once for this machine, about 2 minutes on 2 cores)"
    cargo install --locked --root "$5" --target-dir "$5/target" "$1" --version "$2" --no-default-features --features "$4" >&2
    rm -rf "$5/target"
}

collect_sources() {
    say "collecting WIT packages and C sources from pinned crates"
    cargo fetch --locked --manifest-path third_party/sources/Cargo.toml >&2
    cargo metadata --format-version 1 --offline --locked --manifest-path third_party/sources/Cargo.toml |
        node scripts/collect_sources.mjs "$1"
}

install_debian_packages
need cargo "install Rust 1.95 or newer with cargo"
need node "install Node.js 20 or newer"

if [ -n "${WASMTIME_PREFIX:-}" ]; then
    [ -f "$WASMTIME_PREFIX/include/wasmtime.h" ] || { say "WASMTIME_PREFIX=$WASMTIME_PREFIX has no include/wasmtime.h"; exit 1; }
    link "$WASMTIME_PREFIX" wasmtime
else
    name="wasmtime-$(digest third_party/wasmtime/Cargo.toml third_party/wasmtime/Cargo.lock third_party/wasmtime/src/lib.rs)"
    cached "$name" build_wasmtime
    link "$cache/$name" wasmtime
fi
cached "wit-bindgen-$WIT_BINDGEN_VERSION" install_tool wit-bindgen-cli "$WIT_BINDGEN_VERSION" -- c
link "$cache/wit-bindgen-$WIT_BINDGEN_VERSION" tools
name="sources-$(digest third_party/sources/Cargo.lock scripts/collect_sources.mjs)"
cached "$name" collect_sources
link "$cache/$name" sources
