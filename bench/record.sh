#!/usr/bin/env bash
# Figures of this processor for docs/benchmarks.md, of a machine that does nothing else, in bench/results/CPU-KIND.tsv:
#   bench/record.sh scaling [OPTION of build/bench/speed | CASE]...   one and two threads in turns
#   bench/record.sh bf16 [OPTION | CASE]...                           float32 and bf16 in turns (AVX-512 BF16)
#   bench/record.sh memory [OPTION]...    64 filters: milliseconds by what a session may hold, and processes under --mem
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/common.sh

make_work
case ${1:-} in
scaling | bf16) build/bench/speed --tsv "--$1" "${@:2}" | tee "$work/table" ;;
memory)
    build/bench/speed --tsv --memory "${@:2}" infer-64-256x256x3 | tee "$work/table"
    read -r level cpu version < <(tail -n 1 "$work/table" | awk -F'\t' '{gsub(" ", "_", $10); print $9, $10, $11}')
    create "$work/model" 64
    least=$(predict "$work/model" --mem 2M 2>&1 | sed -n 's/.*prediction needs \([0-9]*\) MiB.*/\1/p' | head -n 1 || :)
    caps=(none 400M 200M 160M "${least}M")
    for _ in 1 2 3; do # in turns
        for cap in "${caps[@]}"; do
            if [ "$cap" = none ]; then predict "$work/model"; else predict "$work/model" --mem "$cap"; fi \
                >>"$work/runs-$cap"
        done
    done
    for cap in "${caps[@]}"; do
        name=predict-64-256x256x3
        [ "$cap" = none ] || name+=" --mem $cap"
        printf '%s\t1\tfloat32\t%s\t%s\t%s\t-\t-\t%s\t%s\t%s\n' "$name" \
            "$(cut -d' ' -f1 "$work/runs-$cap" | median)" "$(cut -d' ' -f1 "$work/runs-$cap" | least)" \
            "$(mib <"$work/runs-$cap")" "$level" "${cpu//_/ }" "$version" | tee -a "$work/table"
    done
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
store "$1" <"$work/table"
