#!/usr/bin/env bash
# The virtual environment of `make bench-augment` (made at the first call), our program, then augment.py.
set -euo pipefail
cd "$(dirname "$0")/../.."

bench/peers/venv.sh build-peers/venv-augment bench/peers/requirements-augment.txt bench/augment_ours
exec build-peers/venv-augment/bin/python bench/peers/augment.py "$@"
