#!/usr/bin/env bash
# Builds the web page into DIST_FOLDER and packs it into OUTPUT.c for the ui actor. Packages are
# installed only when package-lock.json has changed. Several builds may run this at once.
# Usage: ui/scripts/bundle.sh DIST_FOLDER OUTPUT.c
set -euo pipefail
dist="$1" output="$2"
cd "$(dirname "$0")/.."
exec 9<package.json
flock 9
../scripts/npm_ci.sh ui
node_modules/.bin/tsc -p tsconfig.json
node_modules/.bin/vite build --outDir "$dist" --emptyOutDir --logLevel warn
node scripts/size.mjs "$dist"
node scripts/pack.mjs "$dist" "$output"
