#!/usr/bin/env bash
# Is what `unet plan` chooses as good as what people write? The default command and four configurations written by hand
# (accuracy/by_hand), each with the same time and seed 1, on a set of pictures and one of volumes; scored once on the
# validation list by the mean Dice of the foreground, mean over pictures. Rows go to accuracy/by_hand.tsv, the table
# into docs/planning.md. What has a row is not run again: delete its row, or the file, to do so.
#   accuracy/by_hand.sh      SECONDS_EACH=300 (ten runs); UNET, UNET_SHARED as in accuracy/run.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
. accuracy/common.sh
unet=${UNET:-build/src/cli/unet}
data=${UNET_SHARED:-../shared}/data
each=${SECONDS_EACH:-300}
rows=${BY_HAND_ROWS:-accuracy/by_hand.tsv} page=${BY_HAND_PAGE:-docs/planning.md}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

touch "$rows"
for set in dsb2018_stage1 msd_hippocampus; do
    [ -d "$data/$set" ] || { echo "SKIP $set: there is no $data/$set"; continue; }
    for which in planned 1 2 3 4; do
        grep -q "^$set	$which	" "$rows" && continue
        config=()
        [ "$which" = planned ] || config=(--config "accuracy/by_hand/$set-$which.yaml")
        "$unet" train "$data/$set" -o "$tmp/model" "${config[@]}" --time "$each" --seed 1 --overwrite --quiet --json \
            >"$tmp/json"
        "$unet" eval "$tmp/model" "$data/$set" --split val -o "$tmp/eval" --quiet >"$tmp/text"
        dice=$(sed -n '/"class": "mean without background"/s/.*"Dice (per-image mean)": \([0-9.]*\).*/\1/p' \
            "$tmp/eval/scores.json")
        printf '%s\t%s\t%.4f\t%s\t%.0f\t%s\t%s\n' "$set" "$which" "$dice" "$(number steps "$tmp/json")" \
            "$(number seconds "$tmp/json")" "$(processor)" "$commit" | tee -a "$rows"
    done
done
awk -F'\t' '
    {
        set[NR] = $1; which[NR] = $2; dice[NR] = $3
        row[NR] = "| " $1 " | " $2 " | " $3 " | " $4 " | " $5 " | "
        rest[NR] = " | " $6 " | " $7 " |"
        if ($2 != "planned" && (!($1 in best) || $3 > best[$1])) best[$1] = $3
    }
    END {
        print "| set | configuration | Dice | steps | s | planned - best by hand | CPU, 2 threads | commit |"
        print "|---|---|--:|--:|--:|--:|---|---|"
        for (i = 1; i <= NR; i++)
            print row[i] (which[i] == "planned" && set[i] in best ? sprintf("%+.4f", dice[i] - best[set[i]]) : "") \
                rest[i]
    }' "$rows" | put_table "$page"
