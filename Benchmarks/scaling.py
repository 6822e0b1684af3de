"""How requests are shared by components of one queue group, on a bucket in three replicas. Usage: scaling.py PROGRAMS SERVER"""
import argparse, json, os, signal, socket, statistics, subprocess, tempfile, time

arguments = argparse.ArgumentParser()
arguments.add_argument("programs")
arguments.add_argument("server")
arguments.add_argument("--rounds", type=int, default=3)
arguments.add_argument("--count", type=int, default=5000)
arguments.add_argument("--sync", default="2m", help="the servers' sync_interval")
options = arguments.parse_args()
root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
processes = []


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start(*command, **more):
    processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, text=True, **more))
    return processes[-1]


def cluster(folder):
    clients, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
    for number in range(3):
        text = f"""
            server_name: nats-{number}, listen: "127.0.0.1:{clients[number]}"
            jetstream {{ store_dir: "{folder}/{number}", sync_interval: {options.sync} }}
            cluster {{ name: bench, listen: "127.0.0.1:{routes[number]}"
              routes: [{", ".join(f'"nats-route://127.0.0.1:{port}"' for port in routes)}] }}
            """
        file = f"{folder}/{number}.conf"
        open(file, "w").write(text)
        start(options.server, "-c", file, "-l", f"{folder}/{number}.log")
    return ",".join(f"nats://127.0.0.1:{port}" for port in clients), clients


def components(number, configuration, url):
    """So many components, each ready; they take turns in whatever order NATS likes."""
    started = []
    for _ in range(number):
        one = start(f"{options.programs}/nats-storage", "serve", "--config", configuration,
                    stdout=subprocess.PIPE, env={**os.environ, "NATS_URL": url})
        assert "serving" in one.stdout.readline()
        started.append(one)
    return started


def bench(url, kind, count):
    output = subprocess.run([f"{options.programs}/store-bench", url, "SCALING", kind, "1024", "64", str(count)],
                            check=True, capture_output=True, text=True).stdout
    return json.loads(output)["per_second"]


CASES = {
    # What one component does depends on the processor alone: on two cores, which the servers and the load need too.
    "as fast as it goes": "",
    # Each component has a bound of its own, as it does where it is the network's or the store's latency that counts.
    "each with 16 reads of 10 ms at once": "layers: [{faults: {latency: 10ms, operations: [get]}}, {limit: {max_concurrent: 16}}]",
}


def main(folder):
    _, clients = cluster(folder)
    url = f"nats://127.0.0.1:{clients[0]}"
    rates = {}
    for case, layers in CASES.items():
        configuration = f"{folder}/component.yaml"
        open(configuration, "w").write(
            "nats: {url: \"${NATS_URL}\"}\nlog: {level: error}\ninstances:\n  - store: {type: jetstream, bucket: SCALING, replicas: 3}\n"
            + (f"    {layers}\n" if layers else ""))
        for round in range(options.rounds):
            for number in (1, 2, 3):
                running = None
                while running is None:
                    try:
                        running = components(number, configuration, url)
                    except AssertionError:
                        time.sleep(1)  # The cluster has no leader yet.
                if not rates:
                    bench(url, "seed", 1000)
                for kind in ("remote-get", "remote-put") if not layers else ("remote-get",):
                    rates.setdefault((case, kind, number), []).append(bench(url, kind, options.count))
                for one in running:
                    one.send_signal(signal.SIGTERM)
                    assert one.wait() == 0
    for (case, kind, number), measured in rates.items():
        median = statistics.median(measured)
        one = statistics.median(rates[(case, kind, 1)])
        print(f"{case}; {kind}: {number} components {median:.0f}/s, {median / one:.2f} times one")


with tempfile.TemporaryDirectory() as folder:
    try:
        main(folder)
    finally:
        for process in processes:
            process.kill()
            process.wait()
