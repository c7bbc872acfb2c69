#!/usr/bin/env bash
# Counts the heap allocations of a call in the steady state: the difference between 100 and 200 calls of `rbn bench`.
#   tools/count_allocations.sh MODEL [OPTIONS OF rbn bench]
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 1 ] || { sed -n 's/^# \{0,1\}//p' "$0" | sed -n 2,3p >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang -O2 -shared -fPIC -o "$work/count.so" "$here/tools/allocations/count.c" -ldl
swift build --package-path "$here" -c release -Xswiftc -enable-testing --product rbn >&2

count() {
  LD_PRELOAD="$work/count.so" ALLOCATION_COUNT_FILE="$work/count" \
    "$here/.build/release/rbn" bench "${@:2}" --warm-up 20 --iterations "$1" >/dev/null
  cat "$work/count"
}
fewer=$(count 100 "$@")
more=$(count 200 "$@")
awk "BEGIN { printf \"%.2f allocations a call\n\", ($more - $fewer) / 100 }"
