#!/usr/bin/env python3
"""Compares a pipeline of the component with a nats.go program that does the same, and gets through the component with the
store's own, on one server, turn and turn about.

usage: pipeline.py PROGRAMS SERVER [--repeat N] [--messages N] [--json FILE]
PROGRAMS: a folder with store-bench, pipeline and nats-storage, as pipeline.sh builds them.
"""
import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import nats

parser = argparse.ArgumentParser()
parser.add_argument("programs")
parser.add_argument("server")
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--messages", type=int, default=20_000)
parser.add_argument("--only", choices=["pipeline", "get"])
parser.add_argument("--json")
arguments = parser.parse_args()

SIZE = 1024
folder = tempfile.mkdtemp()
probe = socket.create_server(("127.0.0.1", 0))
port = probe.getsockname()[1]
probe.close()
url = f"nats://127.0.0.1:{port}"
with open(f"{folder}/server.conf", "w") as file:
    file.write(f'host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: "{folder}" }}\n')
server = subprocess.Popen([arguments.server, "-c", f"{folder}/server.conf", "-l", f"{folder}/log"])


def program(name):
    return os.path.join(arguments.programs, name)


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed: {result.stderr}")
    return json.loads(result.stdout) if result.stdout else None


def fill(stream):
    run(program("pipeline"), url, "fill", stream, arguments.messages, SIZE)


def go(number, in_flight):
    stream = f"G{in_flight}R{number}"
    fill(stream)
    return run(program("pipeline"), url, "consume", stream, f"B{stream}", arguments.messages, in_flight)["per_second"]


async def consumed(stream):
    """From the first delivery to the last acknowledgement, as the server tells of its consumer."""
    connection = await nats.connect(url)
    begin = None
    while True:
        info = await connection.request(f"$JS.API.CONSUMER.INFO.{stream}.c", timeout=30)
        info = json.loads(info.data)
        if begin is None and "delivered" in info and info["delivered"]["stream_seq"] > 0:
            begin = time.monotonic()
            before = info["ack_floor"]["stream_seq"]
        if "ack_floor" in info and info["ack_floor"]["stream_seq"] == arguments.messages:
            break
        await asyncio.sleep(0.005)
    seconds = time.monotonic() - begin
    await connection.close()
    return (arguments.messages - before) / seconds


def component(text, work):
    with open(f"{folder}/component.yaml", "w") as file:
        file.write(text)
    process = subprocess.Popen(
        [program("nats-storage"), "serve", "--config", f"{folder}/component.yaml"], stdout=subprocess.PIPE, text=True)
    try:
        return work(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def ours(number, outputs):
    stream = f"T{len(outputs)}R{number}"
    fill(stream)
    text = f"""
nats: {{url: "{url}"}}
log: {{level: warning}}
instances:
  - name: p
    store: {{type: jetstream, bucket: B{stream}}}
    ports: {{inputs: [{{name: write, type: jetstream, stream: {stream}, durable: c}}], outputs: [{outputs}]}}
"""
    return component(text, lambda process: asyncio.run(consumed(stream)))


def gets():
    run(program("store-bench"), url, "SMALL", "seed", SIZE, 16, 1000)
    text = f'nats: {{url: "{url}"}}\ninstances: [{{store: {{type: jetstream, bucket: SMALL}}}}]\n'

    def measure(process):
        process.stdout.readline()
        rounds = []
        for _ in range(arguments.repeat):
            own = run(program("store-bench"), url, "SMALL", "get", SIZE, 64, 30_000)["per_second"]
            through = run(program("store-bench"), url, "SMALL", "remote-get", SIZE, 64, 30_000)["per_second"]
            rounds.append((through, own))
        return rounds

    return component(text, measure)


results = {}
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    version = subprocess.run([arguments.server, "--version"], capture_output=True, text=True).stdout.split()[-1]
    print(f"nats-server {version}, {os.cpu_count()} cores; the median of {arguments.repeat} rounds, messages of 1 KiB")
    if arguments.only != "get":
        run(program("pipeline"), url, "fill", "NOTICES", 0, SIZE)
        streamed = "{name: events, type: jetstream, subject: NOTICES.e}, {name: stored, type: jetstream, subject: NOTICES.s}"
        figures = {
            "this": lambda number: ours(number, ""),
            "this, outputs into a stream": lambda number: ours(number, streamed),
            "nats.go": lambda number: go(number, 1),
            "nats.go, 64 goroutines": lambda number: go(number, 64),
        }
        rounds = [{name: figure(turn) for name, figure in figures.items()} for turn in range(arguments.repeat)]
        results["pipeline"] = {name: statistics.median(turn[name] for turn in rounds) for name in figures}
        for name, rate in results["pipeline"].items():
            print(f"{name:30} {rate:10,.0f} messages/s")
        for peer in ["nats.go", "nats.go, 64 goroutines"]:
            ratio = statistics.median(turn["this"] / turn[peer] for turn in rounds)
            print(f"{ratio:.2f} × {peer}" + (" (goal 3)" if peer == "nats.go" else ""))
            results[f"times {peer}"] = round(ratio, 2)
    if arguments.only != "pipeline":
        rounds = gets()
        ratio = statistics.median(through / own for through, own in rounds)
        print(f"get, 64 in flight: {statistics.median(r[0] for r in rounds):,.0f}/s through the component, "
              f"{statistics.median(r[1] for r in rounds):,.0f}/s in process: {ratio:.0%} (goal 70%)")
        results["get"] = round(ratio, 3)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"server": version, "cores": os.cpu_count(), "results": results}, file, indent=2)
finally:
    server.terminate()
    server.wait()
    shutil.rmtree(folder)
