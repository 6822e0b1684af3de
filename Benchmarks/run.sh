#!/usr/bin/env bash
# Builds this store and its peers, and compares them on the Debian and on the newest nats-server.
# usage: run.sh [options of run.py]
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

ensure_packages "${build_packages[@]}" nats-server gcc libc6-dev python3-venv golang-go golang-github-nats-io-go-nats-dev
ensure_python_tools
swift build -c release --product store-bench
swift build -c release --product nats-storage
programs="$PWD/.build/release"
gcc -O2 -o "$programs/floor" Benchmarks/peers/floor.c -lnats -lpthread
GO111MODULE=off GOPATH=/usr/share/gocode go build -o "$programs/peer" Benchmarks/peers/peer.go
for server in /usr/sbin/nats-server "$tools/bin/nats-server"; do
    "$tools/bin/python" Benchmarks/run.py "$programs" "$server" "$@"
done
