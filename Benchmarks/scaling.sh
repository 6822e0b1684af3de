#!/usr/bin/env bash
# Builds the component and measures how several of them share requests.
# usage: scaling.sh [options of scaling.py]
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

ensure_packages "${build_packages[@]}" python3-venv
ensure_python_tools
swift build -c release --product store-bench
swift build -c release --product nats-storage
"$tools/bin/python" Benchmarks/scaling.py "$(swift build -c release --show-bin-path)" "$tools/bin/nats-server" "$@"
