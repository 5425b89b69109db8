#!/usr/bin/env bash
# cppcheck over library and programs; a finding is a failure. Needs the Debian package cppcheck.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cppcheck >/dev/null || { echo "lint: cppcheck is missing: apt-get install cppcheck" >&2; exit 1; }
# Left out: what a check of single files cannot know.
cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
    --suppress=missingIncludeSystem --suppress=unusedStructMember --suppress=toomanyconfigs \
    --suppress=uninitStructMember \
    -I include -I src -j "$(nproc)" src && echo "lint: nothing found"
