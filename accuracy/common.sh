# shellcheck shell=bash
# Read in by the scripts of this folder: what stands beside a measured figure, and where it is taken from and put.

# last_change FOLDER...: the commit that touched them last; "-changed" when they hold what is not committed.
last_change() {
    local at
    at=$(git log -1 --format=%h -- "$@" 2>/dev/null) && [ -n "$at" ] || { echo unknown; return; }
    git diff --quiet HEAD -- "$@" && echo "$at" || echo "$at-changed"
}
# shellcheck disable=SC2034
commit=$(last_change src include meson.build)

processor() {
    awk -F': *' '{sub(/[ \t]+$/, "", $1)} !($1 in v) {v[$1] = $2}
        END {printf "%s (family %s model %s)", v["model name"], v["cpu family"], v["model"]}' /proc/cpuinfo
}

# number KEY FILE: the value of a key in one-line JSON. setting KEY RUN: of the settled configuration of a run.
number() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^,\"}]*\).*/\1/p" "$2" | head -n 1; }
setting() { sed -n "s/^  $1: *\([^#]*[^# ]\) *\(#.*\)\{0,1\}$/\1/p" "$2/config.yaml" | head -n 1; }

# put_table PAGE: the table on standard input takes the place of the one in the page with the same first two headings.
put_table() {
    awk -v page="$1" -F'|' '
        {table = table $0 "\n"}
        NR == 1 {key = $1 FS $2 FS $3 FS}
        END {
            while ((getline line < page) > 0) {
                if (index(line, key) == 1) {printf "%s", table; old = 1}
                old = old && line ~ /^\|/
                if (!old) print line
            }
        }' >"$1.new"
    mv "$1.new" "$1"
}

# put_row FILE COLUMNS ROW: the row takes the place of the one that begins with the same columns; the file stays sorted.
put_row() {
    {
        row=$3 awk -F'\t' -v n="$2" '
            BEGIN {split(ENVIRON["row"], new)}
            {for (i = 1; i <= n; i++) if ($i != new[i]) {print; next}}' "$1" 2>/dev/null || true
        printf '%s\n' "$3"
    } | sort >"$1.new"
    mv "$1.new" "$1"
}
