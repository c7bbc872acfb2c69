#!/usr/bin/env bash
# Compiles the kernels for arm64, where vectors of four floats are NEON's, and checks them in an emulator against plain loops:
#   tools/check_arm64.sh            installs what is missing: qemu-user and the cross-compilation packages of Debian
#   tools/check_arm64.sh --native   the same program for this machine
set -euo pipefail
cd "$(dirname "$0")/.."

target=()
run=()
if [ "${1:-}" != --native ]; then
  packages=(qemu-user libc6-dev-arm64-cross libgcc-12-dev-arm64-cross binutils-aarch64-linux-gnu)
  if ! dpkg-query --show "${packages[@]}" >/dev/null 2>&1; then
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
  fi
  target=(--target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include -fuse-ld=/usr/bin/aarch64-linux-gnu-ld
    -B/usr/lib/gcc-cross/aarch64-linux-gnu/12 -L/usr/lib/gcc-cross/aarch64-linux-gnu/12 -L/usr/aarch64-linux-gnu/lib)
  run=(qemu-aarch64 -L /usr/aarch64-linux-gnu)
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang "${target[@]}" -O2 -Wall -ISources/CRBNKernels/include -o "$work/check" \
  tools/arm64/check_kernels.c Sources/CRBNKernels/*/portable.c Sources/CRBNKernels/conv2d/rows.c -lm
"${run[@]}" "$work/check"
