#!/usr/bin/env bash
# What a plan states beside what is measured: peak memory of the process and time of the training, each of short
# default runs on six public sets. Rows go to accuracy/estimates.tsv (a row a set), the table into docs/planning.md.
#   accuracy/estimates.sh [SET...]      SECONDS_EACH=40; UNET, UNET_SHARED as in accuracy/run.sh
# Wants a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
. accuracy/common.sh
unet=${UNET:-build/src/cli/unet}
data=${UNET_SHARED:-../shared}/data
each=${SECONDS_EACH:-40}
rows=accuracy/estimates.tsv page=docs/planning.md
sets=("$@")
[ $# -gt 0 ] || sets=(isbi2012_em dsb2018_stage1 msd_hippocampus camvid11 wbc_dataset1 water12)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

of_run() { number "$1" "$tmp/json"; }

for set in "${sets[@]}"; do
    [ -d "$data/$set" ] || { echo "SKIP $set: there is no $data/$set"; continue; }
    keys=
    [ "$set" != camvid11 ] || keys=data.ignore=[11]
    "$unet" plan "$data/$set" --quiet >"$tmp/plan" $keys # what the scan takes is neither stated nor trained
    "$unet" train "$data/$set" -o "$tmp/model" --time "$each" --overwrite --quiet --json $keys >"$tmp/json"
    row=$(awk -v stated="$(of_run stated_bytes)" -v peak="$(of_run peak_bytes)" -v time="$(of_run stated_seconds)" \
        -v seconds="$(of_run seconds)" -v steps="$(of_run steps)" -v OFS='\t' 'BEGIN {
            print sprintf("%.0f", stated / 1048576), sprintf("%.0f", peak / 1048576),
                sprintf("%+.0f %%", 100 * (stated / peak - 1)), sprintf("%.1f", time), sprintf("%.1f", seconds),
                sprintf("%+.0f %%", 100 * (time / seconds - 1)), steps}')
    row=$row$'\t'$(processor)$'\t'$commit
    put_row "$rows" 1 "$set"$'\t'"$row"
    printf '%s\t%s\n' "$set" "$row"
done
[ -f "$rows" ] || exit 0
{
    echo "| set | MiB stated | measured | off by | s stated | measured | off by | steps | CPU, 2 threads | commit |"
    echo "|---|--:|--:|--:|--:|--:|--:|--:|---|---|"
    sed 's/\t/ | /g; s/^/| /; s/$/ |/' "$rows"
} | put_table "$page"
