#!/usr/bin/env bash
# Installs into an empty folder; builds the programs of examples/ against what is there, with pkg-config, shared and
# static, as C99 and C++11 with all warnings, and runs them. run.sh SOURCE-ROOT BUILD-ROOT CC CXX
set -u
root=$1 build=$2 cc=$3 cxx=$4
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
. "$root/tests/results.sh"

if nm -D "$build/libunet.so" | grep -qE ' U __(asan|tsan|ubsan)'; then
    echo "SKIP install: a sanitizer build is not for use from outside" | tee "$results"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
DESTDIR=$tmp/to meson install -C "$build" --no-rebuild --quiet >"$tmp/log" 2>&1
result installs "$([ $? = 0 ] || tail -n 1 "$tmp/log")"

pc=$(find "$tmp/to" -name unet.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
export PKG_CONFIG_PATH=${pc%/*} XDG_CACHE_HOME=$tmp/cache
shared=$(pkg-config --define-variable=prefix="$tmp/to$prefix" --cflags --libs unet 2>"$tmp/log")
result pkg_config "$([ -n "$shared" ] || head -n 1 "$tmp/log")"
static=$(pkg-config --define-variable=prefix="$tmp/to$prefix" --static --cflags --libs unet |
    sed 's/-lunet/-l:libunet.a/')
lib=$(dirname "$(find "$tmp/to" -name libunet.so | head -n 1)")
export LD_LIBRARY_PATH=$lib

reason=
for file in bin/unet share/man/man1/unet.1 share/man/man1/unet-config.1 share/bash-completion/completions/unet.bash \
    share/zsh/site-functions/_unet include/unet/unet.h include/unet/profile.h; do
    [ -s "$tmp/to$prefix/$file" ] || reason="$file is missing"
done
result all_there "$reason"

# The same programs see the installed headers alone, and give the same with both libraries.
mkdir "$tmp/run"
cd "$tmp/run" || exit 1
{
    printf 'P6\n64 48\n255\n'
    head -c $((64 * 48 * 3)) "$(find "$root/examples/nuclei/images" -name '*.png' -size +12k | sort | head -n 1)"
} >picture.ppm
warnings="-Wall -Wextra -Wconversion -Wno-sign-conversion -pedantic -Werror"
examples() { # examples KIND FLAGS: train, evaluate, predict, threads; their output goes to KIND.txt
    local kind=$1 name reason
    shift
    mkdir "$kind"
    for name in train evaluate predict embed; do
        $cc -std=c99 $warnings "$root/examples/$name.c" -o "$kind/$name" $* 2>"$tmp/log"
        result "${kind}_builds_$name" "$([ $? = 0 ] || head -n 2 "$tmp/log")"
    done
    if echo 'int probe;' | $cxx -x c++ -fsyntax-only - 2>/dev/null; then
        $cxx -std=c++11 $warnings "$root/examples/threads.cpp" -o "$kind/threads" $* -pthread 2>"$tmp/log"
        result "${kind}_builds_threads" "$([ $? = 0 ] || head -n 2 "$tmp/log")"
    else
        echo "SKIP ${kind}_builds_threads: no C++ compiler" | tee -a "$results"
    fi
    "$kind/train" "$root/examples/nuclei" m.safetensors model.base_filters=4 model.depth=2 'train.patch=[64,64]' \
        train.batch=2 train.steps=3 >/dev/null 2>"$tmp/log"
    result "${kind}_trains" "$([ $? = 0 ] || tail -n 1 "$tmp/log")"
    "$kind/evaluate" m.safetensors "$root/examples/nuclei" test "$kind/report" >"$kind.txt" 2>"$tmp/log"
    result "${kind}_evaluates" "$([ $? = 0 ] && grep -q 'mean Dice' "$kind.txt" && [ -s "$kind/report/report.html" ] ||
        tail -n 1 "$tmp/log")"
    "$kind/predict" m.safetensors picture.ppm "$kind.pgm" >>"$kind.txt" 2>"$tmp/log"
    result "${kind}_predicts" "$([ $? = 0 ] && [ "$(head -c 12 "$kind.pgm")" = 'P5 64 48 255' ] ||
        tail -n 1 "$tmp/log")"
    "$kind/embed" m.safetensors >>"$kind.txt" 2>"$tmp/log"
    result "${kind}_embeds" "$([ $? = 0 ] || tail -n 1 "$tmp/log")"
    reason=
    [ ! -x "$kind/threads" ] || "$kind/threads" m.safetensors >>"$kind.txt" 2>"$tmp/log" ||
        reason=$(tail -n 1 "$tmp/log")
    result "${kind}_threads" "$reason"
}
examples shared $shared
LD_LIBRARY_PATH= examples static $static
result same_with_both_libraries "$(diff shared.txt static.txt | head -n 2)"
"$tmp/to$prefix/bin/unet" predict m.safetensors picture.ppm -o masks --quiet >"$tmp/log" 2>&1
result command_runs "$([ -s masks/picture.png ] || head -n 1 "$tmp/log")"

finish
