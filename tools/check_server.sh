#!/usr/bin/env bash
# Checks rbn-server with software of others: the clients tritonclient and kserve; schemathesis, which makes requests from
# the server's own OpenAPI document; hadolint, kubernetes-validate and kserve's models for tools/deploy; and a headless
# Chromium that opens the page. Makes a virtual environment with what it needs, in .venv-serving.
#   tools/check_server.sh               all of it
#   tools/check_server.sh clients       only the clients
#   tools/check_server.sh openapi       only schemathesis
#   tools/check_server.sh all 10        all, with 10 examples of each request that schemathesis makes instead of 40
#   tools/check_server.sh deployment    only the files in tools/deploy
#   tools/check_server.sh page          only the page
# RBN_SERVER names another executable than the one in .build/release. Where Chromium is not installed, the page is skipped; where
# Python's packages can't be installed, all is, and the exit status is 77.
set -euo pipefail
cd "$(dirname "$0")/.."

checks=(clients openapi deployment page)
part="${1:-all}"
case " all none ${checks[*]} " in
  *" $part "*) ;;
  *)
    echo "there is no check named $part: it is one of ${checks[*]}, or all" >&2
    exit 2
    ;;
esac
venv=".venv-serving"
python3 -c 'import ensurepip, venv' 2>/dev/null || tools/install_dependencies.sh python3 python3-venv
command -v openssl >/dev/null || tools/install_dependencies.sh openssl
if ! cmp -s tools/serving/requirements.txt "$venv/requirements.txt"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tools/serving/requirements.txt || {
    echo "SKIPPED: the packages in tools/serving/requirements.txt can't be installed" >&2
    exit 77
  }
  cp tools/serving/requirements.txt "$venv/requirements.txt"
fi

for check in "${checks[@]}"; do
  if [ "$part" != all ] && [ "$part" != "$check" ]; then continue; fi
  echo "== $check"
  if [ "$check" = page ] && ! { command -v chromium && command -v chromedriver; } >/dev/null; then
    echo "SKIPPED: the page needs a browser: apt-get install chromium chromium-driver" >&2
    continue
  fi
  arguments=()
  if [ "$check" = openapi ]; then arguments=("${2:-40}"); fi
  "$venv/bin/python" "tools/serving/check_$check.py" "${arguments[@]}"
done
