#!/usr/bin/env bash
# Builds the tests with sanitizers and runs them:
#   tools/sanitize.sh address   AddressSanitizer, and UndefinedBehaviorSanitizer for the C code (Swift traps by itself)
#   tools/sanitize.sh thread    ThreadSanitizer
# Further arguments go to `swift test`: tools/sanitize.sh thread --filter RBNRuntimeTests
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  address)
    flags=(--sanitize=address -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined)
    # Swift's runtime keeps what it allocates once for good.
    export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
    ;;
  thread)
    flags=(--sanitize=thread)
    export TSAN_OPTIONS=suppressions=$PWD/tools/sanitizers/thread.supp
    ;;
  *)
    sed -n 's/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
tools/install_dependencies.sh
swift test -c release -Xswiftc -enable-testing "${flags[@]}" --scratch-path ".build-$1-sanitizer" "${@:2}"
