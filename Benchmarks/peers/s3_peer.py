"""One kind of work by boto3 or by AWS' C runtime, timed; prints one line of JSON as the others do.

usage: s3_peer.py boto3|crt URL BUCKET put|get SIZE THREADS COUNT
"""
import concurrent.futures
import io
import json
import resource
import sys
import time

who, url, bucket, kind = sys.argv[1:5]
size, threads, count = map(int, sys.argv[5:])
payload = bytes([7]) * size


def boto():
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1",
        config=Config(max_pool_connections=threads, s3={"addressing_style": "path"}))

    def put(index):
        client.put_object(Bucket=bucket, Key=f"boto3/{index % 1000:06}", Body=payload)

    def get(index):
        assert len(client.get_object(Bucket=bucket, Key=f"key/{index % 1000:06}")["Body"].read()) == size

    return put if kind == "put" else get


def crt():
    import botocore.session
    from s3transfer.crt import (
        BotocoreCRTCredentialsWrapper, BotocoreCRTRequestSerializer, CRTTransferManager, create_s3_crt_client)

    session = botocore.session.get_session()
    options = {"endpoint_url": url, "region_name": "us-east-1"}
    serializer = BotocoreCRTRequestSerializer(session, options)
    credentials = BotocoreCRTCredentialsWrapper(session.get_credentials()).to_crt_credentials_provider()
    manager = CRTTransferManager(
        create_s3_crt_client("us-east-1", crt_credentials_provider=credentials, use_ssl=False), serializer)

    class Sink(io.RawIOBase):
        def __init__(self):
            self.count = 0

        def writable(self):
            return True

        def write(self, data):
            self.count += len(data)
            return len(data)

    def put(index):
        manager.upload(io.BytesIO(payload), bucket, f"crt/{index % 1000:06}").result()

    def get(index):
        sink = Sink()
        manager.download(bucket, f"key/{index % 1000:06}", sink).result()
        assert sink.count == size

    return put if kind == "put" else get


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(index):
    start = time.perf_counter()
    work(index)
    return time.perf_counter() - start


work = boto() if who == "boto3" else crt()
with concurrent.futures.ThreadPoolExecutor(threads) as pool:
    list(pool.map(work, range(min(count, 2 * threads if size < 1 << 20 else 1))))
    start, used = time.perf_counter(), cpu()
    latencies = sorted(pool.map(timed, range(count)))
    seconds, used = time.perf_counter() - start, cpu() - used
print(json.dumps({
    "p50_us": latencies[count // 2] * 1e6, "p99_us": latencies[count * 99 // 100] * 1e6, "per_second": count / seconds,
    "cpu_us": used / count * 1e6}))
