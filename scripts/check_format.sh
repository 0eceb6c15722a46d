#!/usr/bin/env bash
# Fails when a C file is not as clang-format would have it.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
echo "format: $(git ls-files '*.c' '*.h' | wc -l) files as they should be"
