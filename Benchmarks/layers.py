#!/usr/bin/env python3
"""Times the layers over memory and the tiers over SeaweedFS, several rounds of each, and prints medians and goals.

usage: layers.py PROGRAMS [--repeat N] [--json FILE]
PROGRAMS: a folder with store-bench, as layers.sh builds it.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

from seaweed import ENVIRONMENT, Seaweed

parser = argparse.ArgumentParser()
parser.add_argument("programs")
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--json")
arguments = parser.parse_args()

# What is inside of these layers costs what it costs; the rest is the layer's.
primitives = {"compress (zstd)": "zstd", "compress (gzip)": "gzip", "encrypt": "AES-GCM"}
missed = []


def bench(*command):
    result = subprocess.run(
        [f"{arguments.programs}/store-bench", *command], capture_output=True, text=True, env={**os.environ, **ENVIRONMENT})
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {result.stderr}")
    return [json.loads(line) for line in result.stdout.splitlines()]


def verdict(what, is_met, goal):
    if not is_met:
        missed.append(what)
    return f"  (goal {goal}: {'met' if is_met else 'missed'})"


def layers():
    rounds = [bench("layers") for _ in range(arguments.repeat)]
    lines = [line for one in rounds for line in one if "store" in line]
    names = list(dict.fromkeys(line["store"] for line in lines))

    def median(name, operation, figure):
        found = [line[figure] for line in lines if line["store"] == name and line["operation"] == operation and figure in line]
        return statistics.median(found) if found else None

    print("µs over memory, 1 KiB                  get    info     put")
    table = {}
    for name in names:
        cost = {operation: median(name, operation, "over_memory_us") for operation in ("get", "info", "put")}
        note = ""
        if name in primitives:
            bare, own = median(name, "get", "primitive_us"), median(name, "get", "own_us")
            note = f"  {primitives[name]}: {bare:.2f}, the layer: {own:.2f}"
        if name.startswith("cache"):
            hit = median(name, "get", "p50_us")
            note = f"  a hot hit: {hit:.2f}" + verdict(name, hit < 2, "2")
        elif name in primitives:
            note += verdict(name, own < 1, "1")
        else:
            note += verdict(name, all(value is None or value < 1 for value in cost.values()), "1 each")
        shown = "".join("        " if value is None else f"{value:8.2f}" for value in cost.values())
        print(f"{name:34}{shown}{note}", flush=True)
        table[name] = cost
    flights = [line for one in rounds for line in one if "readers_of_a_miss" in line]
    reads = max(line["reads_of_the_store_beneath"] for line in flights)
    print(f"1,000 readers of a miss at once: {reads} read of the store beneath" + verdict("single flight", reads == 1, "1"))
    return {"over_memory_us": table, "reads_of_a_miss": reads}


def tiers():
    with Seaweed() as server:
        lines = bench("tiered", "--endpoint", server.url)
    hot, cold = (
        statistics.median(line["p50_us"] for line in lines if line["work"] == work) for work in ("tiered get, hot", "cold get"))
    print(f"get 1 KiB: hot {hot:.2f} µs, cold (SeaweedFS) {cold:,.0f} µs, {cold / hot:,.0f} ×" + verdict("tiers", cold / hot >= 50, "50")
          + verdict("a hit in hot", hot < 2, "2 µs"))
    return {"hot_us": hot, "cold_us": cold}


print(f"{os.cpu_count()} cores; the median of {arguments.repeat} rounds")
results = {"cores": os.cpu_count(), **layers(), **tiers()}
if arguments.json:
    with open(arguments.json, "w") as file:
        json.dump(results, file, indent=2)
if missed:
    print("missed: " + ", ".join(missed))
