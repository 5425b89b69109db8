#!/usr/bin/env bash
# `make bench-start`: from the start of the process to the mask. unet predict of a 256x256 picture by networks of 16, 32
# and 64 filters with random weights, one thread, files in memory, a fresh process each time, in turns; beside it the
# network alone (bench/ours, after its first run), the bytes of its packed weights and the copy bandwidth. Into
# bench/results/CPU-start.tsv.
#   bench/start.sh [--rounds N]   15 rounds
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

rounds=15
[ "${1:-}" != --rounds ] || rounds=$2
make_work
head -c $((256 * 256 * 3 * 4)) /dev/zero >"$work/image"
widths=(16 32 64)
for filters in "${widths[@]}"; do create "$work/$filters" "$filters"; done

# network FILTERS: the network alone; what bench/ours says of it, and its times.
network() {
    printf 'run 5\npacked\n' |
        build/bench/ours infer "$work/$1" "$work/image" "$work/out" 1 1 1 256 256 >"$work/$1.facts"
    sed -n 's/^{"ms":\[\(.*\)\],.*/\1/p' "$work/$1.facts" | tr ',' '\n' | median >>"$work/$1.network"
}

for ((i = 0; i < rounds; i++)); do
    for filters in "${widths[@]}"; do
        predict "$work/$filters" >>"$work/$filters.process"
        network "$filters"
    done
done
copy=$(build/bench/speed --threads 1 none | sed -n 's|.*copy \([0-9.]*\) GB/s.*|\1|p')
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)

# fact FILTERS NAME: a value of the JSON lines.
fact() { sed -nE "s/.*\"$2\":\"?([^\",}]*).*/\1/p" "$work/$1.facts" | head -n 1; }
{
    printf 'case\tthreads\tmedian_ms\tleast_ms\tnetwork_ms\tpacked_mib\tcopy_gb_s\tmib\tlevel\tcpu\tversion\n'
    for filters in "${widths[@]}"; do
        printf 'predict-%s-256x256x3\t1\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$filters" \
            "$(cut -d' ' -f1 "$work/$filters.process" | median)" "$(cut -d' ' -f1 "$work/$filters.process" | least)" \
            "$(median <"$work/$filters.network")" "$(echo "- $(fact "$filters" packed_kib)" | mib)" "$copy" \
            "$(mib <"$work/$filters.process")" "$(fact "$filters" level)" "$cpu" "$(fact "$filters" version)"
    done
} >"$work/table"
awk -F'\t' 'NR > 1 {
    packing = $1 ~ /-16-/ ? 0 : $6 * 1048576 / ($7 * 1e6)
    printf "%s: %.1f ms in all, %.1f beyond the network; asked: %.1f", $1, $3, $3 - $5, 20 + packing
    printf " (20, and %.1f for %s MiB of packed weights at %s GB/s)\n", packing, $6, $7
}' "$work/table"
store start <"$work/table"
