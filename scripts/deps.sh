#!/usr/bin/env bash
# Installs what a machine lacks and leaves links to it under build/deps:
#   build/deps/wasmtime   include/ and lib/ of Wasmtime's C API
#   build/deps/tools/bin  wit-bindgen
#   build/deps/sources    wit/<package>.wit and yyjson/, out of pinned crates
#   build/deps/tools-go/bin  toxiproxy-server; and, if Go is new enough, the newest nats-server and the nats client
# What is built outside the tree is kept under ${XDG_CACHE_HOME:-~/.cache}/hedgerow, named by what went
# into it, so that a fresh clone on the same machine builds none of it again.
# WASMTIME_PREFIX uses an installed Wasmtime C API (48.x) instead of building one.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/hedgerow"
say() { printf '%s\n' "deps: $*" >&2; }

WIT_BINDGEN_VERSION=0.63.0
# The last toxiproxy that Debian bookworm's Go (1.19) builds. The other two are for tests against the newest server,
# and for people; each with the Go that its go.mod asks for.
TOXIPROXY_VERSION=2.7.0 TOXIPROXY_GO=1.19
NATS_SERVER_VERSION=2.15.3 NATS_SERVER_GO=1.26.0
NATS_CLI_VERSION=0.5.1 NATS_CLI_GO=1.26.0

install_debian_packages() {
    local missing=() package
    for package in $(sed 's/#.*//' scripts/packages.txt); do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    command -v go >/dev/null || missing+=(golang-go)
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

go_is() { # at least VERSION
    local have; have="$(GOTOOLCHAIN=local go env GOVERSION)"
    [ "$(printf '%s\n' "$1" "${have#go}" | sort -V | head -n 1)" = "$1" ]
}

# go_tool NAME MODULE/PACKAGE VERSION FOLDER: leaves FOLDER/bin/NAME, and nothing of Go's anywhere else. GOTOOLCHAIN keeps
# Go from fetching another Go.
go_tool() {
    say "building $1 $3 (once for this machine, about a minute on 2 cores)"
    (
        cd /
        export GOTOOLCHAIN=local GOFLAGS="-modcacherw -trimpath" CGO_ENABLED=0
        export GOPATH="$4/go" GOMODCACHE="$4/go/mod" GOCACHE="$4/go/cache" GOBIN="$4/built"
        unset GOOS GOARCH
        go install "$2@v$3" >&2
    ) || return 1
    mkdir -p "$4/bin"
    mv "$4"/built/* "$4/bin/$1"
    rm -rf "$4/go" "$4/built"
}

# link_go_tool NAME FOLDER-NAME GO-VERSION MODULE/PACKAGE VERSION
link_go_tool() {
    if [ ! -e "$cache/$2-$5/.complete" ] && ! go_is "$3"; then return 1; fi
    (cached "$2-$5" go_tool "$1" "$4" "$5") || return 1
    ln -sfn "$cache/$2-$5/bin/$1" "build/deps/tools-go/bin/$1"
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

rm -rf build/deps/tools-go
mkdir -p build/deps/tools-go/bin
link_go_tool toxiproxy-server toxiproxy "$TOXIPROXY_GO" github.com/Shopify/toxiproxy/v2/cmd/server "$TOXIPROXY_VERSION" ||
    { say "toxiproxy cannot be built; it takes Go $TOXIPROXY_GO or newer"; exit 1; }
link_go_tool nats-server nats-server "$NATS_SERVER_GO" github.com/nats-io/nats-server/v2 "$NATS_SERVER_VERSION" ||
    say "nats-server $NATS_SERVER_VERSION takes Go $NATS_SERVER_GO or newer: left out, tests that want it are skipped"
link_go_tool nats natscli "$NATS_CLI_GO" github.com/nats-io/natscli/nats "$NATS_CLI_VERSION" ||
    say "the nats client $NATS_CLI_VERSION takes Go $NATS_CLI_GO or newer: left out, no test wants it"
