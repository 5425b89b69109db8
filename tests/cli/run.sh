#!/usr/bin/env bash
# The command from outside: each line of cases.txt is one test; then the texts it makes.
# run.sh SOURCE-ROOT UNET MAKE_SETS
set -u
root=$1 unet=$2 make_sets=$3
results=$(mktemp) tmp=$(mktemp -d) data=$(mktemp -d)
trap 'rm -rf "$results" "$tmp" "$data"' EXIT
export XDG_CACHE_HOME=$data/cache
"$make_sets" "$root/tests/cli/sets.txt" "$data" || exit 1

result() { # result NAME REASON: passed when there is no reason
    if [ -z "$2" ]; then echo "PASS $1"; else echo "FAIL $1: $2"; fi | tee -a "$results"
}

export XDG_CACHE_HOME=$tmp/cache
cd "$tmp" || exit 1
n=0
while IFS= read -r line; do
    case $line in
    '#'* | '') continue ;;
    '$ '*)
        eval "${line#$ }" || result "set up: $line" 'it fails'
        continue
        ;;
    esac
    code=${line%% | *}
    rest=${line#* | }
    words=${rest%% | *}
    holds=${rest#* | }
    case $rest in '| '*) words='' holds=${rest#| } ;; esac
    n=$((n + 1))
    words=${words//TMP/$tmp}
    words=${words//SETS/$data}
    output=$("$unet" ${words//SOURCE/$root} 2>&1 </dev/null)
    got=$?
    reason=
    [ "$got" = "$code" ] || reason="exit code $got, expected $code; output: $(head -n 1 <<<"$output")"
    holds=${holds//SETS/$data}
    holds=${holds//TMP/$tmp}
    holds=${holds//SOURCE/$root}
    case $holds in
    '= '*) grep -qxF -- "${holds#= }" <<<"$(sed 's/^ *//; s/ *$//' <<<"$output")" ;;
    *) [[ $output == *"$holds"* ]] ;;
    esac || reason="${reason:-no \"$holds\" in: $(head -n 3 <<<"$output")}"
    result "case $n: unet $words" "$reason"
done <"$root/tests/cli/cases.txt"

# What was printed must have arrived.
reason=
if [ -c /dev/full ]; then
    "$unet" help >/dev/full 2>"$tmp/log"
    [ $? = 4 ] || reason="exit code of a full disk is not 4"
fi
result full_disk "$reason"
left=$(find "$tmp" -mindepth 1 ! -name log ! -path "$tmp/out*" ! -path "$tmp/cache*")
result nothing_left_behind "$left"
left=$(find "$tmp" "$data" -name '.*.tmp' && find "$tmp/out/full" "$tmp/out/w" "$tmp"/out/w.* ! -type d 2>/dev/null)
result nothing_half_written "$left"

# Names with blanks, quotes, line ends and bytes that are no UTF-8; a locale with decimal commas; folders that cannot be
# written. The model was made by a case above.
model=$tmp/out/m.safetensors
predicts() { # predicts NAME OUT-FOLDER: the mask is there and equals that of the plain name
    "$unet" predict "$model" "$1" -o "$2" --quiet >"$tmp/log" 2>&1 || { head -n 1 "$tmp/log"; return; }
    local stem=${1##*/}
    cmp -s "$2/${stem%.png}.png" "$tmp/out/plain/plain.png" || echo "no mask, or another one, for $stem"
}
picture=$(find "$root/examples/nuclei" -name '*.png' -path '*images*' | sort | head -n 1)
mkdir -p "$tmp/out/odd"
cp "$picture" "$tmp/out/plain.png"
"$unet" predict "$model" "$tmp/out/plain.png" -o "$tmp/out/plain" --quiet >"$tmp/log" 2>&1
result predict_plain "$([ -s "$tmp/out/plain/plain.png" ] || head -n 1 "$tmp/log")"
reason=
for name in 'two words.png' "it's \"quoted\".png" $'line\nend.png' $'latin-\xe4\xff.png' '-dash.png' 'a,b;c.png'; do
    cp "$picture" "$tmp/out/odd/$name"
    reason=${reason:-$(predicts "$tmp/out/odd/$name" "$tmp/out/odd results")}
done
result odd_names "$reason"

# The same of folders, through all jobs.
odd=$tmp/out/$'odd \xe4\xff, set'
cp -r "$data/good" "$odd"
for folder in images masks; do mv "$odd/$folder/p0.png" "$odd/$folder/"$'\xff \'0\'.png'; done
tiny=(--steps 1 -q model.base_filters=4 model.depth=1 'train.patch=[16,16]' train.batch=1)
works() { # works ARGUMENT...: prints why not
    "${as[@]}" "$unet" "$@" >"$tmp/log" 2>&1 || head -n 1 "$tmp/log"
}
as=() # the rights that it works with
result odd_folder_inspect "$(works inspect "$odd" -o "$odd look" -q && ls "$odd look" >/dev/null)"
result odd_folder_train "$(works train "$odd" -o "$odd.safetensors" "${tiny[@]}")"
result odd_folder_eval "$(works eval "$odd.safetensors" "$odd" --split all -o "$odd scores" -q &&
    ls "$odd scores/report.html" >/dev/null)"
result odd_folder_predict "$(works predict "$odd.safetensors" "$odd"/images -o "$odd masks" --measure -q &&
    ls "$odd masks/"$'\xff \'0\'.png' >/dev/null)"
"$root/tests/comma_locale.sh" "$tmp/out/locale" || result decimal_comma_locale 'localedef makes none'
export LOCPATH=$tmp/out/locale
result decimal_comma_is_set "$(LC_ALL=xx_XX bash -c 'printf %.1f 2,5' 2>&1 | grep -vx 2,5)"
result decimal_comma "$(LC_ALL=xx_XX predicts "$tmp/out/plain.png" "$tmp/out/comma")"
LC_ALL=xx_XX "$unet" config optimiser.weight_decay=0.25 >"$tmp/out/comma.yaml" 2>"$tmp/log"
result decimal_comma_config "$(grep -q 'weight_decay: 0\.25' "$tmp/out/comma.yaml" || head -n 1 "$tmp/log")"
unset LOCPATH
drop=()
[ "$(id -u)" != 0 ] || drop=(setpriv --reuid=65534 --regid=65534 --clear-groups)
chmod 755 "$tmp"
mkdir -p "$tmp/out/closed" "$tmp/out/closed_set/images"
mkdir -m 777 "$tmp/out/open"
cp "$picture" "$tmp/out/closed.png"
cp "$model" "$tmp/out/closed.safetensors"
chmod 555 "$tmp/out/closed"
chmod 000 "$tmp/out/closed.png" "$tmp/out/closed.safetensors" "$tmp/out/closed_set/images"
if "${drop[@]}" test -x "$unet" 2>/dev/null && ! "${drop[@]}" touch "$tmp/out/closed/probe" 2>/dev/null; then
    "${drop[@]}" "$unet" predict "$model" "$tmp/out/plain.png" -o "$tmp/out/closed/masks" >"$tmp/log" 2>&1
    got=$?
    result closed_folder "$([ $got = 4 ] && grep -q closed "$tmp/log" || echo "exit $got: $(head -n 1 "$tmp/log")")"
    result closed_folder_empty "$(ls -A "$tmp/out/closed")"
    as=("${drop[@]}")
    cp -r "$data/good" "$tmp/out/still" # data, and the folder that it is done in, cannot be written
    chmod -R a+rX,a-w "$tmp/out/still"
    result still_folder_train "$(works train "$tmp/out/still" -o "$tmp/out/open/m.safetensors" "${tiny[@]}")"
    result still_folder_eval "$(works eval "$tmp/out/open/m.safetensors" "$tmp/out/still" --split all -q)"
    chmod -R u+w "$tmp/out/still"
    for words in "selftest $tmp/out/closed.safetensors" "eval $model $tmp/out/closed_set" \
        "inspect $tmp/out/closed_set" "predict $model $tmp/out/closed.png -o $tmp/out/open" \
        "train $tmp/out/closed_set -o $tmp/out/open/m --steps 1"; do
        "${drop[@]}" "$unet" $words >"$tmp/log" 2>&1
        got=$?
        result "no_rights_${words%% *}" \
            "$([ $got = 4 ] && grep -q 'closed.*: Permission denied' "$tmp/log" ||
                echo "exit $got: $(head -n 1 "$tmp/log")")"
    done
else
    echo "SKIP closed_folder: rights cannot be dropped here" | tee -a "$results"
fi
chmod 755 "$tmp/out/closed" "$tmp/out/closed_set/images"

# docs/commands.md is what the tables say; UNET_TEST_WRITE=1 writes it anew.
[ -z "${UNET_TEST_WRITE:-}" ] || "$unet" help --format markdown >"$root/docs/commands.md"
"$unet" help --format markdown | cmp -s - "$root/docs/commands.md"
result commands_page "$([ $? = 0 ] || echo "docs/commands.md differs from the option tables; 'make docs' writes it")"

# Every option stands in help, man page and both completions; the scripts are well formed.
"$unet" help --format bash >bash.txt
"$unet" help --format zsh >zsh.txt
result bash_syntax "$(bash -n bash.txt 2>&1)"
if command -v zsh >/dev/null; then result zsh_syntax "$(zsh -n zsh.txt 2>&1)"; fi
reason=
for command in $("$unet" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    "$unet" help "$command" --format man | sed 's/\\-/-/g' >man.txt
    for option in $("$unet" help "$command" | grep -oE '^ .{6}--[a-z-]+|^  -., --[a-z-]+' | grep -oE -- '--[a-z-]+'); do
        for file in man.txt bash.txt zsh.txt; do
            grep -q -- "$option" $file || reason="$option of $command is not in $file"
        done
    done
done
result options_everywhere "$reason"

# tools/handbook.sh replaces what commands printed, and nothing else.
printf '# Page\n\n```console\n$ unet list gates | head -n 1\nold\n\nolder\n$ ls\n```\n\n```\n$ no\n```\n' >page.md
UNET=$unet "$root/tools/handbook.sh" "$PWD/page.md" >/dev/null 2>&1
printf '# Page\n\n```console\n$ unet list gates | head -n 1\n%s\n$ ls\nexamples\n```\n\n```\n$ no\n```\n' \
    "$("$unet" list gates | head -n 1)" | cmp -s - page.md
result handbook_is_made "$([ $? = 0 ] || tr '\n' '|' <page.md)"

awk '{n[$1]++} END {printf "%d passed, %d failed, %d skipped\n", n["PASS"], n["FAIL"], n["SKIP"]; exit n["FAIL"] > 0}' \
    "$results"
