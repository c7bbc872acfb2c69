#!/usr/bin/env bash
# Fuzzes the parsers with libFuzzer, under AddressSanitizer and, for the C code, UndefinedBehaviorSanitizer (Swift traps
# by itself where C would be undefined):
#   tools/fuzz.sh TARGET SECONDS   one target of tools/fuzz/targets.txt
#   tools/fuzz.sh all SECONDS      every target, one after the other, SECONDS each
# Corpora, findings and logs go to .build-fuzz/work/TARGET; a finding is a file named crash-…, oom-… or timeout-….
# RBN_FUZZ_SEED sets libFuzzer's seed (1 by default; 0 for another each time), RBN_FUZZ_FLAGS further flags of it.
set -euo pipefail
cd "$(dirname "$0")/.."

names() { sed -n 's/^\([a-z0-9]\+\) .*/\1/p' tools/fuzz/targets.txt; }
usage() {
  echo "usage: tools/fuzz.sh TARGET SECONDS; targets: all $(names | tr '\n' ' ')" >&2
  exit 2
}
[ $# -eq 2 ] || usage
if [ "$1" = all ]; then
  targets=$(names)
else
  targets=$(names | grep --line-regexp --fixed-strings -- "$1") || usage
fi
[[ $2 =~ ^[0-9]+$ ]] || usage

# Of several -sanitize options Swift takes the last, so both are named in one; C takes them all.
RBN_FUZZ=1 swift build -c release --scratch-path .build-fuzz --product rbn-fuzz \
  --sanitize address --sanitize fuzzer -Xswiftc -sanitize=address,fuzzer \
  -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined
export UBSAN_OPTIONS=print_stacktrace=1
root=$PWD
fuzzer=$root/.build-fuzz/release/rbn-fuzz
read -r -a flags <<<"${RBN_FUZZ_FLAGS:-}"

status=0
for target in $targets; do
  work=$root/.build-fuzz/work/$target
  mkdir -p "$work/corpus" "$work/seeds"
  read -r _ dictionary patterns < <(grep "^$target " tools/fuzz/targets.txt)
  (cd fixtures && for seed in $patterns; do [ -f "$seed" ] && cp "$seed" "$work/seeds/${seed//\//-}"; done; true)
  echo "== $target, $2 s" >&2
  # Inputs of up to 1 MiB, each within 10 s and 1 GiB.
  (cd "$work" && RBN_FUZZ_TARGET=$target "$fuzzer" -max_total_time="$2" -max_len=1048576 -timeout=10 \
    -rss_limit_mb=2048 -malloc_limit_mb=1024 -seed="${RBN_FUZZ_SEED:-1}" -print_final_stats=1 \
    -dict="$root/tools/fuzz/dictionaries/$dictionary.dict" "${flags[@]}" corpus seeds >log 2>&1) || {
    echo "$target: a finding, or the fuzzer did not run; see $work" >&2
    status=1
  }
  grep -E '^(stat::|SUMMARY|==|artifact|Test unit|#[0-9]+.DONE)' "$work/log" || tail "$work/log"
done
exit $status
