#!/usr/bin/env bash
# Shows that the actors are standard components: wraps each guest by `wasm-tools component new` and validates it; and the
# gateway once more for a host that has neither a bus nor other actors, with adapters in their place (tests/guests/adapters).
# With `serve`, runs that one under `wasmtime serve`, which knows nothing of Hedgerow, and tests what can be done there.
# Usage: scripts/components.sh [serve]
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$(scripts/rust_tool.sh wasm-tools):$PATH"
mkdir -p build/components
for actor in todo ui kv; do
    wasm-tools component new "build/guest/$actor.wasm" -o "build/components/$actor.wasm"
    wasm-tools validate --features component-model "build/components/$actor.wasm"
    if wasm-tools print "build/guest/$actor.wasm" | grep -q wasi_snapshot_preview1; then
        echo "components: $actor imports WASI preview 1" >&2
        exit 1
    fi
done

adapters=()
for adapter in wasmcloud:messaging/consumer@0.2.0=messaging hedgerow:ui/assets@0.1.0=assets \
    wasi:logging/logging@0.1.0-draft=logging hedgerow:lattice/members@0.1.0=lattice; do
    file="build/components/adapter-${adapter#*=}.wasm"
    wasm-tools parse "tests/guests/adapters/${adapter#*=}.wat" -o "$file"
    adapters+=(--adapt "${adapter%%=*}=$file")
done
wasm-tools component new build/guest/todo.wasm "${adapters[@]}" -o build/components/todo-alone.wasm
wasm-tools validate --features component-model build/components/todo-alone.wasm
echo "components: todo, ui, kv, and todo without partners are valid components"

if [ "${1:-}" = serve ]; then
    PATH="$(scripts/rust_tool.sh wasmtime-cli):$PATH"
    node --test --test-reporter=spec tests/integration/wasmtime_serve.mjs
fi
