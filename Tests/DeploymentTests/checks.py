"""Checks of the files in deploy/ that need no server. Usage: checks.py CHECK ROOT PROGRAM; says what is wrong and exits with 1."""
import glob, json, os, re, subprocess, sys
import yaml

check, root, program = sys.argv[1:4]
deploy = os.path.join(root, "deploy")
tools = os.path.dirname(sys.executable)


def read(*path):
    return open(os.path.join(deploy, *path)).read()


def run(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, **options)
    assert result.returncode == 0, f"{command}: {result.stdout} {result.stderr}"
    return result.stdout + result.stderr


def instructions():
    """The Containerfile's instructions: stage, name, arguments."""
    text = re.sub(r"^#.*\n", "", read("Containerfile"), flags=re.M).replace("\\\n", " ")
    stage = -1
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, _, arguments = line.partition(" ")
        stage += name == "FROM"
        yield stage, name, arguments


def installed(stage):
    text = " ".join(arguments for number, name, arguments in instructions() if number == stage and name == "RUN")
    return set(re.search(r"--no-install-recommends ([^&]*)", text)[1].split())


def containerfile():
    run(os.path.join(tools, "hadolint"), os.path.join(deploy, "Containerfile"))
    ignored = open(os.path.join(root, ".dockerignore")).read().splitlines()
    sent = [line[1:] for line in ignored if line.startswith("!")]
    for _, name, arguments in instructions():
        if name != "COPY" or "--from" in arguments:
            continue
        for source in arguments.split()[:-1]:
            assert os.path.exists(os.path.join(root, source)), f"COPY {source}: there is no such file"
            assert source in sent, f"COPY {source}: .dockerignore keeps it from the build"
    final = max(stage for stage, _, _ in instructions())
    user = [arguments for stage, name, arguments in instructions() if stage == final and name == "USER"][-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), f"runs as {user}"
    # What the build stage needs is what deploy/run.sh installs.
    packages = re.search(r"build_packages=\((.*)\)", read("lib.sh"))[1].split()
    assert set(packages) == installed(0), f"{packages} is not {installed(0)}"
    # What the program is linked with is in the image: by the packages it names, or as part of every Debian.
    needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program))
    ours = [line for line in needed if not re.match(r"lib(swift|dispatch|Blocks|Foundation|_Foundation)", line)]
    # Foundation's XML is linked into the image's program, and brings this.
    ours.append("libxml2.so.2")
    base = {"libc6", "libgcc-s1", "libstdc++6"}
    for library in ours:
        path = glob.glob(f"/lib/x86_64-linux-gnu/{library}") + glob.glob(f"/usr/lib/x86_64-linux-gnu/{library}")
        owner = subprocess.run(["dpkg", "-S", *path, *map(os.path.realpath, path)], capture_output=True, text=True)
        owners = {line.split(":")[0] for line in owner.stdout.splitlines()}
        assert owners & (installed(final) | base), f"{library} of {owners} is not in the image"


def compose():
    import compose_spec

    text = read("compose", "compose.yaml")
    compose_spec.PyCompose.from_yaml(text)
    document = yaml.safe_load(text)
    values = dict(line.split("=", 1) for line in read("compose", "example.env").splitlines() if "=" in line)
    used = set(re.findall(r"\$\{(\w+)", text))
    assert used == set(values), f"compose.yaml takes {used}, example.env has {set(values)}"
    assert "deploy/compose/.env" in open(os.path.join(root, ".gitignore")).read().splitlines()
    taken = set(re.findall(r"\$\{(\w+)\}", read("compose", "component.yaml")))
    given = set(document["services"]["component"]["environment"])
    assert taken <= given, f"the component takes {taken}, is given {given}"
    for name, service in document["services"].items():
        # Compose writes any other secret into the container, and refuses to where nothing may be written.
        for secret in service.get("secrets", []) if service.get("read_only") else []:
            source = secret if isinstance(secret, str) else secret["source"]
            assert "file" in document["secrets"][source], f"{name}: {source} can't be written into what is read-only"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert os.path.exists(os.path.join(deploy, "compose", source)), f"{name}: there is no {source}"
            else:
                assert source in document["volumes"], f"{name}: no volume {source}"
        assert ":latest" not in service["image"] or name == "component"
    wanted = set(re.findall(r"[:\[ ]\$([A-Z]\w+)", read("nats", "server.conf") + read("nats", "roles.conf")))
    wanted = {name for name in wanted if not name.endswith("_ROLE")}
    given = set(document["services"]["nats"]["environment"])
    assert wanted == given, f"the server takes {wanted}, is given {given}"


def documents(name):
    return [document for document in yaml.safe_load_all(read("kubernetes", name)) if document]


def kubernetes():
    names = yaml.safe_load(read("kubernetes", "kustomization.yaml"))["resources"]
    assert sorted(names + ["kustomization.yaml"]) == sorted(os.listdir(os.path.join(deploy, "kubernetes")))
    for name in names:
        run(os.path.join(tools, "kubernetes-validate"), "--strict", os.path.join(deploy, "kubernetes", name))
    everything = [document for name in names for document in documents(name)]
    maps = {d["metadata"]["name"]: d["data"] for d in everything if d["kind"] == "ConfigMap"}
    assert maps["nats"] == {"cluster.conf": read("nats", "cluster.conf"), "roles.conf": read("nats", "roles.conf")}
    assert maps["nats-storage"] == {"component.yaml": read("component.yaml")}
    for service in (d for d in everything if d["kind"] == "Service"):
        # Whoever is not ready has to be found: by its peers, or by those who watch it.
        assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"]
    workloads = [d for d in everything if d["kind"] in ("Deployment", "StatefulSet")]
    budgets = [d for d in everything if d["kind"] == "PodDisruptionBudget"]
    assert len(workloads) == len(budgets) == 2
    for workload in workloads:
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert any(b["spec"]["selector"]["matchLabels"].items() <= labels.items() for b in budgets)
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["port"] in ports
                # It answers within two seconds.
                if container[probe]["httpGet"]["path"] == "/readyz":
                    assert container[probe]["timeoutSeconds"] > 2, probe
            fits(configured := maps[workload["metadata"]["name"]], container["resources"]["limits"]["memory"])
            variables = {variable["name"] for variable in container["env"]}
            taken = set(re.findall(r"[:\[ ]\$([A-Z]\w+)", "".join(configured.values())))
            taken |= set(re.findall(r"\$\{(\w+)\}", configured.get("component.yaml", "")))
            taken = {name for name in taken if not name.endswith("_ROLE")}
            assert taken <= variables, f"{taken - variables} are not given"


def fits(configured, memory):
    """The index of the bucket leaves the rest of the memory to requests and uploads; it takes up to a kibibyte for each object."""
    if "component.yaml" in configured:
        store = yaml.safe_load(configured["component.yaml"])["instances"][0]["store"]
        size = int(memory[:-2]) << {"Mi": 20, "Gi": 30}[memory[-2:]]
        assert store["max_indexed_objects"] * 1024 <= size / 4, f"the index does not fit {memory}"


def scripts():
    """Debian's servers are found by whoever has no more than a user's PATH."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    run("bash", "-euc", "source deploy/lib.sh && command -v nats-server", cwd=root, env=environment)


def systemd():
    """The unit is what systemd takes, and is shut in well; with the program where it is here."""
    import tempfile

    unit = read("systemd", "nats-storage.service").replace("/usr/bin/nats-storage", program)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "nats-storage.service")
        open(path, "w").write(unit)
        said = run("systemd-analyze", "verify", path)
        assert "nats-storage.service" not in said, said
        run("systemd-analyze", "security", "--offline=yes", "--threshold=15", path)


def prometheus():
    folder = os.path.join(deploy, "prometheus")
    run("promtool", "check", "config", "prometheus.yaml", cwd=folder)
    run("promtool", "check", "config", "--syntax-only", "kubernetes.yaml", cwd=folder)
    run("promtool", "test", "rules", "rules_test.yaml", cwd=folder)
    dashboard = json.loads(read("grafana", "dashboard.json"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in panels:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            # Grafana's variables, as it would put them in.
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            rules = {"groups": [{"name": "g", "rules": [{"record": "r", "expr": expression}]}]}
            run("promtool", "check", "rules", "/dev/stdin", input=yaml.safe_dump(rules))


globals()[check]()
