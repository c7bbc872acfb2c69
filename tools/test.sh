#!/usr/bin/env bash
# Installs what is missing, builds in release and runs all tests. Arguments go to `swift test`:
#   tools/test.sh --filter RBNFormatsTests
# Further flags of the compiler come from RBN_SWIFT_FLAGS.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install_dependencies.sh
read -r -a flags <<<"${RBN_SWIFT_FLAGS:-}"
# The trait Serving adds the server, which the tests cover as well.
flags=(-c release -Xswiftc -enable-testing --traits Serving "${flags[@]}")
# The tests of the commands run the executables, so they are built first, with the same settings.
swift build "${flags[@]}" --product rbn
swift build "${flags[@]}" --product rbn-server
swift test "${flags[@]}" "$@"
