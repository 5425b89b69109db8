#!/usr/bin/env bash
# The queue of `make accuracy` with the bundled nuclei in place of a public set and seconds in place of minutes: it
# skips what is not there, goes on after a kill, does nothing twice, scores the validation list and no other picture.
# run.sh SOURCE-ROOT UNET
set -u
root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export UNET=$2 UNET_SHARED=$tmp/shared ACCURACY_RESULTS=$tmp/results ACCURACY_PAGE=$tmp/page.md ACCURACY_WORK=$tmp/todo
export ACCURACY_DIVIDE=600 XDG_CACHE_HOME=$tmp/cache
. "$root/tests/results.sh"
accuracy() { "$root/accuracy/run.sh" "$@" >"$tmp/out" 2>&1; }
last() { tail -n 1 "$tmp/out"; }
page_has() { grep -qF -- "$1" "$ACCURACY_PAGE" || echo "no '$1'"; }

accuracy isbi2012_en
result refuses_unknown_sets "$([ $? = 2 ] && grep -q "no set 'isbi2012_en'; there are: isbi2012_em" "$tmp/out" || last)"
accuracy isbi2012_em full
result skips_what_is_not_there "$([ $? = 0 ] && grep -q '^SKIP isbi2012_em full 1: ' "$tmp/out" || last)"
accuracy list
result lists_all "$(grep -q '^accuracy: 24 runs' "$tmp/out" && [ "$(wc -l <"$tmp/out")" = 25 ] || last)"

set=$UNET_SHARED/data/dsb2018_stage1
mkdir -p "$set"
cp -r "$root/examples/nuclei/images" "$root/examples/nuclei/masks" "$root/examples/nuclei/train.txt" "$set"
head -n 6 "$root/examples/nuclei/test.txt" >"$set/val.txt"
cat >"$tmp/killed" <<KILLED
#!/usr/bin/env bash
"$UNET" "\$@" >/dev/null 2>&1
exit 137
KILLED
chmod +x "$tmp/killed"
UNET=$tmp/killed accuracy dsb2018_stage1 quarter seed 2
result names_a_killed_run "$([ $? = 1 ] && grep -q 'FAIL dsb2018_stage1 quarter 2 (exit code 137)' "$tmp/out" || last)"
rm -f "$tmp"/todo/*/model.safetensors # training was killed before its model was written
accuracy dsb2018_stage1 quarter seed 2
result goes_on "$([ $? = 0 ] || last)"
json=$(ls "$tmp"/results/*.json 2>/dev/null)
result resumes_from_the_checkpoint "$(grep -q '"event":"resume"' "$tmp"/todo/*.done/*.run/events.jsonl || last)"
result scores_the_validation_list "$(grep -q '"scored_pictures": 6,' "$json" || echo "$json")"
result lists_classes_as_json "$(awk '/^  [{]"class"/ { if (before && before !~ /,$/) bad = 1; before = $0; n++; next }
    { if (before ~ /,$/) bad = 1; before = "" } END { exit bad || n != 4 }' "$json" || grep '"class"' "$json")"
result trains_on_neither "$(grep -q '"training_pictures": 7[0-9],' "$json" || grep training "$json")"
accuracy dsb2018_stage1 quarter seed 2
result does_nothing_twice "$(grep -q '^accuracy: 0 runs' "$tmp/out" || last)"

cp "$set/train.txt" "$set/val.txt" # the list was changed after training
accuracy dsb2018_stage1 full again
result refuses_another_list "$([ $? = 1 ] || last)"

# A page of made-up results.
made() { # made SET BUDGET SEED KERNELS DATE FIGURES
    printf '{"set": "%s", "budget": "%s", "seed": %s,\n"figures": {%s},\n"date": "%s",\n"kernels": "%s"}\n' \
        "$1" "$2" "$3" "$6" "$5" "$4" >"$tmp/results/$1-$2-seed$3-$4.json"
}
rm -f "$tmp"/results/*
made isbi2012_em full 1 aaa 2026-01-01 '"Dice of the membrane": 0.7999'
made isbi2012_em full 1 bbb 2026-01-02 '"Dice of the membrane": 0.8200'
made isbi2012_em quarter 1 bbb 2026-01-02 '"Dice of the membrane": 0.70'
made isbi2012_em quarter 2 bbb 2026-01-02 '"Dice of the membrane": 0.74'
made isbi2012_em quarter 2 aaa 2026-01-01 '"Dice of the membrane": 0.10'
made isbi2012_em quarter 3 aaa 2026-01-01 '"Dice of the membrane": 0.60'
made msd_hippocampus full 1 bbb 2026-01-02 '"Dice anterior": 0.88, "Dice posterior": 0.81'
accuracy table
result newest_first "$(page_has '| 0.81 | 0.84 | 0.820 | yes | no | 0.680 (0.600 to 0.740, 3 seeds) |')"
result keeps_old_rows "$(page_has '| full | 1 | 0.800 | no | no |')"
result each_bar_counts "$(page_has '| 0.880 / 0.810 | no | no | not run |')"

# The queue of `make accuracy-train`: folds, steps in place of minutes, pictures beside those of another set.
export ACCURACY_TABLE=$tmp/train.tsv ACCURACY_RESULTS=$tmp/results-train
export ACCURACY_PAGE=$tmp/train.md ACCURACY_WORK=$tmp/queue
awk '/[a-z0-9]/ {print 1 + (NR > 6) "\t" NR "\t" $1}' "$root/examples/nuclei/test.txt" | head -n 12 >"$tmp/folds.tsv"
row() { # row SET AMOUNT KEYS FOLDS COLUMN AGAINST
    printf 'figure\t%s\t%s\t%s\tDice\tobject\tDice (per-image mean)\t0\t1\tdsb2018_stage1\t' "$1" "$2" "$3"
    printf '%s\t%s\teval.resamples=0\t%s\n' "$4" "$5" "$6"
}
{
    row try_ce_1 8000steps 'loss.terms=[ce] model.base_filters=4' "$tmp/folds.tsv 1" foreground_dice -
    row try_ce_2 8000steps 'loss.terms=[ce] model.base_filters=4' "$tmp/folds.tsv 2" foreground_dice -
    row try_dice_1 10 'loss.terms=[dice] model.base_filters=4' "$tmp/folds.tsv 1" foreground_dice try_ce_1
    printf 'note\ttry\tA try.\n'
} >"$ACCURACY_TABLE"
accuracy train list
result train_lists_all "$(grep -q '^accuracy: 12 runs' "$tmp/out" || last)"
accuracy train try_ce_1 quarter seed 1
json=$(ls "$tmp"/results-train/*.json 2>/dev/null)
result train_runs_a_fold "$([ -n "$json" ] && grep -q '"training_pictures": [56],' "$json" || tail -n 5 "$tmp/out")"
result train_scores_the_other_fold "$(grep -q '"scored_pictures": 6,' "$json" || last)"
result train_takes_steps "$(grep -q '"steps": 5,' "$json" && grep -q 'train.steps=5' "$json" || grep steps "$json")"
pictures=$(grep '^"pictures": ' "$json" | grep -o '": [0-9.n]' | wc -l)
result train_keeps_pictures "$([ "$pictures" = 6 ] || echo "$pictures pictures")"
accuracy train try_ce_1 quarter seed 1
result train_does_nothing_twice "$(grep -q '^accuracy: 0 runs' "$tmp/out" || last)"
accuracy train settle try_dice_1 quarter seed 1
plan=$(ls "$tmp"/queue/plans/try_dice_1-quarter-*.yaml 2>/dev/null)
result train_settles_steps "$([ -n "$plan" ] && grep -q '^  steps: [0-9]' "$plan" || tail -n 5 "$tmp/out")"
sed -i 's/^  steps: .*/  steps: 7/' "$plan"
accuracy train try_dice_1 quarter seed 1
json=$(ls "$tmp"/results-train/try_dice_1*.json 2>/dev/null)
result train_keeps_to_the_plan \
    "$(grep -q '"minutes": "[0-9.]* planned".* "steps": 7,' "$json" || tail -n 5 "$tmp/out" "$json")"
rm -f "$tmp"/results-train/*
seen() { # seen SET SEED FIGURE PICTURES
    printf '{"set": "%s", "budget": "quarter", "seed": %s,\n"figures": {"Dice": %s},\n"pictures": {%s}}\n' \
        "$@" >"$tmp/results-train/$1-$2.json"
}
seen try_ce_1 1 0.5 '"a": 0.2, "b": 0.4, "c": null'
seen try_ce_1 2 0.7 '"a": 0.4, "b": 0.6, "c": null'
seen try_ce_2 1 0.3 '"d": 0.1, "e": 0.9'
seen try_dice_1 1 0.8 '"a": 0.4, "b": 0.6, "c": 0.3, "d": 0.2'
accuracy train table
result train_mean_over_folds_and_seeds "$(page_has '| not run | 0.550 (0.400 to 0.700, 2 seeds) |')"
result train_differences "$(page_has '+0.100 (+0.100 to +0.100, 3 pictures) |')"

finish
