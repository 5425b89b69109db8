#!/usr/bin/env bash
# Runs the commands of docs/training.md and puts what they print below them. In blocks that begin with ```console a
# line that begins with "$ " is a command and all others are what it printed the last time. The commands share one
# folder, which is gone afterwards; `examples` in it is that of the project.
# Usage: tools/handbook.sh [PAGE]      UNET: the program
set -euo pipefail
cd "$(dirname "$0")/.."
page=${1:-docs/training.md}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/run"
ln -s "$(realpath "${UNET:-build/src/cli/unet}")" "$folder/bin/unet"
ln -s "$PWD/examples" "$folder/run/examples"
export PATH="$folder/bin:$PATH" XDG_CACHE_HOME="$folder/cache" LC_ALL=C.UTF-8 COLUMNS=100

inside=0
while IFS= read -r line; do
    case $line in
    '```console') inside=1 ;;
    '```') inside=0 ;;
    '$ '*)
        if [ $inside = 1 ]; then
            printf '%s\n' "$line"
            (cd "$folder/run" && bash -c "${line#??}" 2>&1 </dev/null || true) | sed 's/[[:space:]]*$//'
            continue
        fi
        ;;
    *) [ $inside = 0 ] || continue ;;
    esac
    printf '%s\n' "$line"
done <"$page" >"$folder/page"
cat "$folder/page" >"$page"
