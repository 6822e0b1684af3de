#!/usr/bin/env bash
# Makes the documentation of every public module, with warnings as errors: a link that leads nowhere fails.
# Usage: deploy/docs.sh [FOLDER], by default .build-docs; SCRATCH names the build folder, by default .build.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

output="${1:-.build-docs}"
scratch="${SCRATCH:-.build}"
ensure_packages "${build_packages[@]}"
[ -n "${SKIP_BUILD:-}" ] || swift build --scratch-path "$scratch"
modules="$scratch/debug/Modules"
flags=()
for map in Sources/*/module.modulemap Sources/*/include/module.modulemap "$scratch"/debug/*.build/module.modulemap \
    "$scratch"/checkouts/GRDB.swift/Sources/GRDBSQLite/module.modulemap; do
    [ ! -f "$map" ] || flags+=(-Xcc "-fmodule-map-file=$map")
done
rm -rf "$output"
failed=()
for catalog in Sources/*/*.docc; do
    module="$(basename "$catalog" .docc)"
    graphs="$output/graphs/$module"
    mkdir -p "$graphs"
    swift symbolgraph-extract -module-name "$module" -I "$modules" "${flags[@]}" -target "$(uname -m)-unknown-linux-gnu" \
        -minimum-access-level public -skip-synthesized-members -output-dir "$graphs"
    # A comment need not explain a parameter that its name explains.
    if ! docc convert "$catalog" --additional-symbol-graph-dir "$graphs" --ide-console-output \
        --fallback-display-name "$module" --fallback-bundle-identifier "nats-storage.$module" \
        --output-path "$output/$module.doccarchive" >"$output/log" 2>&1 ||
        grep -E "(warning|error): " "$output/log" | grep -v "is missing documentation"; then
        cat "$output/log" >&2
        failed+=("$module")
    fi
done
[ ${#failed[@]} -eq 0 ] || { echo "not as it should be: ${failed[*]}" >&2; exit 1; }
echo "The documentation is in $output."
