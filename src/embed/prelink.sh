#!/usr/bin/env bash
# prelink.sh EXPORTS OUT CC OBJCOPY AR LIBRARY...: one object with what the exported functions need and no more, whose
# other names are its own; as a static library. Tables for exceptions go: nothing throws through a network.
set -eu
exports=$1 out=$2 cc=$3 objcopy=$4 ar=$5
shift 5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
roots=()
while read -r name; do roots+=("-Wl,-u,$name"); done <"$exports"
$cc -r -nostdlib -Wl,--gc-sections "${roots[@]}" -o "$work/all.o" "$@"
$objcopy --strip-unneeded --remove-section=.eh_frame --remove-section=.rela.eh_frame \
    --keep-global-symbols="$exports" "$work/all.o" "$work/unet-embed.o"
rm -f "$out"
$ar rcsD "$out" "$work/unet-embed.o"
