#!/usr/bin/env bash
# Builds the component and runs it on a JetStream bucket, with a NATS server of its own if none answers.
# Ctrl-C stops everything that was started here.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/lib.sh

command -v swift >/dev/null || { echo "A Swift toolchain (6.1 or later) has to be on the PATH." >&2; exit 1; }

export NATS_URL="${NATS_URL:-nats://127.0.0.1:4222}"
address="${NATS_URL%%,*}"
address="${address#*://}"
address="${address##*@}"
host="${address%%:*}"
port="${address##*:}"
[ "$port" != "$address" ] || port=4222
# The first line that a NATS server sends says whether it has JetStream.
greeting() { (exec 3<>"/dev/tcp/$host/$port" && IFS= read -r -t 5 line <&3 && echo "$line") 2>/dev/null; }
answers() { [[ "$(greeting)" == INFO* ]]; }

ensure_packages "${build_packages[@]}"
if ! answers; then
    ensure_packages nats-server
elif [[ "$(greeting)" != *'"jetstream":true'* ]]; then
    echo "The NATS server at $NATS_URL has no JetStream: start it with -js, stop it, or name another in NATS_URL." >&2
    exit 1
fi

swift build -c release --product nats-storage
program="$(swift build -c release --show-bin-path)/nats-storage"

server="" component=""
stop() {
    trap - EXIT INT TERM
    [ -z "$component" ] || { kill -TERM "$component" 2>/dev/null; wait "$component"; } || true
    [ -z "$server" ] || { kill -TERM "$server" 2>/dev/null; wait "$server"; } || true
}
trap stop EXIT
trap 'stop; exit 0' INT TERM

if ! answers; then
    data="${XDG_DATA_HOME:-$HOME/.local/share}/nats-storage"
    mkdir -p "$data"
    echo "No NATS server answers at $NATS_URL: starting one, with its data in $data"
    # Of its own session, so that Ctrl-C reaches the component first.
    setsid nats-server -a "$host" -p "$port" -js -sd "$data" -l "$data/server.log" &
    server=$!
    for _ in $(seq 100); do answers && break; sleep 0.1; done
    answers || { echo "The NATS server did not start; see $data/server.log" >&2; exit 1; }
fi

http="${HTTP_LISTEN:-127.0.0.1:8300}"
setsid "$program" serve --config config/jetstream.yaml --http "$http" &
component=$!
cat <<TEXT

The component keeps objects in the bucket OBJECTS. Try, in another terminal:

  export NATS_URL=$NATS_URL PATH="\$PATH:$(dirname "$program")"
  nats-storage put hello/readme README.md
  nats-storage list
  nats-storage get hello/readme -o copy.md
  nats-storage watch

A page at http://$http/ shows what it does.
Ctrl-C stops it.
TEXT
wait "$component"
