#!/usr/bin/env python3
"""Measures the main job on this machine with the release binary and prints a Markdown table.

Usage: Benchmarks/main_job.py [--binary .build/release/outrigger] [--port 17443] [--rounds 3]

Uses an instance of its own in a temporary folder and removes it. Needs root, like every instance.
"""

import argparse
import base64
import http.client
import json
import os
import pathlib
import shutil
import ssl
import statistics
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Instance:
    def __init__(self, binary: str, folder: str, port: int) -> None:
        self.binary, self.folder, self.port = binary, folder, port

    def run(self, *arguments: str) -> str:
        command = [self.binary, *arguments]
        if arguments[0] != "--version":
            command += ["--data-dir", self.folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def timed(self, *arguments: str) -> float:
        started = time.perf_counter()
        self.run(*arguments)
        return time.perf_counter() - started

    def connection(self) -> dict:
        return json.loads(pathlib.Path(self.folder, "connection.json").read_text())

    def arm(self) -> "ARM":
        return ARM(self.connection(), self.folder + "/ca.pem")

    def kubernetes(self) -> http.client.HTTPSConnection:
        lines = pathlib.Path(self.folder, "kubeconfig").read_text().splitlines()
        found = {}
        for line in lines:
            key, _, value = line.strip().partition(": ")
            found[key] = value
        context = ssl.create_default_context(cafile=self.folder + "/ca.pem")
        with tempfile.NamedTemporaryFile() as pair:
            for key in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(found[key]))
            pair.flush()
            context.load_cert_chain(pair.name)
        return http.client.HTTPSConnection("127.0.0.1", self.port + 1, context=context)


class ARM:
    """A keep-alive client of the control plane."""

    def __init__(self, connection: dict, ca: str) -> None:
        self.connection = connection
        address = urllib.parse.urlparse(connection["url"])
        self.http = http.client.HTTPSConnection(
            address.hostname, address.port, context=ssl.create_default_context(cafile=ca)
        )
        form = urllib.parse.urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": connection["clientId"],
                "client_secret": connection["clientSecret"],
                "scope": connection["url"] + "/.default",
            }
        )
        self.http.request(
            "POST",
            f"/{connection['tenant']}/oauth2/v2.0/token",
            form,
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        self.token = json.loads(self.http.getresponse().read())["access_token"]
        self.workspace = (
            f"/subscriptions/{connection['subscriptionId']}/resourceGroups/{connection['resourceGroup']}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{connection['workspace']}"
        )

    def get(self, path: str) -> dict:
        self.http.request("GET", self.workspace + path, headers={"Authorization": "Bearer " + self.token})
        return json.loads(self.http.getresponse().read())


def memory_kib(pid: int) -> int:
    """Proportional set size: shared pages are divided among those who share them."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def processes(instance: Instance) -> dict:
    """Name -> proportional memory of every process of the instance."""
    found: dict = {}
    folder = instance.folder
    status = json.loads(instance.run("status", "-o", "json"))
    for daemon in status["daemons"]:
        found["daemon: " + daemon["name"]] = [memory_kib(daemon["pid"])]
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            cgroup = (entry / "cgroup").read_text()
        except OSError:
            continue
        identity = json.loads(pathlib.Path(folder, "instance.json").read_text())["network"]["id"]
        if words[0].startswith(folder.encode()) and words[0].endswith(b"outrigger-monitor"):
            found.setdefault("monitors", []).append(memory_kib(int(entry.name)))
        elif len(words) > 2 and words[1] == b"component" and identity in cgroup:
            found.setdefault("component: " + words[2].decode(), []).append(memory_kib(int(entry.name)))
    return found


def submit_to_running(instance: Instance, arm: ARM, name: str) -> float:
    job = ROOT / "examples/digits/train.yml"
    started = time.perf_counter()
    instance.run("ml", "job", "create", "-f", str(job), "--name", name, "-o", "none")
    running = None
    while True:
        status = arm.get(f"/jobs/{name}?api-version=2024-01-01-preview")["properties"]["status"]
        if status in ("Running", "Finalizing", "Completed") and running is None:
            running = time.perf_counter() - started
        if status in ("Completed", "Failed", "Canceled"):
            if status != "Completed":
                raise SystemExit(f"job {name} ended as {status}")
            return running or 0
        time.sleep(0.01)


def pod_start(instance: Instance, index: int) -> float:
    """Seconds from the creation's answer until a watch shows the pod Running."""
    api = instance.kubernetes()
    name = f"bench-{index}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "bench", "command": ["sleep", "60"]}],
        },
    }
    started = time.perf_counter()
    api.request("POST", "/api/v1/namespaces/default/pods", json.dumps(pod), {"Content-Type": "application/json"})
    answer = api.getresponse()
    body = json.loads(answer.read())
    if answer.status != 201:
        raise SystemExit(f"pod not created: {body}")
    version = body["metadata"]["resourceVersion"]
    query = f"watch=true&resourceVersion={version}&fieldSelector=metadata.name%3D{name}"
    api.request("GET", f"/api/v1/namespaces/default/pods?{query}")
    stream = api.getresponse()
    for line in stream:
        if json.loads(line)["object"]["status"].get("phase") == "Running":
            break
    elapsed = time.perf_counter() - started
    other = instance.kubernetes()
    other.request("DELETE", f"/api/v1/namespaces/default/pods/{name}")
    other.getresponse().read()
    return elapsed


def score_latencies(uri: str, key: str, body: bytes, count: int = 500) -> list:
    address = urllib.parse.urlparse(uri)
    client = http.client.HTTPConnection(address.hostname, address.port or 80)
    headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
    found = []
    for index in range(count + 20):
        started = time.perf_counter()
        client.request("POST", address.path, body, headers)
        answer = client.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"scoring answered {answer.status}: {text[:200]!r}")
        if index >= 20:
            found.append((time.perf_counter() - started) * 1000)
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(ROOT / ".build/release/outrigger"))
    parser.add_argument("--port", type=int, default=17443)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="outrigger-bench-")
    instance = Instance(options.binary, folder, options.port)
    rows: list = []

    def row(what: str, value: str) -> None:
        rows.append((what, value))
        print(f"{what}: {value}", flush=True)

    def spread(values: list, unit: str) -> str:
        return f"{statistics.median(values):.2f} {unit} ({min(values):.2f} to {max(values):.2f})"

    try:
        times = []
        for _ in range(options.rounds):
            times.append(instance.timed("up", "--detach", "--port", str(options.port)))
            instance.run("down")
        row("`up` to ready, empty folder", spread(times, "s"))
        instance.run("up", "--detach", "--port", str(options.port))
        time.sleep(5)
        for name, values in sorted(processes(instance).items()):
            row(f"idle memory, no extension, {name}", f"{sum(values) / 1024:.1f} MiB")
        row(
            "extension to Succeeded",
            "%.2f s"
            % instance.timed(
                *"k8s-extension create --name amlext --extension-type Microsoft.AzureML.Kubernetes --cluster-type "
                "connectedClusters --cluster-name local --resource-group local --scope cluster -o none".split(),
                "--config=enableTraining=True",
                "--config=enableInference=True",
                "--config=inferenceRouterServiceType=LoadBalancer",
                "--config=allowInsecureConnections=True",
            ),
        )
        time.sleep(10)
        for name, values in sorted(processes(instance).items()):
            row(f"idle memory, extension installed, {name}", f"{sum(values) / 1024:.1f} MiB ({len(values)})")
        row("pod start, API create to Running", spread([pod_start(instance, index) for index in range(7)], "s"))
        instance.run(*"ml compute attach --type Kubernetes --name local --resource-id local -o none".split())
        arm = instance.arm()
        row("job submit to Running, cold environment", "%.1f s" % submit_to_running(instance, arm, "cold"))
        warm = [submit_to_running(instance, arm, f"warm-{index}") for index in range(options.rounds)]
        row("job submit to Running, warm environment", spread(warm, "s"))
        instance.run(
            *"ml model create --name digits --path azureml://jobs/cold/outputs/model --type custom_model -o none".split()
        )
        instance.run(*"ml online-endpoint create -f examples/digits/endpoint.yml -o none".split())
        row(
            "deployment to Succeeded, warm environment",
            "%.2f s"
            % instance.timed(
                *"ml online-deployment create -f examples/digits/deployment.yml --all-traffic -o none".split()
            ),
        )
        endpoint = json.loads(instance.run(*"ml online-endpoint show --name digits -o json".split()))
        keys = json.loads(instance.run(*"ml online-endpoint get-credentials --name digits -o json".split()))
        body = json.dumps({"data": [[0.0] * 64]}).encode()
        times = score_latencies(endpoint["scoring_uri"], keys["primaryKey"], body)
        row(
            "score latency, concurrency 1, through the router",
            f"p50 {times[len(times) // 2]:.2f} ms, p99 {times[int(len(times) * 0.99)]:.2f} ms",
        )
        api = instance.kubernetes()
        api.request("GET", "/api/v1/namespaces/default/pods?labelSelector=ml.azure.com%2Fdeployment%3Dblue")
        pods = json.loads(api.getresponse().read())["items"]
        times = score_latencies(f"http://{pods[0]['status']['podIP']}:5001/score", "none", body)
        row(
            "score latency, concurrency 1, straight to the container",
            f"p50 {times[len(times) // 2]:.2f} ms, p99 {times[int(len(times) * 0.99)]:.2f} ms",
        )
    finally:
        subprocess.run([options.binary, "down", "--data-dir", folder], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    print("\n| What | Measured |\n| --- | --- |")
    for what, value in rows:
        print(f"| {what} | {value} |")


if __name__ == "__main__":
    os.umask(0o077)
    main()
