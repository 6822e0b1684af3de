#!/usr/bin/env python3
"""Runs this store, a bare loop around libcurl, boto3, AWS' C runtime and rclone on one SeaweedFS, turn and turn about,
and prints medians and ratios.

usage: s3.py PROGRAMS [--repeat N] [--count N] [--json FILE]
PROGRAMS: a folder with store-bench and s3_floor, as s3.sh builds them.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import boto3
from botocore.config import Config

from seaweed import ENVIRONMENT, Seaweed

parser = argparse.ArgumentParser()
parser.add_argument("programs")
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--count", type=int, default=20000)
parser.add_argument("--json")
arguments = parser.parse_args()

here = os.path.dirname(os.path.abspath(__file__))
tools = os.path.dirname(sys.executable)
small, large = 1024, 64 << 20
os.environ.update(ENVIRONMENT)


def connect():
    client = boto3.client("s3", endpoint_url=url, config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    client.create_bucket(Bucket="bench")
    return client


def run(*command, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed: {result.stderr}")
    return result.stdout


def this(kind, size, in_flight, count):
    return json.loads(run(f"{arguments.programs}/store-bench", url, "bench", kind, size, in_flight, count))


def floor(kind, size, in_flight, count):
    key = "key/{:06}" if kind == "get" else "floor/{:06}"
    urls = signed.setdefault((kind, count), [
        client.generate_presigned_url(f"{kind}_object", {"Bucket": "bench", "Key": key.format(index % 1000)}, 86400)
        for index in range(count)])
    return json.loads(run(f"{arguments.programs}/s3_floor", kind, size, in_flight, input="\n".join(urls) + "\n"))


def peer(who, kind, size, threads, count):
    return json.loads(run(sys.executable, f"{here}/peers/s3_peer.py", who, url, "bench", kind, size, threads, count))


def rclone(kind, count):
    """Whole files, one after the other, by one process, whose start is small beside them."""
    remote = f":s3,provider=SeaweedFS,env_auth,endpoint='{url}',force_path_style:bench/"
    source, target = (f"{folder}/files", remote + "rclone") if kind == "put" else (remote + "large/key", f"{folder}/copies")
    options = ["--transfers=1", "--checkers=1", "--ignore-times", "--s3-no-check-bucket", "--config=", "--max-transfer=100G"]
    start = time.perf_counter()
    run(f"{tools}/rclone", "copy", *options, source, target)
    return {"per_second": count / (time.perf_counter() - start)}


results = []


def compare(work, figures, goals):
    """Each of `figures` runs once a round, so that all see the same machine, and in the other order the next time."""
    order = list(figures.items())
    rounds = []
    for _ in range(arguments.repeat):
        rounds.append({name: figure() for name, figure in order})
        order.reverse()
    median = {name: statistics.median(round[name]["per_second"] for round in rounds) for name in figures}
    cpu = {name: statistics.median(round[name]["cpu_us"] for round in rounds) for name in figures if "cpu_us" in rounds[0][name]}
    ratios = {
        name: {"times_faster": round(statistics.median(r["this"]["per_second"] / r[name]["per_second"] for r in rounds), 2), "goal": goal}
        for name, goal in goals.items()}
    results.append({"work": work, "per_second": median, "cpu_us": cpu, "ratios": ratios})
    print(work, flush=True)
    for name, value in median.items():
        used = f", {cpu[name]:,.0f} µs of CPU each" if name in cpu else ""
        ratio = f"; {ratios[name]['times_faster']} × (goal {goals[name]})" if name in goals else ""
        print(f"    {name:12} {value:10,.1f} per second{used}{ratio}", flush=True)


signed = {}
with Seaweed() as server:
    url, folder = server.url, server.folder
    client = connect()
    print(f"{os.cpu_count()} cores; the median of {arguments.repeat} rounds")
    this("seed", small, 16, 1000)
    for kind, boto_goal in [("put", 4), ("get", 7)]:
        compare(f"{kind} 1 KiB, 16 in flight", {
            "this": lambda: this(kind, small, 16, arguments.count),
            "floor": lambda: floor(kind, small, 16, arguments.count),
            "boto3": lambda: peer("boto3", kind, small, 16, arguments.count // 4),
        }, {"floor": 0.9, "boto3": boto_goal})
    os.mkdir(f"{folder}/files")
    for index in range(5):
        with open(f"{folder}/files/{index:06}", "wb") as file:
            file.write(bytes([7]) * large)
        client.upload_file(f"{folder}/files/{index:06}", "bench", f"key/{index:06}")
        client.copy_object(Bucket="bench", Key=f"large/key/{index:06}", CopySource=f"bench/key/{index:06}")
    for kind in ["put", "get"]:
        compare(f"{kind} 64 MiB", {
            "this": lambda: this(kind, large, 1, 5),
            "crt": lambda: peer("crt", kind, large, 1, 5),
            "rclone": lambda: rclone(kind, 5),
        }, {"crt": 1, "rclone": 1})
    memory = this("stream", 1 << 30, 1, 1)["grown_mib"]
    print(f"1 GiB put and got as a stream: the process grows by {memory:.0f} MiB at most (goal 64)")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"cores": os.cpu_count(), "results": results, "stream_grown_mib": memory}, file, indent=2)
