#!/usr/bin/env bash
# Each row of `unet list losses`, optimisers, regularisers and schedules at work on pictures: one small network, trained
# for a fixed number of steps on the bundled nuclei with nothing changed but that row, scored on the pictures of
# test.txt. Results go to accuracy/rows.tsv (a row each), the page to docs/rows.md. What has a result is not run again:
# a queue that was stopped goes on, and a new row of a registry is one more run. Other steps or another network below
# begin anew.
#   accuracy/rows.sh [LIST[/NAME]...] [again]   all, or a part (losses, optimisers/sam); again: also what has a result
#   accuracy/rows.sh list                       what is left to run
#   accuracy/rows.sh table                      only docs/rows.md
# Environment: UNET (program), ROWS_STEPS, ROWS_RESULTS and ROWS_PAGE (in place of those).
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
. accuracy/common.sh
unet=${UNET:-build/src/cli/unet}
results=${ROWS_RESULTS:-accuracy/rows.tsv} page=${ROWS_PAGE:-docs/rows.md}
steps=${ROWS_STEPS:-300}
data=examples/nuclei
common=(--steps "$steps" --threads 1 train.seed=1 model.base_filters=8 model.depth=4 'train.patch=[96,96]'
    train.batch=8)
lists=(losses optimisers regularisers schedules)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

text() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$2"; } # text KEY ROW: of a row of a registry as JSON

# keys_of LIST ROW: the words that choose it. A loss that does not go with the head of these data gets one of its own.
keys_of() {
    local name heads setting
    name=$(text name "$2") heads=$(text heads "$2") setting=$(text setting "$2")
    case $1 in
    losses)
        setting="loss.terms=[$name]"
        case " $heads " in *' softmax '*) ;; *) setting+=" model.head=${heads%% *}" ;; esac
        ;;
    optimisers) setting=${setting:-optimiser.name=$name} ;;
    schedules) setting=optimiser.schedule=$name ;;
    esac
    echo "$setting"
}

# result LIST NAME KEYS COLUMN: of its row; nothing where it was not run.
result() {
    awk -F'\t' -v key="$1 $2 $3" -v column="$4" '$1 " " $2 " " $3 == key {print $column}' "$results"
}

# queue: LIST, NAME and KEYS of all runs. A loss that alone stays far behind the default is run once more beside Dice,
# as rows in docs/losses.md ask for that are about one side of a mask.
queue() {
    local seed list row name keys
    for seed in 1 2 3; do printf 'defaults\tseed %s\ttrain.seed=%s\n' $seed $seed; done
    for list in "${lists[@]}"; do
        "$unet" list "$list" --json | while IFS= read -r row; do
            name=$(text name "$row")
            keys=$(keys_of "$list" "$row")
            printf '%s\t%s\t%s\n' "$list" "$name" "$keys"
            if [ "$list" = losses ] && awk -v alone="$(result "$list" "$name" "$keys" 7)" \
                -v usual="$(result defaults 'seed 1' train.seed=1 7)" \
                'BEGIN {exit !(alone != "" && alone != "-" && alone < usual - 0.1)}'; then
                printf '%s\t%s\t%s\n' "$list" "$name" "${keys/\[$name\]/[dice,$name]}"
            fi
        done
    done
}

# train KEYS: into $tmp/model, with the output in $tmp/json, events in $tmp/events and processor time in $tmp/time.
train() {
    local TIMEFORMAT='%U %S'
    # shellcheck disable=SC2086
    { time "$unet" train "$data" -o "$tmp/model" --overwrite --quiet --json "${common[@]}" $1 \
        >"$tmp/json" 2>"$tmp/events"; } 2>"$tmp/time"
}

# scores KEYS: the columns behind the keys, of what was trained.
scores() {
    "$unet" eval "$tmp/model" "$data" --split test --threads 1 --quiet --json >"$tmp/eval"
    awk -F, -v OFS='\t' -v dice="$(number image_mean "$tmp/eval")" -v cpu="$(cat "$tmp/time")" '
        NR == 1 {for (i = 1; i <= NF; i++) if ($i == "loss") column = i; next}
        {loss[NR - 1] = $column}
        END {
            n = NR - 1; few = n < 10 ? n : 10
            for (i = 1; i <= few; i++) {first += loss[i] / few; last += loss[n + 1 - i] / few}
            split(cpu, part, " ")
            print n, sprintf("%.4g", first), sprintf("%.4g", last), sprintf("%.4f", dice),
                sprintf("%.0f", 1000 * (part[1] + part[2]) / n)
        }' "$tmp/model.run/log.csv"
}

# one LIST NAME KEYS: a refusal (exit code 2 or 7) and a loss that is no number (9) are results with their reason.
one() {
    local rc=0 columns reason=- machine
    machine=$(processor)
    train "$3" || rc=$?
    case $rc in
    0) columns=$(scores) machine+=", $(number cpu_level "$tmp/model.run/environment.json")" ;;
    2 | 7 | 9) columns=-$'\t'-$'\t'-$'\t'-$'\t'- reason=$(text message "$(tail -n 1 "$tmp/events")") ;;
    130) exit 130 ;;
    *)
        echo "FAIL $1 $2 (exit code $rc)"
        tail -n 2 "$tmp/events"
        return 1
        ;;
    esac
    put_row "$results" 3 "$1"$'\t'"$2"$'\t'"$3"$'\t'"$columns"$'\t'"$machine"$'\t'"$commit"$'\t'"$reason"
    [ "$1 $3" != "defaults train.seed=1" ] ||
        put_row "$results" 3 "floor"$'\t'"$(number name "$tmp/eval")"$'\t'-$'\t'-$'\t'-$'\t'-$'\t'"$(
            number dice_image_mean "$tmp/eval" | awk '{printf "%.4f", $1}')"$'\t'-$'\t'-$'\t'-$'\t'-
    echo "$1 $2 ($3): ${columns//$'\t'/ }${reason#-}"
}

write_page() {
    queue >"$tmp/queue"
    cat accuracy/rows-head.txt - >"$page.new" < <(awk -F'\t' -v common="${common[*]}" -f accuracy/rows.awk \
        "$results" "$tmp/queue")
    mv "$page.new" "$page"
}

wanted() { # wanted LIST NAME
    local part
    [ ${#parts[@]} -gt 0 ] || return 0
    for part in "${parts[@]}"; do case $part in "$1" | "$1/$2") return 0 ;; esac; done
    return 1
}

parts=() again=0 mode=run
for word; do
    case $word in
    again) again=1 ;;
    list | table) mode=$word ;;
    *) parts+=("$word") ;;
    esac
done
if ! grep -qxF -- "# ${common[*]}" "$results" 2>/dev/null; then # of other steps, or of another network
    [ "$mode" = run ] || results=$tmp/none
    echo "# ${common[*]}" >"$results"
fi
[ "$mode" != table ] || { write_page; exit; }

failed=0
for pass in alone beside; do # what is run beside Dice is known when the losses have been run
    queue >"$tmp/queue"
    while IFS=$'\t' read -r list name keys <&3; do
        wanted "$list" "$name" || continue
        if [ -n "$(result "$list" "$name" "$keys" 4)" ]; then
            [ $again = 1 ] && [ $pass = alone ] || continue
        fi
        if [ "$mode" = list ]; then
            [ $pass = beside ] || echo "$list $name: $keys"
        else
            one "$list" "$name" "$keys" || failed=1
        fi
    done 3<"$tmp/queue"
done
[ "$mode" = list ] || write_page
exit $failed
