#!/usr/bin/env bash
# Loads rbn-server with wrk (Debian's package): the gain of batching, 60 s at twice what the server can do, and swapped models.
#   tools/load_test.sh
#   tools/load_test.sh --file resnet18.pth --shape 1,3,64,64 --part batching
set -euo pipefail
cd "$(dirname "$0")/.."

command -v wrk >/dev/null || {
  echo "wrk is needed: apt-get install wrk" >&2
  exit 1
}
venv=".venv-serving"
[ -x "$venv/bin/python" ] || tools/check_server.sh none
exec "$venv/bin/python" tools/serving/load_test.py "$@"
