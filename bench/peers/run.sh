#!/usr/bin/env bash
# The virtual environment of `make bench-peers` (made at the first call), our program, then run.py with the arguments.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=build-peers/venv
if ! cmp -s bench/peers/requirements.txt "$venv/requirements.txt"; then
    echo "bench-peers: installing the rivals into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r bench/peers/requirements.txt
    cp bench/peers/requirements.txt "$venv/requirements.txt"
fi
[ -f build/build.ninja ] || meson setup build --buildtype=release >/dev/null
ninja -C build bench/ours >build/ninja.out || { tail -n 40 build/ninja.out; exit 1; }
exec "$venv/bin/python" bench/peers/run.py "$@"
