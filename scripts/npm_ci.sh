#!/usr/bin/env bash
# Installs a folder's npm packages as its lock file says, unless they are there already.
# Usage: scripts/npm_ci.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../$1"
[ -f package-lock.json ] || exit 0
want="$(sha256sum package-lock.json | cut -d' ' -f1)"
if [ "$(cat node_modules/.lock-digest 2>/dev/null)" != "$want" ]; then
    npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
    printf '%s' "$want" >node_modules/.lock-digest
fi
