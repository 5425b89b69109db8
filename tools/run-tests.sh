#!/usr/bin/env bash
# Builds and runs the tests; the closing line is `N passed, N failed`, summed over the single TESTs of all programs.
#   tools/run-tests.sh          whole suite on the release build; the suite `smoke` (tests/meson.build), less what takes
#                               long (LONG_TEST, tests/test.h), with SIMD off (without the parsers' corpora, the suite
#                               `fuzz`) and under the address and undefined-behaviour sanitizers; its programs that
#                               start threads, the suite `threads`, under the thread sanitizer
#   tools/run-tests.sh --all    the whole suite under each of them and the debug build; writes docs/test-results.md;
#                               with names of tests behind it only those, and build/test-results.md; what passed
#                               at the same commit before a stop is not run again
#   tools/run-tests.sh --fuzz   the fuzz targets under the address and undefined-behaviour sanitizers
# A program that ends without its own closing line, or badly although it counts no failure, is one failure.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-} names=("${@:2}")
page=docs/test-results.md
[ ${#names[@]} -eq 0 ] || page=build/test-results.md
rows=$(mktemp)
kept= # folder with the logs of what passed at this commit
if [ "$mode" = --all ] && [ ${#names[@]} -eq 0 ] && git diff --quiet HEAD -- . ":!$page" 2>/dev/null; then
    kept=build/test-all/$(git rev-parse HEAD)
fi
trap 'rm -f "$rows"' EXIT
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1 TSAN_OPTIONS=halt_on_error=1

# The thread sanitizer of GCC 12 needs its address layout; kernels with more random bits than it knows need this.
still=()
setarch -R true 2>/dev/null && still=(setarch -R)

# build FOLDER MESON-ARGUMENT...
build() {
    local dir=$1
    shift
    if [ ! -f "$dir/build.ninja" ]; then
        meson setup "$dir" "$@" >"$dir.log" 2>&1 || { tail -n 30 "$dir.log"; return 1; }
        rm -f "$dir.log"
    fi
}

# Sums a meson log: "passed failed skipped" last, after a line for each failed or skipped TEST.
count() {
    awk -v part="$1" '
    function close_program() {
        if (!program) return
        if (!closed) { failed++; print "FAIL " part ": " program ": ended without a closing line (" result ")" }
        else if (bad == 0 && result !~ /exit status 0/) {
            failed++; print "FAIL " part ": " program ": " result " after all its tests passed"
        }
        program = ""
    }
    /^=+ +[0-9]+\/[0-9]+ +=+$/ { close_program(); next }
    /^test: / { program = $0; sub(/^test: +/, "", program); closed = bad = 0; result = ""; next }
    /^result: / { result = $0; sub(/^result: +/, "", result); next }
    /^FAIL / { print "FAIL " part ": " program ": " substr($0, 6); next }
    /^SKIP / { print "SKIP " part ": " program ": " substr($0, 6); next }
    /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
        passed += $1; failed += $3; skipped += $5; bad = $3; closed = 1
    }
    END { close_program(); print passed + 0, failed + 0, skipped + 0 }' "$2"
}

# programs WELL LOG: the records of a meson log whose programs passed (1), or of those that did not (0).
programs() {
    awk -v well="$1" '
    function close_record() {
        if (record != "" && (good && closed) == well) printf "%s", record
        record = ""; good = closed = 0
    }
    /^=+ +[0-9]+\/[0-9]+ +=+$/ { close_record(); record = $0 "\n"; next }
    record == "" { next }
    { record = record $0 "\n" }
    /^result: +exit status 0/ { good = 1 }
    /^[0-9]+ passed, 0 failed, [0-9]+ skipped$/ { closed = 1 }
    END { close_record() }' "$2"
}

# keep LOG KEPT: moves what passed from a log of this part and commit to the end of KEPT.
keep() {
    [ -f "$1" ] && [ "$(cat "$1.of" 2>/dev/null)" = "$2" ] || return 0
    programs 1 "$1" >>"$2"
    programs 0 "$1" >"$1.rest"
    mv "$1.rest" "$1"
}

# run_part NAME FOLDER ENVIRONMENT MESON-TEST-ARGUMENT...: leaves whole.txt, the log of all programs.
run_part() {
    local dir=$2 environment=$3 log=$2/meson-logs/part.txt before="$kept/$1.log" todo=()
    shift 3
    if [ -n "$kept" ]; then
        mkdir -p "$kept"
        keep "$log" "$before"
        touch "$before"
        mapfile -t todo < <(meson test -C "$dir" --no-rebuild --list 2>/dev/null |
            awk 'FILENAME != "-" {if (/^test: /) done[$NF]; next} NF && !($NF in done) {print $NF}' "$before" -)
    fi
    rm -f "$log" "${log%/*}/whole.txt"
    if [ -z "$kept" ] || [ ${#todo[@]} -gt 0 ]; then
        if [ -n "$kept" ]; then # of tests by name meson builds no more than these
            echo "$before" >"$log.of"
            ninja -C "$dir" >"$dir/part.out" 2>&1 || return 0
        fi
        env $environment "${still[@]}" meson test -C "$dir" --logbase part "$@" "${todo[@]}" \
            >"$dir/part.out" 2>&1 || true
        [ -f "$log" ] || return 0 # the build failed, or meson itself
        [ -z "$kept" ] || keep "$log" "$before"
    fi
    cat ${kept:+"$before"} $([ ! -f "$log" ] || echo "$log") >"${log%/*}/whole.txt"
}

# part NAME FOLDER ENVIRONMENT MESON-TEST-ARGUMENT...
part() {
    local name=$1 dir=$2 log=$2/meson-logs/whole.txt sums seconds=0
    echo "== $name"
    run_part "$@"
    if [ ! -f "$log" ]; then
        tail -n 40 "$dir/part.out"
        sums="0 1 0"
    else
        sums=$(count "$name" "$log")
        seconds=$(awk '/^duration: / {s += $2} END {printf "%.0f", s}' "$log")
        printf '%s\n' "$sums" | sed '$d'
        sums=$(printf '%s\n' "$sums" | tail -n 1)
        [ "${sums#* 0 }" != "$sums" ] || # a sanitizer's report, where one made the failure
            grep -A 25 -m 3 'ERROR:.*Sanitizer\|runtime error\|WARNING: ThreadSanitizer' "$log" | head -n 80 || true
    fi
    echo "$name|$sums|$seconds" >>"$rows"
    echo "$sums $seconds" | awk '{printf "   %d passed, %d failed, %d skipped, %d s\n", $1, $2, $3, $4}'
}

suite=(--suite smoke) threads=(--suite threads) plain=(--suite smoke --no-suite fuzz) brief=UNET_TEST_SHORT=1
patience=3 # times the seconds that tests/meson.build gives a test
[ "$mode" != --all ] || { suite=() threads=() plain=() brief=; patience=10; export UNET_TEST_ALL=1; }
sanitized=(--buildtype=custom -Doptimization=1 -Ddebug=false -Dc_args=-g1 -Db_ndebug=false)
if [ "$mode" = --fuzz ]; then
    build build-asan "${sanitized[@]}" -Db_sanitize=address,undefined
    part "fuzz, address and undefined-behaviour sanitizers" build-asan "" -t 5 --suite fuzz
else
    build build --buildtype=release
    ninja -C build >build/ninja.out || { tail -n 40 build/ninja.out; echo "0 passed, 1 failed"; exit 1; }
    part "release" build "" -t 3 "${names[@]}"
    part "SIMD off" build "UNET_CPU=ref $brief" -t $patience "${plain[@]}" "${names[@]}"
    [ "$mode" != --all ] || ! grep -qw avx512f /proc/cpuinfo ||
        part "AVX-512 off" build UNET_CPU=avx2 -t 3 "${names[@]}"
    build build-asan "${sanitized[@]}" -Db_sanitize=address,undefined
    part "address and undefined-behaviour sanitizers" build-asan "$brief" -t $((patience + 2)) "${suite[@]}" \
        "${names[@]}"
    build build-tsan "${sanitized[@]}" -Db_sanitize=thread
    part "thread sanitizer" build-tsan "$brief" -t $((patience + 7)) "${threads[@]}" "${names[@]}"
    if [ "$mode" = --all ]; then
        build build-debug --buildtype=debug -Doptimization=g -Db_ndebug=false
        part "debug build" build-debug "" -t $patience "${names[@]}"
    fi
fi

if [ "$mode" = --all ]; then
    {
        echo "# Last run of everything under every build"
        echo
        echo "Written by \`make test-all\` at commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)," \
            "$(date -u +%Y-%m-%d), on $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores."
        echo
        echo "| build | passed | failed | skipped | seconds of all programs |"
        echo "|---|--:|--:|--:|--:|"
        awk -F'|' '{split($2, n, " "); print "| " $1 " | " n[1] " | " n[2] " | " n[3] " | " $3 " |"}' "$rows"
    } >"$page"
fi

awk -F'|' '{split($2, n, " "); p += n[1]; f += n[2]; s += n[3]}
    END {if (s) print s " skipped (named above)"; print p " passed, " f " failed"; exit f > 0}' "$rows"
