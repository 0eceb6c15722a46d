#!/usr/bin/env bash
# Prints the folder of a pinned tool's programs; builds the tool first if this machine has not got it. It is kept under
# ${XDG_CACHE_HOME:-~/.cache}/hedgerow, as what scripts/deps.sh builds. For tools that not every build needs.
# Usage: scripts/rust_tool.sh wasm-tools | wasmtime-cli
set -euo pipefail
tool="$1"
case "$tool" in
wasm-tools) version=1.263.0 minutes=2 options=(--no-default-features --features "component,validate,print,parse") ;;
# Of the same release as the Wasmtime in the host, with its own defaults: it is what we compare with.
wasmtime-cli) version=48.0.8 minutes=10 options=() ;;
*) echo "rust_tool: unknown tool $tool" >&2; exit 2 ;;
esac
cache="${XDG_CACHE_HOME:-$HOME/.cache}/hedgerow"
root="$cache/$tool-$version"
if [ ! -e "$root/.complete" ]; then
    echo "$tool: building $version (once for this machine, about $minutes minutes on 2 cores)" >&2
    mkdir -p "$cache"
    work="$(mktemp -d "$cache/.$tool.XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    cargo install --locked --root "$work" --target-dir "$work/target" "$tool" --version "$version" "${options[@]}" >&2
    rm -rf "$work/target" "$root"
    touch "$work/.complete"
    mv "$work" "$root"
fi
echo "$root/bin"
