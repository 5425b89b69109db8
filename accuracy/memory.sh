#!/usr/bin/env bash
# The network of 64 filters and depth 4 on patches of 256x256, two a step, trained for three steps on the bundled
# nuclei at --mem 4G, at 2G and at the least that a refusal names: what was stated and held. The table goes into
# docs/planning.md.
#   accuracy/memory.sh      UNET as in accuracy/run.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
. accuracy/common.sh
unet=${UNET:-build/src/cli/unet}
page=docs/planning.md
nuclei=examples/nuclei
keys=(train.steps=3 'train.patch=[256,256]' train.batch=2 model.base_filters=64 model.depth=4
    train.val_interval=3 train.select_share=0.02 data.val_share=0.02) # one selection by few pictures
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

least=$({ "$unet" plan "$nuclei" --mem 2M --quiet "${keys[@]}" 2>&1 || true; } |
    sed -n 's/.*the smallest plan needs \([0-9]*\) MiB.*/\1/p')
for mem in 4G 2G "${least}M"; do
    "$unet" train "$nuclei" -o "$tmp/model" --overwrite --quiet --json --mem "$mem" "${keys[@]}" \
        >"$tmp/json" 2>"$tmp/text"
    [ "$mem" != "${least}M" ] || mem="$mem, the least"
    awk -v mem="$mem" -v stated="$(number stated_bytes "$tmp/json")" -v peak="$(number peak_bytes "$tmp/json")" \
        -v ghost="$(setting ghost_batch "$tmp/model.run")" -v recompute="$(setting recompute "$tmp/model.run")" \
        -v facts="$(processor) | $commit" 'BEGIN {
            printf "| %s | %.0f | %.0f | %s | ", mem, stated / 1048576, peak / 1048576, ghost
            printf "%s | %s |\n", recompute, facts
        }' | tee -a "$tmp/rows"
done
{
    echo "| \`--mem\` | stated | held | at once | \`train.recompute\` | CPU | commit |"
    echo "|--:|--:|--:|--:|---|---|---|"
    cat "$tmp/rows"
} | put_table "$page"
