#!/usr/bin/env bash
# The inference library: its size, what it needs, what it exports; an example that embeds it gives what the whole
# library gives. run.sh SOURCE-ROOT BUILD-ROOT CC
set -u
export LC_ALL=C
root=$1 build=$2 cc=$3
library=$build/src/embed/libunet-embed.a
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
. "$root/tests/results.sh"

if nm "$library" | grep -qE ' U __(asan|tsan|ubsan)'; then
    echo "SKIP embed: a sanitizer build is not for embedding" | tee "$results"
    finish
fi

# Memory, strings, numbers, the environment (UNET_CPU), the clock of profiles. No stdio, files, threads, codecs.
allowed='__cpu_model|__cpu_indicator_init|_GLOBAL_OFFSET_TABLE_|__ctype_b_loc|__ctype_toupper_loc|__errno_location'
allowed+='|bsearch|qsort|calloc|malloc|free|clock_gettime|getenv|localeconv|strto(d|ll|ull)'
allowed+='|mem(chr|cmp|cpy|move|set)|str(chr|cmp|len|ncmp|pbrk|spn|cspn)|floorf?|__stack_chk_fail'
result needs_only "$(nm "$library" | awk '$1 == "U" {print $2}' | grep -vxE "$allowed" | tr '\n' ' ')"
result exports_only "$(nm -g --defined-only "$library" | awk 'NF == 3 {print $3}' | sort |
    comm -3 - <(sort "$root/src/embed/exports.txt") | tr '\n' ' ')"
code=$(size "$library" | awk 'NR == 2 {print $1}')
echo "     code and constants: $code bytes"
result under_400_KiB "$([ "$code" -lt 409600 ] || echo "$code bytes of code")"

$cc -std=c99 -Wall -Wextra -Werror -I "$root/include" "$root/examples/embed.c" "$library" -lm \
    -o "$tmp/embed" 2>"$tmp/log"
result example_builds "$([ $? = 0 ] || head -n 2 "$tmp/log")"
result no_stdio_pulled_in "$(nm -u "$tmp/embed" | grep -E 'pthread|png|jpeg|TIFF|yaml|snprintf|fopen64' | tr '\n' ' ')"
$cc -std=c99 -I "$root/include" "$root/examples/embed.c" -L "$build" -lunet -Wl,-rpath,"$build" -o "$tmp/whole"
level=ref
grep -qw avx2 /proc/cpuinfo && level=avx2

# Two steps make a model good enough to compare.
compare() { # compare NAME KEYS...: pictures or volumes through both libraries
    local name=$1
    shift
    "$build/src/cli/unet" train "$root/examples/nuclei" -o "$tmp/$name.safetensors" --steps 2 model.base_filters=4 \
        train.batch=2 train.select_share=0.02 data.val_share=0.02 "$@" --quiet >"$tmp/log" 2>&1
    result "makes_a_model_of_$name" "$([ $? = 0 ] || tail -n 1 "$tmp/log")"
    env -u UNET_CPU "$tmp/embed" "$tmp/$name.safetensors" >"$tmp/embedded" 2>&1
    result "example_runs_on_$name" "$([ $? = 0 ] || head -n 1 "$tmp/embedded")"
    UNET_CPU=$level "$tmp/whole" "$tmp/$name.safetensors" >"$tmp/expected" 2>&1
    result "same_as_the_whole_library_on_$name" "$(diff "$tmp/expected" "$tmp/embedded" | head -n 3)"
    UNET_CPU=ref "$tmp/embed" "$tmp/$name.safetensors" >"$tmp/embedded" 2>&1
    UNET_CPU=ref "$tmp/whole" "$tmp/$name.safetensors" >"$tmp/expected" 2>&1
    result "same_at_level_ref_on_$name" "$(diff "$tmp/expected" "$tmp/embedded" | head -n 3)"
}
compare pictures model.depth=2 train.patch=[32,32]
compare volumes model.depth=1 model.dims=3 train.patch=[1,32,32]
finish
