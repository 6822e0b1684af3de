"""Whether what the dashboard and the rules ask for is there: dashboard.py ROOT PROMETHEUS COMPONENT; prints what is not."""
import json, re, sys, time, urllib.parse, urllib.request
import yaml

root, prometheus, component = sys.argv[1:4]


def get(url):
    return urllib.request.urlopen(url, timeout=60).read().decode()


def names(expression):
    expression = re.sub(r'"[^"]*"', "", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name)
            for name in re.findall(r"(?<![\w:])((?:nats_storage|process)_\w+)(?![\w:])", expression)}


def result(expression):
    answer = json.loads(get(f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
    return answer["data"]["result"]


metrics = set(re.findall(r"^# TYPE (\S+)", get(component + "/metrics"), flags=re.M))
metrics |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics}
dashboard = json.load(open(root + "/deploy/grafana/dashboard.json"))
for panel in dashboard["panels"]:
    for target in panel.get("targets", []):
        for name in names(target["expr"]) - metrics:
            print(f"panel “{panel['title']}” asks for {name}, which there is not")
        expression = target["expr"].replace("$__rate_interval", "30s").replace("[5m]", "[30s]").replace("$instance", ".*")
        for _ in range(120):
            if result(expression):
                break
            time.sleep(0.5)
        else:
            print(f"panel “{panel['title']}” shows nothing: {expression}")
rules = yaml.safe_load(open(root + "/deploy/prometheus/rules.yaml"))
for group in rules["groups"]:
    for rule in group["rules"]:
        for name in names(rule["expr"]) - metrics:
            print(f"rule {rule.get('alert') or rule['record']} asks for {name}, which there is not")
loaded = json.loads(get(prometheus + "/api/v1/rules"))["data"]["groups"]
for rule in (rule for group in loaded for rule in group["rules"]):
    if rule["health"] == "err":
        print(f"rule {rule['name']}: {rule.get('lastError')}")
# Two instances of one process, or two processes with one instance, stay apart.
for series in result("nats_storage_instance_ready"):
    if series["metric"].get("instance") != "objectstore" or ":" not in series["metric"].get("component", ""):
        print("labels are not as they should be:", series["metric"])
