#!/usr/bin/env bash
# cppcheck over library and programs; a finding is a failure. Needs the Debian package cppcheck.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cppcheck >/dev/null || { echo "lint: cppcheck is missing: apt-get install cppcheck" >&2; exit 1; }
cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --error-exitcode=1 \
    --suppress=missingIncludeSystem --suppress=toomanyconfigs --suppressions-list=tools/lint-known.txt \
    -I include -I src -j "$(nproc)" src && echo "lint: nothing found"
