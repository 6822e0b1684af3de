#!/usr/bin/env bash
# Builds the component and a nats.go program that does a pipeline's work, and compares them on the newest nats-server.
# usage: pipeline.sh [options of pipeline.py]
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

ensure_packages "${build_packages[@]}" python3-venv golang-go golang-github-nats-io-go-nats-dev
ensure_python_tools
swift build -c release --product store-bench
swift build -c release --product nats-storage
programs="$PWD/.build/release"
GO111MODULE=off GOPATH=/usr/share/gocode go build -o "$programs/pipeline" Benchmarks/peers/pipeline.go
"$tools/bin/python" Benchmarks/pipeline.py "$programs" "$tools/bin/nats-server" "$@"
