#!/usr/bin/env bash
# Shows that the actors are standard components: wraps each guest by `wasm-tools component new` and validates it.
# wasm-tools comes from crates.io, pinned, built once a machine (about 2 minutes on 2 cores).
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.263.0
root="${XDG_CACHE_HOME:-$HOME/.cache}/hedgerow/wasm-tools-$version"
if [ ! -e "$root/.complete" ]; then
    echo "components: building wasm-tools $version (once for this machine)" >&2
    cargo install --locked --root "$root" --target-dir "$root/target" wasm-tools --version "$version" \
        --no-default-features --features component,validate,print,parse >&2
    rm -rf "$root/target"
    touch "$root/.complete"
fi
mkdir -p build/components
for actor in todo ui kv; do
    "$root/bin/wasm-tools" component new "build/guest/$actor.wasm" -o "build/components/$actor.wasm"
    "$root/bin/wasm-tools" validate --features component-model "build/components/$actor.wasm"
    if "$root/bin/wasm-tools" print "build/guest/$actor.wasm" | grep -q wasi_snapshot_preview1; then
        echo "components: $actor imports WASI preview 1" >&2
        exit 1
    fi
done
echo "components: todo, ui and kv are valid components"
