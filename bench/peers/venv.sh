#!/usr/bin/env bash
# venv.sh VENV REQUIREMENTS PROGRAM: a virtual environment with these packages, and our program.
set -euo pipefail

venv=$1 packages=$2 program=$3
if ! cmp -s "$packages" "$venv/requirements.txt"; then
    echo "installing what is compared with into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$packages"
    cp "$packages" "$venv/requirements.txt"
fi
[ -f build/build.ninja ] || meson setup build --buildtype=release >/dev/null
ninja -C build "$program" >build/ninja.out || { tail -n 40 build/ninja.out; exit 1; }
