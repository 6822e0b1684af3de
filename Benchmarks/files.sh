#!/usr/bin/env bash
# Builds the stores on the disk and their peers in C, and compares them.
# usage: files.sh [options of files.py]
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

ensure_packages "${build_packages[@]}" gcc libc6-dev python3
swift build -c release --product store-bench
programs="$(swift build -c release --show-bin-path)"
gcc -O2 -o "$programs/files" Benchmarks/peers/files.c -lpthread
gcc -O2 -o "$programs/sqlite" Benchmarks/peers/sqlite.c -lsqlite3
python3 Benchmarks/files.py "$programs" "$@"
