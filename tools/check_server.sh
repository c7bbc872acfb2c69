#!/usr/bin/env bash
# Checks rbn-server with software of others: the clients tritonclient and kserve; schemathesis, which makes requests from
# the server's own OpenAPI document; hadolint, kubernetes-validate and kserve's models for tools/deploy; and a headless
# Chromium that opens the page. Makes a virtual environment with what it needs, in .venv-serving.
#   tools/check_server.sh               all of it
#   tools/check_server.sh clients       only the clients
#   tools/check_server.sh openapi       only schemathesis
#   tools/check_server.sh deployment    only the files in tools/deploy
#   tools/check_server.sh page          only the page
# RBN_SERVER names another executable than the one in .build/release. Where Chromium is not installed, the page is skipped; where
# Python's packages can't be installed, all is, and the exit status is 77.
set -euo pipefail
cd "$(dirname "$0")/.."

part="${1:-all}"
venv=".venv-serving"
if ! cmp -s tools/serving/requirements.txt "$venv/requirements.txt"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tools/serving/requirements.txt || {
    echo "SKIPPED: the packages in tools/serving/requirements.txt can't be installed" >&2
    exit 77
  }
  cp tools/serving/requirements.txt "$venv/requirements.txt"
fi

for check in clients openapi deployment page; do
  if [ "$part" != all ] && [ "$part" != "$check" ]; then continue; fi
  echo "== $check"
  if [ "$check" = page ] && ! { command -v chromium && command -v chromedriver; } >/dev/null; then
    echo "SKIPPED: the page needs a browser: apt-get install chromium chromium-driver" >&2
    continue
  fi
  "$venv/bin/python" "tools/serving/check_$check.py"
done
