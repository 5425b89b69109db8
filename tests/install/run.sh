#!/usr/bin/env bash
# Installs into an empty folder and builds a program against what is there. run.sh SOURCE-ROOT BUILD-ROOT CC
set -u
root=$1 build=$2 cc=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
results=$tmp/results
result() { # result NAME REASON: passed when there is no reason
    if [ -z "$2" ]; then echo "PASS $1"; else echo "FAIL $1: $2"; fi | tee -a "$results"
}

if nm -D "$build/libunet.so" | grep -qE ' U __(asan|tsan|ubsan)'; then
    echo "SKIP install: a sanitizer build is not for use from outside" | tee "$results"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
DESTDIR=$tmp/to meson install -C "$build" --no-rebuild --quiet >"$tmp/log" 2>&1
result installs "$([ $? = 0 ] || tail -n 1 "$tmp/log")"

pc=$(find "$tmp/to" -name unet.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
export PKG_CONFIG_PATH=${pc%/*}
cp "$root/tests/install/outside.c" "$tmp/outside.c"
flags=$(pkg-config --define-variable=prefix="$tmp/to$prefix" --cflags --libs unet 2>"$tmp/log")
result pkg_config "$([ -n "$flags" ] || head -n 1 "$tmp/log")"

lib=$(dirname "$(find "$tmp/to" -name libunet.so | head -n 1)")
$cc -Wall -Werror "$tmp/outside.c" -o "$tmp/shared" $flags 2>"$tmp/log"
result builds_against_the_shared_library "$([ $? = 0 ] || head -n 2 "$tmp/log")"
output=$(LD_LIBRARY_PATH=$lib "$tmp/shared" 2>&1)
result runs "$([ "$output" = ok ] || echo "$output")"

flags=$(pkg-config --define-variable=prefix="$tmp/to$prefix" --static --cflags --libs unet |
    sed 's/-lunet/-l:libunet.a/')
$cc -Wall -Werror "$tmp/outside.c" -o "$tmp/static" $flags 2>"$tmp/log"
result builds_against_the_static_library "$([ $? = 0 ] || head -n 2 "$tmp/log")"
output=$("$tmp/static" 2>&1)
result static_runs "$([ "$output" = ok ] || echo "$output")"

reason=
for file in bin/unet share/man/man1/unet.1 share/man/man1/unet-config.1 share/bash-completion/completions/unet.bash \
    share/zsh/site-functions/_unet include/unet/unet.h; do
    [ -s "$tmp/to$prefix/$file" ] || reason="$file is missing"
done
result all_there "$reason"

awk '{n[$1]++} END {printf "%d passed, %d failed, %d skipped\n", n["PASS"], n["FAIL"], n["SKIP"]; exit n["FAIL"] > 0}' \
    "$results"
