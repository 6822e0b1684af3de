#!/usr/bin/env python3
"""Runs the file and SQLite stores and bare C on one disk, turn and turn about, and prints medians and ratios; and what
the memory store and the way to another thread take, which have no peer.

usage: files.py PROGRAMS [--folder FOLDER] [--repeat N] [--json FILE]
PROGRAMS: a folder with store-bench, files and sqlite, as files.sh builds them.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("programs")
parser.add_argument("--folder")
parser.add_argument("--repeat", type=int, default=5)
parser.add_argument("--json")
arguments = parser.parse_args()

folder = tempfile.mkdtemp(dir=arguments.folder)
results = []
missed = []


def run(name, *command):
    path = os.path.join(arguments.programs, name)
    result = subprocess.run([path, *map(str, command)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{name} {command} failed: {result.stderr}")
    return json.loads(result.stdout)


def fresh(name):
    path = os.path.join(folder, name)
    shutil.rmtree(path, ignore_errors=True)
    for suffix in ["", "-wal", "-shm"]:
        if os.path.isfile(path + suffix):
            os.remove(path + suffix)
    return path


def compare(work, measure, figures, goal):
    """Each of `figures` runs once a round, so that all see the same disk; the first is compared to the second."""
    rounds = [{name: figure() for name, figure in figures.items()} for _ in range(arguments.repeat)]
    median = {name: statistics.median(one[name][measure] for one in rounds) for name in figures}
    ours, theirs = list(figures)
    slower = [
        one[ours][measure] / one[theirs][measure] if measure == "p50_us" else one[theirs][measure] / one[ours][measure]
        for one in rounds
    ]
    ratio = statistics.median(slower)
    results.append({"work": work, "measure": measure, "median": median, "times_slower": ratio, "goal": goal})
    verdict = "" if goal is None else f"  (goal {goal}: {'met' if ratio <= goal else 'missed'})"
    if goal is not None and ratio > goal:
        missed.append(work)
    shown = "  ".join(f"{name} {value:,.1f}" for name, value in median.items())
    print(f"{work:44} {measure:10} {shown:44} {ratio:.2f} x{verdict}", flush=True)


def alone(work, goal, figure):
    """The median of a figure that is compared to nothing but its goal, in microseconds."""
    median = statistics.median(figure()["p50_us"] for _ in range(arguments.repeat))
    results.append({"work": work, "measure": "p50_us", "median": {"this": median}, "goal": goal})
    verdict = "" if goal is None else f"  (goal {goal}: {'met' if median <= goal else 'missed'})"
    if goal is not None and median > goal:
        missed.append(work)
    print(f"{work:44} p50_us     this {median:,.2f}{verdict}", flush=True)


try:
    size, puts, gets = 4096, 400, 20_000
    print(f"{os.cpu_count()} cores, objects of {size} bytes; the median of {arguments.repeat} rounds, slower than C")
    compare("file: put, synced, one at a time", "p50_us", {
        "this": lambda: run("store-bench", "local", "file", fresh("f"), "put", size, 1, puts),
        "C": lambda: run("files", fresh("c"), "put", size, 1, puts),
    }, 1.2)
    for durability in ["always", "batched"]:
        compare(f"file: put, synced ({durability}), 16 at a time", "per_second", {
            "this": lambda: run("store-bench", "local", "file", fresh("f"), "put", size, 16, 4 * puts, durability),
            "C": lambda: run("files", fresh("c"), "put", size, 16, 4 * puts),
        }, 1.2 if durability == "always" else None)
    run("store-bench", "local", "file", fresh("f"), "put", size, 8, 1000, "none")
    run("files", fresh("c"), "put", size, 8, 1000)
    compare("file: get, not verified", "p50_us", {
        "this": lambda: run("store-bench", "local", "file", os.path.join(folder, "f"), "read", size, 1, gets),
        "C": lambda: run("files", os.path.join(folder, "c"), "get", size, 1, gets),
    }, 1.5)
    compare("file: get, not verified, 16 at a time", "per_second", {
        "this": lambda: run("store-bench", "local", "file", os.path.join(folder, "f"), "read", size, 16, gets),
        "C": lambda: run("files", os.path.join(folder, "c"), "get", size, 16, gets),
    }, 1.5)
    compare("file: get, verified (C does not hash)", "p50_us", {
        "this": lambda: run("store-bench", "local", "file", os.path.join(folder, "f"), "get", size, 1, gets),
        "C": lambda: run("files", os.path.join(folder, "c"), "get", size, 1, gets),
    }, None)
    compare("sqlite: put, synced, one at a time", "p50_us", {
        "this": lambda: run("store-bench", "local", "sqlite", fresh("s"), "put", size, 1, puts),
        "C": lambda: run("sqlite", fresh("p"), "put", size, "always", puts),
    }, 1.5)
    compare("sqlite: put, synced, 64 at a time", "per_second", {
        "this": lambda: run("store-bench", "local", "sqlite", fresh("s"), "put", size, 64, 10 * puts),
        "C": lambda: run("sqlite", fresh("p"), "put", size, "always", 10 * puts),
    }, 1.5)
    compare("sqlite: put, not synced, 64 at a time", "per_second", {
        "this": lambda: run("store-bench", "local", "sqlite", fresh("s"), "put", size, 64, 10 * puts, "none"),
        "C": lambda: run("sqlite", fresh("p"), "put", size, "none", 10 * puts),
    }, 1.5)
    compare("sqlite: get, not verified, one at a time", "p50_us", {
        "this": lambda: run("store-bench", "local", "sqlite", os.path.join(folder, "s"), "read", size, 1, gets),
        "C": lambda: run("sqlite", os.path.join(folder, "p"), "get", size, "none", gets),
    }, 1.5)
    compare("sqlite: get, not verified, 64 at a time", "per_second", {
        "this": lambda: run("store-bench", "local", "sqlite", os.path.join(folder, "s"), "read", size, 64, gets),
        "C": lambda: run("sqlite", os.path.join(folder, "p"), "get", size, "none", gets),
    }, 1.5)
    compare("sqlite: list of 1,000 keys", "p50_us", {
        "this": lambda: run("store-bench", "local", "sqlite", os.path.join(folder, "s"), "list", 1000, 1, 200),
        "C": lambda: run("sqlite", os.path.join(folder, "p"), "list", 1000, "none", 200),
    }, 1.5)
    alone("a job on another thread, and back", None, lambda: run("store-bench", "local", "threads", "-", "-", 0, 1, gets))
    alone("memory: get of a million keys", 1, lambda: run("store-bench", "local", "memory", 10**6, "get", 0, 1, 10**6))
    for keys in [10**4, 10**5, 10**6]:
        alone(f"memory: list of 1,000 of {keys:,} keys", None,
              lambda: run("store-bench", "local", "memory", keys, "list", 1000, 1, 2000))
    if missed:
        print("missed: " + "; ".join(missed))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"cores": os.cpu_count(), "results": results}, file, indent=2)
finally:
    shutil.rmtree(folder)
