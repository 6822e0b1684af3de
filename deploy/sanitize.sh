#!/usr/bin/env bash
# Runs tests under Thread Sanitizer: those of the vocabulary, the layers and the tiers, each layer and deep stacks of them
# through the conformance suite, those of the stores in files and in SQLite, of connections, and of the component's ports,
# events and pipelines.
# usage: sanitize.sh [FILTER], a regular expression as `swift test --filter` takes it.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

filter="${1:-^(StorageTests|StorageLayersTests|TieredStorageTests|StorageSnapshotTests|FileStorageTests|SQLiteStorageTests|NATSTests|StorageServiceTests)\.|^StorageConformanceTests\.(Memory|Faulty|Example|Tiered|Observed)}"
scratch="${SANITIZE_SCRATCH:-.build/sanitize}"
ensure_packages "${build_packages[@]}" nats-server python3-venv strace
if [ -z "${NATS_PYTHON:-}" ]; then
    ensure_python_tools
    export NATS_SERVER_NEWEST="$tools/bin/nats-server" NATS_PYTHON="$tools/bin/python"
fi

mkdir -p "$scratch"
scratch="$(realpath "$scratch")"
shim="$scratch/runtime.so"
clang -Wall -Werror -O2 -shared -fPIC -o "$shim" deploy/sanitize/runtime.c -ldl
swiftc -swift-version 6 -parse-as-library -sanitize=thread -O -o "$scratch/control" deploy/sanitize/control.swift
# The NATS library joins none of its threads.
export TSAN_OPTIONS="halt_on_error=0 exitcode=66 history_size=4 report_thread_leaks=0"

# The sanitizer proves that it tells the two apart, before anything is believed of it.
LD_PRELOAD="$shim" "$scratch/control" >"$scratch/control.log" 2>&1 ||
    { cat "$scratch/control.log" >&2; echo "the sanitizer reports what is no race" >&2; exit 1; }
if LD_PRELOAD="$shim" "$scratch/control" race >"$scratch/control.log" 2>&1; then
    echo "the sanitizer does not report a race" >&2
    exit 1
fi

# Left out are tests that kill at a numbered system call, since they count the sanitizer's own calls too, and those that
# run the program: in an environment of their own, without the shim.
swift build --build-tests --sanitize thread --scratch-path "$scratch"
rm -f "$scratch"/report.*
status=0
TSAN_OPTIONS="$TSAN_OPTIONS log_path=$scratch/report" LD_PRELOAD="$shim" \
    swift test --skip-build --no-parallel --sanitize thread --scratch-path "$scratch" --filter "$filter" \
    --skip CrashTests --skip ProgramTests || status=$?
if compgen -G "$scratch/report.*" >/dev/null; then
    cat "$scratch"/report.* | grep -E "^SUMMARY" | sort | uniq -c | sort -rn >&2
    echo "races: see $scratch/report.*" >&2
    exit 1
fi
exit "$status"
