#!/usr/bin/env bash
# `make bench-instructions`: instructions of inference and training at the AVX2 level, counted by valgrind, against
# bench/instructions.tsv: more or fewer by over 3 % fail. Counted are the first run, which packs weights, and one more.
#   bench/instructions.sh          compares; says SKIP where there is no valgrind or another compiler
#   bench/instructions.sh --write  stores the counts
# UNET_OURS: the program, of a release build; build/bench/ours is built when not given. A test of the suite, too.
set -euo pipefail
cd "$(dirname "$0")/.."

stored=bench/instructions.tsv
compiler=$(cc --version | head -n 1)
ours=${UNET_OURS:-build/bench/ours}
skip() {
    echo "SKIP instructions: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
command -v valgrind >/dev/null || skip "valgrind is not installed (Debian package valgrind)"
grep -q '\bavx2\b' /proc/cpuinfo || skip "this CPU has no AVX2"
[ "${1:-}" = --write ] || [ "$(sed -n 's/^# //p' $stored)" = "$compiler" ] ||
    skip "stored with $(sed -n 's/^# //p' $stored), here is $compiler"
[ -n "${UNET_OURS:-}" ] || ninja -C build bench/ours >build/ninja.out || { tail -n 40 build/ninja.out; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
classic=(model.classes=2 model.norm=batch model.head=softmax train.steps=9 'loss.terms=[ce]' loss.class_weights=none
    optimiser.ema_decay=0)

# count FUNCTIONS ARGUMENTS-OF-OURS...: instructions inside these functions, over two runs
count() {
    local collect=() out="$work/callgrind"
    for f in $1; do collect+=("--toggle-collect=$f"); done
    shift
    if ! echo "run 1" | UNET_CPU=avx2 valgrind --tool=callgrind "${collect[@]}" --callgrind-out-file="$out" \
        "$ours" "$@" >"$work/log" 2>&1; then
        tail -n 20 "$work/log" >&2
        return 1
    fi
    sed -n 's/^totals: //p' "$out"
}

# infer NAME N D H W C KEYS...; train NAME N D H W C KEYS...
infer() {
    local name=$1 n=$2 d=$3 h=$4 w=$5 c=$6
    shift 6
    "$ours" create "$work/net" "$@" "model.in_channels=$c" "${classic[@]}"
    head -c $((n * d * h * w * c * 4)) /dev/zero >"$work/image"
    printf '%s\t%s\n' "$name" \
        "$(count un_session_run infer "$work/net" "$work/image" "$work/out" 1 "$n" "$d" "$h" "$w")"
}

train() {
    local name=$1 n=$2 d=$3 h=$4 w=$5 c=$6 patch="[$3,$4,$5]"
    shift 6
    [ "$d" != 1 ] || patch="[$h,$w]"
    "$ours" create "$work/net" "$@" "model.in_channels=$c" "train.batch=$n" "train.patch=$patch" \
        "${classic[@]}"
    head -c $((n * d * h * w * c * 4)) /dev/zero >"$work/image"
    head -c $((n * d * h * w * 4)) /dev/zero >"$work/target"
    printf '%s\t%s\n' "$name" \
        "$(count "un_engine_accumulate un_engine_apply" train "$work/net" "$work/image" "$work/target" 1)"
}

{
    echo "# $compiler"
    infer predict-2d 1 1 64 64 3 model.dims=2 model.depth=3 model.base_filters=16
    infer predict-3d 1 16 16 16 1 model.dims=3 model.depth=2 model.base_filters=16
    train train-2d 2 1 48 48 3 model.dims=2 model.depth=3 model.base_filters=8
    train train-3d 2 8 16 16 1 model.dims=3 model.depth=2 model.base_filters=8
} >"$work/counts"
if [ "${1:-}" = --write ]; then
    cp "$work/counts" $stored
    cat $stored
    exit 0
fi
grep -v '^#' "$work/counts" | join -t "$(printf '\t')" - <(grep -v '^#' $stored) | awk -F'\t' '
    { by = 100 * ($2 / $3 - 1); bad = by > 3 || by < -3; failed += bad
      printf "%s instructions %s: %.0f, stored %.0f, %+.1f %%\n", bad ? "FAIL" : "PASS", $1, $2, $3, by }
    END { printf "%d passed, %d failed, 0 skipped\n", NR - failed, failed
          if (failed) print "bench/instructions.sh --write stores the new counts, if they are meant"
          exit failed > 0 }'
