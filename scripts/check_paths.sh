#!/usr/bin/env bash
# Fails when a document or a comment names a file of this tree that is not there: a path that begins with one of its
# folders, a document's link, or a C file's bare name. Stars stand for what they do in a shell.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files '*.md' '*.[ch]' '*.mjs' '*.ts' '*.tsx' '*.sh' '*.wit' '*CMakeLists.txt' Makefile '.ci/*')
tops=$(git ls-files | awk -F/ 'NF > 1 && $1 !~ /^\./ { print $1 }' | sort -u | paste -sd'|')
names=$(mktemp)
trap 'rm -f "$names"' EXIT
git ls-files '*.[ch]' | sed 's|.*/||' | sort -u >"$names"
failed=0

# found: lines of "file:line:what" whose @what is nowhere.
fail_on() {
    while IFS=: read -r file line what; do
        echo "paths: $file:$line names $what, which is not there" >&2
        failed=1
    done
}

paths() {
    grep -noP "(?<![\w/:.\$}{*-])($tops)/[\w./*-]*\.(c|h|mjs|ts|tsx|sh|md|txt|wit|css|json)\b(?![\w/*])" "${files[@]}" |
        while IFS=: read -r file line path; do
            compgen -G "$path" >/dev/null || compgen -G "$(dirname "$file")/$path" >/dev/null ||
                compgen -G "${file%%/*}/$path" >/dev/null || echo "$file:$line:$path"
        done
}

links() {
    grep -noP '\]\(\K[^):#]+(?=[)#])' $(git ls-files '*.md') |
        while IFS=: read -r file line path; do
            [ -e "$(dirname "$file")/$path" ] || echo "$file:$line:$path"
        done
}

# In documents, all; in sources, what stands in a comment's line.
bare() {
    {
        grep -noP '(?<![\w/.*<-])[a-z][a-z0-9_]*\.[ch](?![\w.(/]|:\d)' $(git ls-files '*.md')
        grep -nP '^ *(/\*| \*|//)' $(git ls-files '*.[ch]') | grep -oP '^[^:]+:\d+:|(?<![\w/.*<-])[a-z][a-z0-9_]*\.[ch](?![\w.(/]|:\d)' |
            awk '/:$/ { at = $0; next } { print at $0 }'
    } | while IFS=: read -r file line name; do
        grep -qxF "$name" "$names" || echo "$file:$line:$name"
    done
}

fail_on < <(paths)
fail_on < <(links)
fail_on < <(bare)
[ "$failed" -eq 0 ] && echo "paths: all that ${#files[@]} files name are there"
exit "$failed"
