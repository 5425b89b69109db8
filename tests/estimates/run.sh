#!/usr/bin/env bash
# The memory that a run states before it starts is at most 15 % above the largest that its process holds, and never
# below; it is held under --mem, down to the least that is named. run.sh SOURCE-ROOT UNET MAKE_SETS
# With UNET_TEST_ALL also the network of 64 filters at 256x256 (minutes).
set -u
root=$1 unet=$2 make_sets=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
. "$root/tests/results.sh"
if nm "$unet" 2>/dev/null | grep -qE ' U __(asan|tsan|ubsan)'; then
    echo "SKIP estimates: a sanitizer has memory of its own" | tee "$results"
    finish
fi
if [ "${UNET_CPU:-}" = ref ]; then
    echo "SKIP estimates: figures are those of the kernels that this processor runs best" | tee "$results"
    finish
fi
"$make_sets" "$root/tests/estimates/sets.txt" "$tmp" || exit 1
export XDG_CACHE_HOME=$tmp/cache

# verdict FILE: why what the run in FILE stated and what it held do not fit; `more` where it held too little.
verdict() {
    awk '/"stated_bytes"/ {
            split($0, s, "\"stated_bytes\":"); split($0, p, "\"peak_bytes\":")
            stated = s[2] + 0; held = p[2] + 0
            if (!(held > 0 && stated >= held)) print "stated " stated ", held " held ": " $0
            else if (stated > 1.15 * held) print "more: stated " stated ", held " held
            seen = 1
        } END {if (!seen) print "states nothing"}' "$1"
}

scanned= # the data of the run before
# holds NAME DATA KEY...: the second run is looked at, when the files were scanned by the first. Threads that never
# meet hold a little less: the largest of up to three runs has to come near what was stated, none may hold more.
holds() {
    local name=$1 data=$2 reason try
    shift 2
    [ "$data" = "$scanned" ] || "$unet" plan "$data" train.steps=1 --quiet >"$tmp/plan" 2>&1
    scanned=$data
    for try in 1 2 3; do
        "$unet" train "$data" -o "$tmp/$name.model" --overwrite --quiet --json "$@" >"$tmp/$name.json" 2>&1
        reason=$(verdict "$tmp/$name.json")
        case $reason in more:*) ;; *) break ;; esac
    done
    result "$name" "$reason"
}
nuclei=$root/examples/nuclei
# Selection by few pictures: each is predicted in many small windows.
few=(train.select_share=0.02 data.val_share=0.02)
holds pictures "$nuclei" --steps 12 train.patch=[64,64] model.base_filters=8 model.depth=3 train.val_interval=6
holds few_steps "$nuclei" --steps 2 train.patch=[64,64] model.base_filters=8 model.depth=3
holds small_cache "$nuclei" --steps 10 train.patch=[64,64] model.base_filters=8 model.depth=3 train.cache=8M \
    train.val_interval=5 "${few[@]}"
holds ghost_batches "$nuclei" "${few[@]}" --steps 5 train.patch=[96,96] train.batch=4 train.ghost_batch=2 \
    model.depth=3 model.base_filters=16
holds recompute "$nuclei" "${few[@]}" --steps 5 train.patch=[128,128] train.recompute=on model.base_filters=16 \
    model.depth=3
# least WORD...: the least memory of such a run in MiB, from the refusal of far too little.
least() {
    "$unet" plan "$nuclei" --mem 2M --quiet "$@" 2>&1 | sed -n 's/.*the smallest plan needs \([0-9]*\) MiB.*/\1/p'
}

# capped NAME MIB WORD...: such a run trains under --mem, and its process holds no more.
capped() {
    local name=$1 mib=$2
    shift 2
    holds "$name" "$nuclei" --mem "${mib}M" "$@"
    result "${name}_cap" "$(awk -v cap="$mib" '/"peak_bytes"/ {
            split($0, p, "\"peak_bytes\":")
            if (p[2] + 0 > cap * 1048576) print "held " p[2] + 0 " under --mem " cap "M"
        }' "$tmp/$name.json")"
}

# down_to_least NAME WORD...: at the least memory, and refused a MiB below it by the same figure.
down_to_least() {
    local name=$1 mib
    shift
    mib=$(least "$@")
    result "${name}_named" "$([ -n "$mib" ] && [ "$(least "$@")" = "$mib" ] || echo "the refusal names no memory")"
    [ -n "$mib" ] || return
    capped "$name" "$mib" "$@"
    "$unet" plan "$nuclei" --mem "$((mib - 1))M" --quiet "$@" >"$tmp/refused" 2>&1
    result "${name}_refused" "$([ $? = 8 ] && grep -q "needs $mib MiB" "$tmp/refused" || head -n 1 "$tmp/refused")"
}
few=(train.val_interval=3 "${few[@]}") # one selection
down_to_least least "${few[@]}" train.steps=3 train.patch=[128,128] train.batch=4 model.base_filters=16 model.depth=3
if [ -n "${UNET_TEST_ALL:-}" ]; then
    wide=("${few[@]}" train.steps=3 train.patch=[256,256] train.batch=2 model.base_filters=64 model.depth=4)
    capped wide_4g 4096 "${wide[@]}"
    capped wide_2g 2048 "${wide[@]}"
    down_to_least wide_least "${wide[@]}"
fi
holds volumes "$tmp/volumes" --steps 20 model.dims=3 train.patch=[24,32,32] model.base_filters=8 model.depth=2 \
    train.val_interval=5
# Six training pictures, none is kept for selection: one is shown at the end.
holds shown "$tmp/shown" --steps 60 train.patch=[128,128] train.batch=8 train.ghost_batch=2 \
    model.base_filters=8 model.depth=3
preview=$tmp/shown.model.run/previews/01_step0000060.png
result shown_is_there "$([ -f "$preview" ] || echo "no preview in the run folder")"
finish
