#!/usr/bin/env bash
# `make bench-bf16`: networks trained for a short while on the bundled nuclei predict the pictures of test.txt in
# float32 and in bf16: pixels whose class is the same, and both scores; then what training in either comes to with three
# seeds (docs/precision.md).
#   bench/precision.sh [--steps N] [FILTERS...]   300 steps; 16 and 32 filters
set -euo pipefail
cd "$(dirname "$0")/.."

steps=300
[ "${1:-}" != --steps ] || { steps=$2; shift 2; }
[ $# -gt 0 ] || set -- 16 32
ninja -C build src/cli/unet bench/agreement >build/ninja.out || { tail -n 40 build/ninja.out; exit 1; }
unet=build/src/cli/unet
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
pictures=()
while read -r name; do pictures+=("examples/nuclei/images/$name.png"); done <examples/nuclei/test.txt

# train FILTERS PRECISION SEED: $work/FILTERS.safetensors.
train() {
    "$unet" train examples/nuclei -o "$work/$1.safetensors" --steps "$steps" model.base_filters="$1" --precision "$2" \
        --seed "$3" --overwrite --quiet >"$work/log" || { cat "$work/log"; exit 1; }
}

for filters in "$@"; do
    model=$work/$filters.safetensors
    train "$filters" float32 1
    for precision in float32 bf16; do
        "$unet" predict "$model" "${pictures[@]}" -o "$work/$precision" --precision $precision --quiet \
            >"$work/log"
        "$unet" eval "$model" examples/nuclei --split test --precision $precision \
            >"$work/$precision.txt" 2>"$work/log"
    done
    same=$(build/bench/agreement "$work/float32" "$work/bf16")
    echo "$filters filters, $steps steps: $same"
    for precision in float32 bf16; do sed -n "3,6s/^/  $(printf %7s $precision): /p" "$work/$precision.txt"; done
    rm -r "$work/float32" "$work/bf16"
done

for filters in "$@"; do
    for precision in float32 bf16; do
        for seed in 1 2 3; do
            train "$filters" $precision $seed
            "$unet" eval "$work/$filters.safetensors" examples/nuclei --split test >"$work/text" 2>"$work/log"
            echo "$filters filters, $steps steps, trained in $precision, seed $seed: pooled Dice, IoU" \
                "$(awk '$1 == "object" {print $2 ", " $3}' "$work/text" | head -n 1)"
        done
    done
done
