#!/usr/bin/env bash
# The virtual environment of `make bench-peers` (made at the first call), our program, then run.py with the arguments.
set -euo pipefail
cd "$(dirname "$0")/../.."

bench/peers/venv.sh build-peers/venv bench/peers/requirements.txt bench/ours
exec build-peers/venv/bin/python bench/peers/run.py "$@"
