# shellcheck shell=bash
# What stands beside a measured figure; read in by the scripts of this folder.

# last_change FOLDER...: the commit that touched them last; "-changed" when they hold what is not committed.
last_change() {
    local at
    at=$(git log -1 --format=%h -- "$@" 2>/dev/null) && [ -n "$at" ] || { echo unknown; return; }
    git diff --quiet HEAD -- "$@" && echo "$at" || echo "$at-changed"
}
commit=$(last_change src include meson.build)
export commit

processor() {
    awk -F': *' '{sub(/[ \t]+$/, "", $1)} !($1 in v) {v[$1] = $2}
        END {printf "%s (family %s model %s)", v["model name"], v["cpu family"], v["model"]}' /proc/cpuinfo
}
