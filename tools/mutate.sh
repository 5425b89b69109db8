#!/usr/bin/env bash
# Plants the faults of tests/mutate/faults.txt one at a time in a copy of the sources and runs the tests named with
# each: a fault that no test notices shows where tests are blind. Passes when at least 19 of 20 are found.
# Usage: tools/mutate.sh [WORD]     only faults whose file or text holds WORD
# It can be stopped at any time: verdicts are kept in build-mutate/verdicts and stand for as long as the faulty file,
# the tests named and the fault do. A whole run writes docs/proofs.md. MUTATE_UNDER: a command before builds and tests.
set -euo pipefail
cd "$(dirname "$0")/.."
word=${1:-}
tree=build-mutate/tree build=build-mutate/build verdicts=build-mutate/verdicts
read -ra under <<<"${MUTATE_UNDER:-nice}"
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

# heal: puts back what the last fault changed, with a new time, so that it is compiled again.
heal() {
    [ ! -s build-mutate/planted ] || cat build-mutate/original >"$tree/$(cat build-mutate/planted)"
    rm -f build-mutate/planted
}

# program NAME: the test of that name, under the build folder.
program() {
    case $1 in
    kcheck) echo tests/kcheck ;;
    *) echo "tests/test_$1" ;;
    esac
}

# sources NAME: what makes the test of that name.
sources() {
    case $1 in
    kcheck) echo "$tree"/tests/kcheck/*.[ch] ;;
    *) echo "$tree/tests/unit/test_$1.c" ;;
    esac
}

# run NAME SECONDS: the test of that name; fails when it does, or takes longer.
run() {
    "${under[@]}" timeout "$2" "$build/$(program "$1")" >build-mutate/out 2>&1
}

# limit NAME: seconds that the test may take, from what it takes without a fault; it has to pass then.
limit() {
    local start
    "${under[@]}" ninja -C "$build" "$(program "$1")" >build-mutate/log 2>&1 ||
        { tail -n 30 build-mutate/log >&2; return 1; }
    start=$SECONDS
    run "$1" 1200 || { echo "the test $1 fails without a fault" >&2; tail -n 20 build-mutate/out >&2; return 1; }
    echo $((60 + 10 * (SECONDS - start)))
}

# try FILE TESTS OLD NEW: prints found, missed, stale (the text is no longer there) or bad (does not compile).
try() {
    local file=$1 tests=$2 verdict=missed targets=()
    for t in $tests; do targets+=("$(program "$t")"); done
    cp "$tree/$file" build-mutate/original
    echo "$file" >build-mutate/planted
    if plant "$tree/$file" "$3" "$4"; then
        if "${under[@]}" ninja -C "$build" "${targets[@]}" >build-mutate/log 2>&1; then
            for t in $tests; do
                run "$t" "${limits[$t]}" || { verdict=found; break; }
            done
        else
            verdict=bad
        fi
        heal
    else
        rm build-mutate/planted # nothing was
        verdict=stale
    fi
    echo "$verdict"
}

# key FILE TESTS OLD NEW: of what the verdict depends on, as it stands in the copy.
key() {
    local files=("$tree/$1")
    for t in $2; do files+=($(sources "$t")); done
    { cat "${files[@]}"; printf '%s\n' "$@"; } | cksum | tr ' ' -
}

mkdir -p "$tree"
touch "$verdicts"
heal
git ls-files -z | while IFS= read -r -d '' f; do # what differs gets a new time, so that it is compiled again
    cmp -s "$f" "$tree/$f" || cp --parents -t "$tree" "$f"
done
if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$tree" --buildtype=plain -Doptimization=1 -Db_ndebug=false >build-mutate/log
fi

declare -A limits # seconds, of the tests that have passed in this run
total=0 found=0 faults=()
while IFS= read -r line; do
    case $line in
    '@ '*) set -- ${line#@ }; file=$1; shift; tests=$* ;;
    '- '*) old=${line#- } old=${old//'\n'/$'\n'} ;;
    '+ '* | '+')
        new=${line#+}
        new=${new# } new=${new//'\n'/$'\n'}
        case "$file $old $new" in *"$word"*) ;; *) continue ;; esac
        key=$(key "$file" "$tests" "$old" "$new")
        verdict=$(sed -n "s/^$key //p" "$verdicts" | tail -n 1)
        if [ -z "$verdict" ]; then
            for t in $tests; do
                [ -n "${limits[$t]:-}" ] || limits[$t]=$(limit "$t")
            done
            verdict=$(try "$file" "$tests" "$old" "$new")
            echo "$key $verdict" >>"$verdicts"
        fi
        total=$((total + 1))
        text="$file: ${old//$'\n'/ } -> ${new//$'\n'/ }"
        if [ "$verdict" = found ]; then found=$((found + 1)); else faults+=("$verdict: $text"); fi
        printf '%-6s %s\n' "$verdict" "$text"
        ;;
    esac
done <tests/mutate/faults.txt
echo "$found of $total faults found"
if [ -z "$word" ]; then
    {
        echo "* $found of the $total planted faults made a test fail."
        [ ${#faults[@]} -eq 0 ] || printf '* Not found: `%s`.\n' "${faults[@]}"
        echo "* commit $(git rev-parse --short HEAD), $(date -u +%Y-%m-%d)."
    } | tools/proof.sh write mutate
fi
[ "$total" -gt 0 ] && [ $((found * 20)) -ge $((total * 19)) ]
