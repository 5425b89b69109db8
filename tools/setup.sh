#!/usr/bin/env bash
# Finds what the build needs and installs what is missing from Debian packages, non-interactively.
# Does nothing when all is there. With root, or sudo that asks nothing, it installs; else it prints the one command to
# run and fails. Usage: tools/setup.sh [--check]     --check: only say what is missing
set -euo pipefail

# Package for each command, header test and pkg-config module. Asked for by what is used, not by package name, so that
# a library built by hand or another distribution counts too.
missing=()
need() { # need PACKAGE COMMAND...: the package is missing when the command fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
compiles() { # compiles COMPILER...: a working compiler with the C library's headers
    echo '#include <stdio.h>' | "$@" -fsyntax-only -
}
need build-essential compiles cc -x c
[ "${missing[*]:-}" ] || need build-essential compiles c++ -x c++
[ "${missing[*]:-}" ] || need make command -v make
need meson command -v meson
need ninja-build command -v ninja
need pkg-config command -v pkg-config
for row in libpng:libpng-dev libjpeg:libjpeg62-turbo-dev libtiff-4:libtiff-dev zlib:zlib1g-dev yaml-0.1:libyaml-dev; do
    need "${row#*:}" pkg-config --exists "${row%%:*}"
done
[ ${#missing[@]} -gt 0 ] || exit 0

install="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "${1:-}" = --check ]; then
    echo "setup: missing: ${missing[*]}" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian; install what these packages hold: ${missing[*]}" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=(env DEBIAN_FRONTEND=noninteractive)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
else
    echo "setup: packages are missing and there are no rights to install them. Run this, then try again:" >&2
    echo "    sudo $install" >&2
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quiet() { # quiet COMMAND...: its output only when it fails
    "${as_root[@]}" "$@" >"$log" 2>&1 </dev/null
}
echo "setup: installing Debian packages: ${missing[*]}"
compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || quiet apt-get update || true
# The list may be there and stale: one more try after an update (a broken side source is no reason to stop).
if ! quiet $install; then
    quiet apt-get update || true
    if ! quiet $install; then
        tail -n 15 "$log" >&2
        echo "setup: apt-get failed; see above" >&2
        exit 1
    fi
fi
echo "setup: done"
