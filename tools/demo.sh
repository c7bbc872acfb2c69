#!/usr/bin/env bash
# Installs what is missing, builds in release and classifies the photographs in fixtures/ with the networks in fixtures/.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install_dependencies.sh
echo "Building (a few minutes the first time) …" >&2
swift build -c release --product rbn >&2
rbn="$(swift build -c release --show-bin-path)/rbn"

echo
echo "EfficientNet-Lite0 (ImageNet-1k) on photographs: rbn predict"
echo
"$rbn" predict fixtures/efficientnet-lite0/efficientnet-lite0.rbn fixtures/photos --top-k 3
echo
echo "A Representative BatchNorm network, trained on handwritten digits, on images it has not seen"
echo
"$rbn" predict fixtures/digits/digits-rbn.rbn fixtures/digits/images --top-k 1
echo
echo "The same network against the values that PyTorch computed: rbn verify"
echo
"$rbn" verify fixtures/digits/digits-rbn.rbn fixtures/digits/digits-rbn.npz
