#!/usr/bin/env bash
# Plants the faults of tests/mutate/faults.txt one at a time in a copy of the sources and runs the tests named with
# each: a fault that no test notices shows where tests are blind. Passes when at least 19 of 20 are found.
# Usage: tools/mutate.sh [WORD]     only faults whose file or text holds WORD
set -euo pipefail
cd "$(dirname "$0")/.."
word=${1:-}
tree=build-mutate/tree build=build-mutate/build
mkdir -p "$tree"
git ls-files -z | xargs -0 cp -pu --parents -t "$tree"
if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$tree" --buildtype=plain -Doptimization=1 -Db_ndebug=false >build-mutate/log
fi
ninja -C "$build" >build-mutate/log || { tail -n 30 build-mutate/log; exit 1; }
export UNET_SHARED=${UNET_SHARED:-$PWD/../shared}

# plant FILE OLD NEW: replaces the one place where OLD stands; fails when there is none or more.
plant() {
    old=$2 new=$3 awk 'BEGIN {RS = "\001"; ORS = ""}
        {
            at = index($0, ENVIRON["old"])
            rest = substr($0, at + length(ENVIRON["old"]))
            if (!at || index(rest, ENVIRON["old"])) exit 3
            print substr($0, 1, at - 1) ENVIRON["new"] rest
        }' "$1" >"$1.planted" || { rm -f "$1.planted"; return 1; }
    mv "$1.planted" "$1"
}

# program NAME: the test of that name, under the build folder.
program() {
    case $1 in
    kcheck) echo tests/kcheck ;;
    *) echo "tests/test_$1" ;;
    esac
}

# try FILE TESTS OLD NEW: prints found, missed, stale (the text is no longer there) or bad (does not compile).
try() {
    local file=$1 tests=$2 verdict=missed targets=()
    cp "$file" build-mutate/original
    if plant "$tree/$file" "$3" "$4"; then
        for t in $tests; do targets+=("$(program "$t")"); done
        if ninja -C "$build" "${targets[@]}" >build-mutate/log 2>&1; then
            for t in $tests; do
                timeout 120 "$build/$(program "$t")" >build-mutate/out 2>&1 || { verdict=found; break; }
            done
        else
            verdict=bad
        fi
    else
        verdict=stale
    fi
    cat build-mutate/original >"$tree/$file" # with a new time, so that it is compiled again
    echo "$verdict"
}

total=0 found=0
while IFS= read -r line; do
    case $line in
    '@ '*) set -- ${line#@ }; file=$1; shift; tests=$* ;;
    '- '*) old=${line#- } old=${old//'\n'/$'\n'} ;;
    '+ '* | '+')
        new=${line#+}
        new=${new# } new=${new//'\n'/$'\n'}
        case "$file $old $new" in *"$word"*) ;; *) continue ;; esac
        verdict=$(try "$file" "$tests" "$old" "$new")
        total=$((total + 1))
        [ "$verdict" = found ] && found=$((found + 1))
        printf '%-6s %s: %s -> %s\n' "$verdict" "$file" "${old//$'\n'/ }" "${new//$'\n'/ }"
        ;;
    esac
done <tests/mutate/faults.txt
echo "$found of $total faults found"
[ "$total" -gt 0 ] && [ $((found * 20)) -ge $((total * 19)) ]
