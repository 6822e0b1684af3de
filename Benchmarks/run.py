#!/usr/bin/env python3
"""Runs this store, C over libnats (its blocking calls, and its callbacks: the floor), nats.go and nats-py on one server, turn and turn about, and prints medians and ratios.

usage: run.py PROGRAMS SERVER [--repeat N] [--keys N] [--json FILE]
PROGRAMS: a folder with store-bench, floor, peer and nats-storage, as run.sh builds them.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("programs")
parser.add_argument("server")
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--keys", type=int, default=100_000)
parser.add_argument("--json")
arguments = parser.parse_args()

folder = tempfile.mkdtemp()
probe = socket.create_server(("127.0.0.1", 0))
port = probe.getsockname()[1]
probe.close()
url = f"nats://127.0.0.1:{port}"
with open(f"{folder}/server.conf", "w") as file:
    file.write(f'host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: "{folder}" }}\n')
version = subprocess.run([arguments.server, "--version"], capture_output=True, text=True).stdout.split()[-1]
server = subprocess.Popen([arguments.server, "-c", f"{folder}/server.conf", "-l", f"{folder}/log"])
component = None


def program(name):
    return os.path.join(arguments.programs, name)


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed: {result.stderr}")
    return json.loads(result.stdout)


def ours(bucket, kind, size, in_flight, count, *options):
    return run(program("store-bench"), url, bucket, kind, size, in_flight, count, *options)


def floor(bucket, kind, size, in_flight, count):
    return run(program("floor"), url, bucket, kind, size, in_flight, count)


def go(bucket, kind, size, in_flight, count):
    return run(program("peer"), url, bucket, kind, size, in_flight, count)


def python(bucket, kind, size, in_flight, count):
    peer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers", "peer.py")
    return run(sys.executable, peer, url, bucket, kind, size, in_flight, count)


results = []
made = 0


def fresh():
    """A new bucket, so that a put is one of a new key."""
    global made
    made += 1
    ours(f"PUT{made}", "seed", 16, 1, 1)
    return f"PUT{made}"


def compare(work, measure, figures, goals):
    """Each of `figures` runs once a round, so that all see the same machine; `measure` is what is compared."""
    rounds = [{name: figure() for name, figure in figures.items()} for _ in range(arguments.repeat)]
    median = {name: statistics.median(round[name][measure] for round in rounds) for name in figures}
    p99 = {name: statistics.median(round[name]["p99_us"] for round in rounds) for name in figures}
    entry = {"work": work, "measure": measure, "median": median, "p99_us": p99, "ratios": {}}
    for name, goal in goals.items():
        faster = [
            round[name][measure] / round["this"][measure] if measure == "p50_us" else round["this"][measure] / round[name][measure]
            for round in rounds
        ]
        entry["ratios"][name] = {"times_faster": round(statistics.median(faster), 2), "goal": goal}
    results.append(entry)
    shown = "  ".join(f"{name} {value:,.{0 if value >= 100 else 1}f}" for name, value in median.items())
    ratios = "  ".join(
        f"{v['times_faster']} × {k}" + (f" (goal {v['goal']:.3g})" if v["goal"] else "") for k, v in entry["ratios"].items())
    print(f"{work:34} {measure:10} {shown:70} {ratios}", flush=True)


try:
    time.sleep(1)
    print(f"nats-server {version}, {os.cpu_count()} cores; the median of {arguments.repeat} rounds")
    # Warm, and there: a thousand small objects, and the floor's own chunks.
    ours("SMALL", "seed", 1024, 16, 1000)
    ours("FLOOR", "seed", 1024, 1, 1)
    floor("FLOOR", "put", 1024, 1, 1000)
    ours("OVER", "put", 1024, 16, 1000)
    go("OVER", "put", 1024, 16, 1000)
    compare("get 1 KiB, one at a time", "p50_us", {
        "this": lambda: ours("SMALL", "get", 1024, 1, 4000),
        "floor": lambda: floor("FLOOR", "get", 1024, 1, 4000),
        "C calls": lambda: floor("FLOOR", "get-calls", 1024, 1, 4000),
        "nats.go": lambda: go("SMALL", "get", 1024, 1, 1000),
        "nats-py": lambda: python("SMALL", "get", 1024, 1, 300),
    }, {"C calls": 1 / 1.4, "floor": 1 / 1.4, "nats.go": 7, "nats-py": None})
    compare("get 1 KiB, 64 in flight", "per_second", {
        "this": lambda: ours("SMALL", "get", 1024, 64, 30_000),
        "nats.go": lambda: go("SMALL", "get", 1024, 64, 3000),
    }, {"nats.go": 12})
    compare("put 1 KiB, one at a time", "p50_us", {
        "this": lambda: ours(fresh(), "put", 1024, 1, 4000),
        "floor": lambda: floor("FLOOR", "put", 1024, 1, 4000),
        "C calls": lambda: floor("FLOOR", "put-calls", 1024, 1, 4000),
        "nats.go": lambda: go(fresh(), "put", 1024, 1, 1000),
        "nats-py": lambda: python(fresh(), "put", 1024, 1, 300),
    }, {"C calls": 1 / 1.4, "floor": 1 / 1.4, "nats.go": 2.5, "nats-py": None})
    compare("put 1 KiB, 64 in flight", "per_second", {
        "this": lambda: ours(fresh(), "put", 1024, 64, 20_000),
        "nats.go": lambda: go(fresh(), "put", 1024, 64, 5000),
    }, {"nats.go": 3})
    compare("overwrite 1 KiB, one at a time", "p50_us", {
        "this": lambda: ours("OVER", "put", 1024, 1, 1000),
        "nats.go": lambda: go("OVER", "put", 1024, 1, 1000),
    }, {"nats.go": None})
    large = 64 << 20
    ours("LARGE", "seed", large, 1, 5)
    compare("put 64 MiB", "per_second", {
        "this": lambda: ours(fresh(), "put", large, 1, 5),
        "nats.go": lambda: go(fresh(), "put", large, 1, 5),
    }, {"nats.go": 1.5})
    compare("get 64 MiB, verified", "per_second", {
        "this": lambda: ours("LARGE", "get", large, 1, 5),
        "nats.go": lambda: go("LARGE", "get", large, 1, 5),
    }, {"nats.go": 2})
    compare("get 64 MiB, not verified", "per_second", {
        "this": lambda: ours("LARGE", "read", large, 1, 5),
        "nats.go": lambda: go("LARGE", "get", large, 1, 5),
    }, {"nats.go": 4})
    ours("LIST", "fill", 0, 64, arguments.keys)
    compare(f"list 1,000 of {arguments.keys:,} keys", "p50_us", {
        "this": lambda: ours("LIST", "list", 1000, 1, 50),
        "nats.go": lambda: go("LIST", "list", 1000, 1, 1),
    }, {"nats.go": 50})
    # One process each, which builds its index first: what is timed are the lists alone.
    counts = [10_000, 1_000_000]
    for keys in counts:
        ours(f"LIST{keys}", "fill", 0, 64, keys)
    compare("list 1,000 of so many keys", "p50_us", {
        f"{keys:,}": lambda keys=keys: ours(f"LIST{keys}", "list", 1000, 1, 200) for keys in counts
    }, {})
    component = subprocess.Popen(
        [program("nats-storage"), "serve", "--server", url, "--store", "jetstream", "--bucket", "SMALL"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    compare("get 1 KiB through the component", "p50_us", {
        "this": lambda: ours("SMALL", "remote-get", 1024, 1, 4000),
        "echo": lambda: ours("SMALL", "echo", 1024, 1, 4000),
        "store": lambda: ours("SMALL", "get", 1024, 1, 4000),
    }, {})
    through = results[-1]["median"]
    print(f"  = {through['this'] / (through['echo'] + through['store']):.2f} × (echo + the store's own get) (goal 1.3)")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"server": version, "cores": os.cpu_count(), "results": results}, file, indent=2)
finally:
    if component:
        component.terminate()
        component.wait()
    server.terminate()
    server.wait()
    shutil.rmtree(folder)
