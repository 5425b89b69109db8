#!/usr/bin/env bash
# Proofs that are too long for every test run. Each writes its part of docs/proofs.md.
#   tools/proof.sh kill             100 trainings killed at random moments, each to the end (make kill)
#   tools/proof.sh coverage         lines of each own parser that the fuzz corpora reach (make coverage)
#   tools/proof.sh write PART       PART of the page from standard input
set -euo pipefail
cd "$(dirname "$0")/.."
page=docs/proofs.md

# The lines between <!-- PART --> and <!-- end --> become those of standard input.
write_part() {
    local text
    text=$(cat)
    grep -qx "<!-- $1 -->" "$page" || { echo "$page has no part $1" >&2; return 1; }
    text=$text awk -v head="<!-- $1 -->" '
        $0 == head { print; print ENVIRON["text"]; skip = 1; next }
        $0 == "<!-- end -->" { skip = 0 }
        !skip' "$page" >"$page.new"
    mv "$page.new" "$page"
}

stamp() {
    echo "commit $(git rev-parse --short HEAD), $(date -u +%Y-%m-%d)"
}

kill_proof() {
    local out start=$SECONDS
    ninja -C build tests/test_kill src/cli/unet >/dev/null
    out=$(UNET_KILLS=100 UNET_COMMAND=$PWD/build/src/cli/unet build/tests/test_kill -v) ||
        { printf '%s\n' "$out"; return 1; }
    printf '%s\n' "$out"
    printf '%s\n' "$out" | sed -n 's/^# //p' | sed 's/^/* /; s/$/./' |
        cat - <(echo "* $(stamp); $((SECONDS - start)) s.") | write_part kill
}

# Which lines of the parsers the replay of the corpora reaches, the changed copies of `make test` included.
coverage_proof() {
    local dir=build-coverage table targets=() programs failed=0
    [ -f "$dir/build.ninja" ] ||
        meson setup "$dir" --buildtype=custom -Doptimization=0 -Ddebug=false -Db_coverage=true >/dev/null
    programs=$(meson test -C "$dir" --no-rebuild --list --suite fuzz 2>/dev/null | sed -n 's/.* \/ //p')
    for name in $programs; do targets+=("tests/$name"); done
    ninja -C "$dir" "${targets[@]}" >/dev/null
    find "$dir" -name '*.gcda' -delete
    for name in $programs; do "$dir/tests/$name" "tests/fuzz/corpus/${name#fuzz_}"; done
    table=$(tools/coverage.py "$dir" tests/fuzz/parsers.txt) || failed=1
    printf '%s\n' "$table" | tee /dev/stderr | cat - <(printf '\n%s\n' "$(stamp).") | write_part coverage
    return $failed
}

case ${1:-} in
kill) kill_proof ;;
coverage) coverage_proof ;;
write) write_part "$2" ;;
*) sed -n '2,5s/^# //p' "$0"; exit 2 ;;
esac
