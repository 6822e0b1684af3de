# nats-py's object store, at the same work; one at a time.
# usage: peer.py URL BUCKET put|get SIZE 1 COUNT
import asyncio
import json
import sys
import time

import nats


async def main(url, bucket, kind, size, _, count):
    connection = await nats.connect(url)
    store = await connection.jetstream().object_store(bucket)
    payload = bytes(int(size))
    latencies = []
    begin = time.perf_counter()
    for index in range(int(count)):
        start = time.perf_counter()
        if kind == "put":
            await store.put(f"py/{index:06}", payload)
        else:
            result = await store.get(f"key/{index % 1000:06}")
            assert len(result.data) == len(payload)
        latencies.append((time.perf_counter() - start) * 1e6)
    seconds = time.perf_counter() - begin
    latencies.sort()
    print(json.dumps({
        "p50_us": latencies[len(latencies) // 2],
        "p99_us": latencies[len(latencies) * 99 // 100],
        "per_second": len(latencies) / seconds,
    }))
    await connection.close()


asyncio.run(main(*sys.argv[1:]))
