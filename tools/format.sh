#!/usr/bin/env bash
# clang-format 14 over the C files given, or over those that changed since main; tables (*.def) are left as they are.
# Needs the Debian package clang-format-14. Usage: tools/format.sh [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."
command -v clang-format-14 >/dev/null || { echo "format: apt-get install clang-format-14" >&2; exit 1; }
if [ $# -eq 0 ]; then
    mapfile -t changed < <(git diff --name-only --diff-filter=d "$(git merge-base main HEAD)" -- '*.c' '*.h' '*.inc'
        git ls-files --others --exclude-standard -- '*.c' '*.h' '*.inc')
    set -- "${changed[@]}"
fi
[ $# -eq 0 ] || clang-format-14 -i "$@"
