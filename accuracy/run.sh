#!/usr/bin/env bash
# Accuracy of the default command on public data sets: trains, scores the validation list once, keeps one JSON a run in
# accuracy/results and writes docs/accuracy.md from them. A queue that goes on where it was stopped: what has a result
# is not run again, and a training that was killed is resumed.
#   accuracy/run.sh                          all sets: a quarter of the time with seeds 1, 2, 3, all of it with seed 1
#   accuracy/run.sh [SET...] [full|quarter] [seed N] [again|stale]   a part of it; again: also where there is a result;
#                                            stale: where there is none at these kernels (src/kernels, src/backend)
#   accuracy/run.sh list                     what would be run, and for how long
#   accuracy/run.sh settle [...]             only plans: fixes the steps that the time of each run is good for, which
#                                            takes seconds on a machine with nothing else to do. Runs that find their
#                                            plan (of this commit) then need no such machine: they do these steps, and
#                                            their result says "planned" behind the minutes
#   accuracy/run.sh table                    only docs/accuracy.md
#   accuracy/run.sh train [...]              the same of accuracy/train.tsv: what a choice brings against another, with
#                                            results in accuracy/results-train and docs/accuracy-train.md
# Environment: UNET (program), UNET_SHARED (folder whose data/ holds the sets), ACCURACY_TABLE, ACCURACY_RESULTS,
# ACCURACY_PAGE and ACCURACY_WORK (files and folders in place of those), ACCURACY_DIVIDE (divides the time, to try the
# tool itself), ACCURACY_SPEED (for settle: how many times as fast this machine is as that of the results it adds to;
# steps are settled for that part of the time, and the results say so).
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
unet=${UNET:-build/src/cli/unet}
data=${UNET_SHARED:-../shared}/data
if [ "${1:-}" = train ]; then
    shift
    usual=accuracy/train.tsv writer=accuracy/train.awk head=accuracy/train-head.txt tail=-train
else
    usual=accuracy/sets.tsv writer=accuracy/page.awk head=accuracy/head.txt tail=
fi
table=${ACCURACY_TABLE:-$usual}
results=${ACCURACY_RESULTS:-accuracy/results$tail}
page=${ACCURACY_PAGE:-docs/accuracy$tail.md}
work=${ACCURACY_WORK:-build/accuracy$tail}
divide=${ACCURACY_DIVIDE:-1}
speed=${ACCURACY_SPEED:-1}
. accuracy/common.sh
kernels=$(last_change src/kernels src/backend)

# of_set SET FIELD: a column of the first figure of a set.
of_set() { awk -F'\t' -v set="$1" -v field="$2" '$1 == "figure" && $2 == set {print $field; exit}' "$table"; }
all_sets() { awk -F'\t' '$1 == "figure" && !seen[$2]++ {print $2}' "$table"; }
# given SET FIELD: the same; nothing where it says "-". data_of SET: the folder of its pictures below $data.
given() { of_set "$1" "$2" | sed 's/^-$//'; }
data_of() { local d; d=$(given "$1" 10); echo "${d:-$1}"; }

# amount SET BUDGET: seconds, or steps where the table has these. seconds SET BUDGET: 0 for steps.
amount() {
    awk -v amount="$(of_set "$1" 3)" -v part="$([ "$2" = full ] && echo 1 || echo 4)" -v divide="$divide" \
        'BEGIN {
            if (amount ~ /steps$/) { n = int(amount / part / divide); printf "%d\n", (n < 5 ? 5 : n); exit }
            s = amount * 60 / part / divide
            printf "%.4g\n", (s < 1 ? 1 : s)
        }'
}
in_steps() { case $(of_set "$1" 3) in *steps) return 0 ;; *) return 1 ;; esac; }
seconds() { in_steps "$1" && echo 0 || amount "$1" "$2"; }
# length SET BUDGET: the words that say how long.
length() { in_steps "$1" && echo "train.steps=$(amount "$1" "$2")" || echo "--time $(amount "$1" "$2")"; }
# plan_of SET BUDGET: the file of its settled configuration.
plan_of() { echo "$work/plans/$1-$2-$commit.yaml"; }

# has_result SET BUDGET SEED: any, or one at these kernels.
has_result() {
    local f
    for f in "$results/$1-$2-seed$3"-*.json; do
        [ -f "$f" ] || continue
        [ $stale = 0 ] || [ "$(number kernels "$f")" = "$kernels" ] && return 0
    done
    return 1
}

# make_lists SET FOLDER: train.txt and val.txt of its fold. lists FOLDER: the keys that name them.
make_lists() {
    local file fold
    read -r file fold <<<"$(given "$1" 11)"
    [ -n "$file" ] || return 0
    awk -F'\t' -v fold="$fold" -v train="$2/train.txt" -v val="$2/val.txt" \
        '!/^#/ {print $3 >($1 == fold ? val : train)}' "$file"
}
lists() {
    [ ! -f "$1/val.txt" ] || echo "data.list_train=$(realpath "$1/train.txt") data.list_val=$(realpath "$1/val.txt")"
}

# train SET BUDGET SEED FOLDER KEYS: from the start, or on from where it was killed, with the options among the keys
# (--exact), which a checkpoint does not keep. The output is one line of JSON.
train() {
    local args=("$data/$(data_of "$1")" -o "$4/model.safetensors" --json --quiet)
    if [ -f "$4/model.safetensors.run/checkpoint.safetensors" ]; then
        args+=(--resume $(given "$1" 4 | grep -oE -- '--[a-z]+' || true))
    else
        args+=($(settled "$1" "$2" || echo "$(length "$1" "$2") $5 $(lists "$4")") --seed "$3" --overwrite)
    fi
    "$unet" train "${args[@]}" >"$4/train.json"
}

# settled SET BUDGET: the words that name its plan; false when there is none.
settled() { [ -f "$(plan_of "$1" "$2")" ] && echo "--config $(plan_of "$1" "$2")"; }

# settle SET BUDGET: makes the plan. The lists of a fold are named in it and therefore stay beside it.
# slowed SET BUDGET: " at 1/3 of the speed" of a plan for a slower machine.
settle() {
    local plan folder words
    plan=$(plan_of "$1" "$2") folder=$work/plans/$1
    in_steps "$1" || [ -f "$plan" ] && return 0
    mkdir -p "$folder"
    make_lists "$1" "$folder"
    words=$(amount "$1" "$2" | awk -v speed="$speed" '{printf "--time %.4g", $1 / speed}')
    "$unet" plan "$data/$(data_of "$1")" $words --quiet $(given "$1" 4) $(lists "$folder") >"$plan.new"
    [ "$speed" = 1 ] || echo "# at 1/$speed of the speed" >>"$plan.new"
    mv "$plan.new" "$plan"
    echo "   $(sed -n 's/^  steps: */steps: /p' "$plan")"
}
slowed() { sed -n 's/^# \(at .* of the speed\)$/ \1/p' "$(plan_of "$1" "$2")"; }

# evaluate SET FOLDER KEYS: with those keys that are about the data.
evaluate() {
    local keys k
    keys=$(given "$1" 13)
    for k in $3; do case $k in data.*) keys+=" $k" ;; esac; done
    "$unet" eval "$2/model.safetensors" "$data/$(data_of "$1")" --split val -o "$2/eval" --quiet $keys $(lists "$2") \
        >"$2/eval.txt"
}

# check_split SET FOLDER: the pictures that were scored are those of the validation list, each once; lists may leave off
# what all names end with.
check_split() {
    local list=$2/val.txt
    [ -f "$list" ] || list=$data/$(data_of "$1")/val.txt
    paste <(tr -d '\r' <"$list" | sed '/^$/d; s|.*/||; s/\.[a-z.]*$//' | sort) \
        <(sed -n 's/.*"row": "image", "image": "\([^"]*\)".*/\1/p' "$2/eval/scores.json" | sed 's|.*/||' | sort) |
        awk -F'\t' '$1 == "" || index($2, $1) != 1 {print "listed and scored: " $0; bad = 1} END {exit bad}' >&2
}

# figures SET FOLDER: "label": value, ... of the set.
figures() {
    awk -F'\t' -v set="$1" '
        FNR == NR { if ($1 == "figure" && $2 == set) { n++; label[n] = $5; row[n] = $6; column[n] = $7 } next }
        { for (i = 1; i <= n; i++)
            if (index($0, "{\"class\": \"" row[i] "\"") && (at = index($0, "\"" column[i] "\": "))) {
                value[i] = substr($0, at + length(column[i]) + 4)
                sub(/[,}].*/, "", value[i])
            }
        }
        END { for (i = 1; i <= n; i++) {
            if (value[i] == "") exit 1
            printf "%s\"%s\": %.4f", (i > 1 ? ", " : ""), label[i], value[i]
        } }' "$table" "$2/eval/scores.json"
}

# pictures SET FOLDER: "name": value, ... of the column that the set is compared by.
pictures() {
    awk -v column="$(given "$1" 12)" '
        /"row": "image"/ && (at = index($0, "\"" column "\": ")) {
            value = substr($0, at + length(column) + 4)
            sub(/[,}].*/, "", value)
            name = $0
            sub(/.*"image": "/, "", name)
            sub(/".*/, "", name)
            printf "%s\"%s\": %s", (n++ ? ", " : ""), name, value
        }' "$2/eval/scores.json"
}

# write_result SET BUDGET SEED FOLDER KEYS FILE
write_result() {
    local run=$4/model.safetensors.run keys=${5:+ $5} values minutes wall
    wall=$(number seconds "$4/train.json" | awk '{printf "%.2f", $1 / 60}') minutes=$wall
    ! settled "$1" "$2" >/dev/null ||
        minutes="\"$(seconds "$1" "$2" | awk '{printf "%.4g", $1 / 60}') planned$(slowed "$1" "$2")\""
    values=$(figures "$1" "$4") || { echo "$4/eval/scores.json lacks a figure of $table" >&2; return 1; }
    mkdir -p "$results"
    {
        echo "{\"set\": \"$1\", \"budget\": \"$2\", \"seed\": $3,"
        echo "\"train\": \"unet train $(data_of "$1") -o MODEL $(length "$1" "$2") --seed $3$keys\","
        echo "\"eval\": \"unet eval MODEL $(data_of "$1") --split val\","
        echo "\"figures\": {$values},"
        [ -z "$(given "$1" 12)" ] || echo "\"pictures\": {$(pictures "$1" "$4")},"
        echo "\"minutes_allowed\": $(seconds "$1" "$2" | awk '{printf "%.4g", $1 / 60}')," \
            "\"minutes\": $minutes, \"minutes_wall\": $wall," \
            "\"steps\": $(number steps "$4/train.json"),"
        echo "\"filters\": $(setting base_filters "$run"), \"depth\": $(setting depth "$run")," \
            "\"patch\": $(setting patch "$run"), \"batch\": $(setting batch "$run"),"
        echo "\"mib\": $(number peak_bytes "$4/train.json" | awk '{printf "%.0f", $1 / 1048576}')," \
            "\"mib_stated\": $(number stated_bytes "$4/train.json" | awk '{printf "%.0f", $1 / 1048576}'),"
        echo "\"training_pictures\": $(number training_pictures "$run/environment.json")," \
            "\"scored_pictures\": $(grep -c '"row": "image",' "$4/eval/scores.json"),"
        echo "\"classes\": ["
        sed -n '/^  {"class": .*"Dice (pooled)"/p' "$4/eval/scores.json"
        echo "],"
        echo "\"cpu\": \"$(processor)\"," \
            "\"cpu_level\": \"$(number cpu_level "$run/environment.json")\"," \
            "\"threads\": $(number threads "$run/environment.json"), \"date\": \"$(date -u +%Y-%m-%d)\","
        echo "\"commit\": \"$commit\", \"kernels\": \"$kernels\"}"
    } >"$6.new"
    mv "$6.new" "$6"
}

# one SET BUDGET SEED
one() {
    local folder=$work/$1-$2-seed$3-$commit keys rc
    keys=$(given "$1" 4)
    mkdir -p "$folder"
    make_lists "$1" "$folder"
    if [ ! -s "$folder/train.json" ] || [ ! -f "$folder/model.safetensors" ]; then
        train "$1" "$2" "$3" "$folder" "$keys" && rc=0 || rc=$?
        [ $rc = 0 ] || return $rc
    fi
    evaluate "$1" "$folder" "$keys" &&
        check_split "$1" "$folder" &&
        write_result "$1" "$2" "$3" "$folder" "$keys" "$results/$1-$2-seed$3-$commit.json" &&
        rm -rf "$folder.done" && mv "$folder" "$folder.done"
}

sets=() budgets=() seeds='1 2 3' again=0 stale=0 mode=run
while [ $# -gt 0 ]; do
    case $1 in
    full | quarter) budgets+=("$1") ;;
    seed) seeds=${2:?seed needs a number}; shift ;;
    again) again=1 ;;
    stale) stale=1 ;;
    list | table | settle) mode=$1 ;;
    *)
        all_sets | grep -qxF -- "$1" || { echo "accuracy: no set '$1'; there are: $(all_sets | xargs)" >&2; exit 2; }
        sets+=("$1")
        ;;
    esac
    shift
done
[ ${#sets[@]} -gt 0 ] || mapfile -t sets < <(all_sets)
[ ${#budgets[@]} -gt 0 ] || budgets=(quarter full)

write_page() {
    local files=("$results"/*.json)
    [ -f "${files[0]}" ] || files=()
    cat "$head" - >"$page.$$" < <(awk -f accuracy/common.awk -f "$writer" "$table" "${files[@]}")
    mv "$page.$$" "$page"
}
[ "$mode" != table ] || { write_page; exit; }

queue=() total=0
for budget in "${budgets[@]}"; do
    for set in "${sets[@]}"; do
        for seed in $seeds; do
            [ "$budget" = quarter ] || [ "$seed" = 1 ] || [ "$seeds" != '1 2 3' ] || continue
            [ $again = 0 ] && has_result "$set" "$budget" "$seed" && continue
            queue+=("$set $budget $seed")
            total=$(awk -v a="$total" -v b="$(seconds "$set" "$budget")" 'BEGIN {print a + b}')
        done
    done
done
echo "accuracy: ${#queue[@]} runs, about $(awk -v s="$total" 'BEGIN {printf "%.0f", s / 60 + 0.5}') minutes," \
    "commit $commit, kernels $kernels"
[ "$mode" != list ] || { [ ${#queue[@]} = 0 ] || printf '%s\n' "${queue[@]}"; exit 0; }
mkdir -p "$work"
exec 9>"$work/lock"
flock -n 9 || { echo "accuracy: another one is at work in $work" >&2; exit 1; }

failed=0
for entry in "${queue[@]}"; do
    read -r set budget seed <<<"$entry"
    if [ ! -d "$data/$(data_of "$set")" ]; then
        echo "SKIP $entry: there is no $data/$(data_of "$set") (data sets are not part of this project)"
        continue
    fi
    echo "== $entry: $(length "$set" "$budget")"
    if [ "$mode" = settle ]; then
        settle "$set" "$budget" || failed=1
        continue
    fi
    one "$set" "$budget" "$seed" && rc=0 || rc=$?
    [ $rc != 130 ] || { echo "accuracy: stopped; the same command goes on" >&2; exit 130; }
    if [ $rc = 0 ]; then
        sed -n 's/^"figures": {\(.*\)},$/   \1/p' "$results/$set-$budget-seed$seed-$commit.json"
        write_page
    else
        echo "FAIL $entry (exit code $rc)"
        failed=1
    fi
done
exit $failed
