#!/usr/bin/env bash
# `make bench-recompute`: what it costs to make blocks of the encoder again in the backward pass, against keeping them
# and against making only again what norms make (the default): the median step of short runs and the memory that
# they held, in turns (docs/planning.md).
#   bench/recompute.sh [--rounds N]
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

rounds=3
[ "${1:-}" != --rounds ] || rounds=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache

# step FILTERS SIDE BATCH RECOMPUTE: "MiB seconds": the most that a run of seven steps held, its median step.
step() {
    build/src/cli/unet train examples/nuclei -o "$work/model" --overwrite --steps 7 --threads 1 model.depth=4 \
        model.base_filters="$1" train.patch="[1, $2, $2]" train.batch="$3" train.recompute="$4" train.val_interval=7 \
        --json >"$work/result" 2>"$work/log"
    echo "$(sed -n 's/.*"peak_bytes":\([0-9]*\).*/\1/p' "$work/result" | awk '{print int($1 / 1048576)}')" \
        "$(awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) if ($i == "seconds") c = i; next}
            NR > 2 {print $c - last} {last = $c}' "$work/model.run/log.csv" | median)"
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

echo "one thread, $rounds rounds, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores," \
    "commit $(git rev-parse --short HEAD)"
echo
echo "| network | recompute | MiB | ms a step | against off | against norms |"
echo "|---|---|--:|--:|--:|--:|"
while read -r filters side batch; do
    for ((i = 0; i < rounds; i++)); do
        for form in off norms on; do step "$filters" "$side" "$batch" $form >>"$work/$filters-$form"; done
    done
    norms=
    for form in off norms on; do
        ms=$(awk '{print 1000 * $2}' "$work/$filters-$form" | median)
        [ $form != off ] || off=$ms
        [ $form != norms ] || norms=$ms
        awk -v ms="$ms" -v off="$off" -v norms="$norms" -v mib="$(head -n 1 "$work/$filters-$form")" \
            -v row="| $filters filters, ${side}x$side, batch $batch | $form" 'BEGIN {
                sub(/ .*/, "", mib)
                printf "%s | %s | %.0f | %+.0f %% | %s |\n", row, mib, ms, 100 * (ms / off - 1),
                    norms ? sprintf("%+.0f %%", 100 * (ms / norms - 1)) : ""
            }'
    done
done <<NETWORKS
16 192 8
32 256 4
64 256 2
NETWORKS
