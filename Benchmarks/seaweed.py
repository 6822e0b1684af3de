"""A SeaweedFS of the benchmarks' own."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "secret-of-bench"}
ENVIRONMENT = {**KEYS, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Seaweed:
    """Runs until the end of the `with`; its files are in `folder`, which goes with it."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp()
        with open(f"{self.folder}/users.json", "w") as file:
            json.dump({"identities": [{"name": "bench", "actions": ["Admin"], "credentials": [
                {"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}]}]}, file)
        port = free_port()
        ports = [f"-{part}.{kind}={free_port()}" for part in ("master", "volume", "filer") for kind in ("port", "port.grpc")]
        os.mkdir(f"{self.folder}/data")
        log = open(f"{self.folder}/log", "w")
        self.process = subprocess.Popen(
            [f"{os.path.dirname(sys.executable)}/weed", "-logtostderr=true", "server", f"-dir={self.folder}/data",
             "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.port={port}", f"-s3.port.grpc={free_port()}",
             f"-s3.config={self.folder}/users.json", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=200",
             "-master.volumeSizeLimitMB=256", "-master.telemetry=false"] + ports,
            stdout=log, stderr=log)
        self.url = f"http://127.0.0.1:{port}"
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait(self):
        for _ in range(100):
            try:
                urllib.request.urlopen(self.url, timeout=5)
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.3)
        sys.exit("SeaweedFS does not answer")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
