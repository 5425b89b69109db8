#!/usr/bin/env bash
# 64-bit ARM on this machine: cross-compiles with the packages below (installed when missing: needs root or sudo), runs
# kcheck, the golden networks and sessions under qemu-user, and writes docs/arm.md.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(gcc-aarch64-linux-gnu qemu-user libc6-dev-arm64-cross libpng-dev:arm64 libjpeg62-turbo-dev:arm64
    libtiff-dev:arm64 zlib1g-dev:arm64 libyaml-dev:arm64)
tests=(kcheck base limits kernels kernel_math kernel_norm kernel_losses engine torch session)

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' || missing+=("$package")
done
if [ "${missing[*]:-}" ]; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    if ! $sudo -n true 2>/dev/null && [ -n "$sudo" ]; then
        echo "no rights to install; run:"
        echo "  dpkg --add-architecture arm64 && apt-get update && apt-get install ${missing[*]}"
        exit 1
    fi
    echo "installing: ${missing[*]}"
    $sudo dpkg --add-architecture arm64
    $sudo apt-get update -q >/dev/null
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-remove --no-install-recommends \
        "${missing[@]}" >/dev/null
fi

# -O1: GCC 12 for ARM fails in its vectoriser on some of the tests; kernels have their own flags
[ -f build-arm/build.ninja ] || meson setup build-arm --cross-file tools/aarch64.ini --buildtype=custom \
    -Doptimization=1 -Db_ndebug=true >/dev/null
programs=("${tests[@]/#/tests/test_}")
programs[0]=tests/kcheck
ninja -C build-arm "${programs[@]}" | tail -n 1
rows=()
failed=0
for i in "${!tests[@]}"; do
    args=()
    [ "${tests[$i]}" != kcheck ] || args=(--level neon)
    output=$(qemu-aarch64 "build-arm/${programs[$i]}" "${args[@]}" 2>&1) || true
    printf '%s\n' "$output"
    last=${output##*$'\n'}
    case $last in *" passed, 0 failed"*) ;; *) failed=1 ;; esac
    rows+=("| ${programs[$i]#tests/} ${args[*]:-} | $last |")
done
{
    echo "# 64-bit ARM"
    echo
    echo "The level \`neon\` is the sources of \`src/kernels/simd\` at a width of four floats."
    echo "Written by \`make test-arm\`, which cross-compiles and runs under qemu-user; at commit"
    echo "$(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(date -u +%Y-%m-%d),"
    echo "$(aarch64-linux-gnu-gcc --version | head -n 1), $(qemu-aarch64 --version | head -n 1)."
    echo
    echo "| program | result |"
    echo "|---|---|"
    printf '%s\n' "${rows[@]}"
} >docs/arm.md
cat docs/arm.md
exit $failed
