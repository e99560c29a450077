"""Checks the rendered objects of all combinations of scenario, cluster type and protocol.

Usage: conformance.py [PATH-OF-OUTRIGGER | --objects FOLDER]
FOLDER holds one JSON file for each combination, an array of objects, as the Swift test ConformanceObjects writes it.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate

import pod_security

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = {
    "training": {"enableTraining": "True"},
    "inference": {"enableInference": "True"},
    "both": {"enableTraining": "True", "enableInference": "True"},
    "both-gpu": {
        "enableTraining": "True", "enableInference": "True", "installNvidiaDevicePlugin": "True",
        "installDcgmExporter": "True",
    },
}
CLUSTER_TYPES = ("managedClusters", "connectedClusters")
PROTOCOLS = ("http", "https")
# The package's name of a kind's group is its first label, so these need no schema of their own.
CUSTOM_GROUPS = ("amlarc.azureml.com", "volcano.sh", "monitoring.coreos.com")


def newest_versions(count: int = 2) -> list[str]:
    minors = {version.rsplit(".", 1)[0] for version in kubernetes_validate.utils.all_versions()}
    return sorted(minors, key=lambda minor: [int(part) for part in minor.split(".")])[-count:]


def combinations():
    for scenario in SCENARIOS:
        for cluster_type in CLUSTER_TYPES:
            for protocol in PROTOCOLS:
                yield scenario, cluster_type, protocol


def certificate(folder: pathlib.Path) -> tuple[str, str]:
    """A self-signed pair for score.example.com."""
    paths = (str(folder / "cert.pem"), str(folder / "key.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=score.example.com",
         "-addext", "subjectAltName=DNS:score.example.com", "-out", paths[0], "-keyout", paths[1]],
        check=True, capture_output=True,
    )
    return paths


def render(program: str, scenario: str, cluster_type: str, protocol: str, pair: tuple[str, str]) -> list[dict]:
    settings = dict(SCENARIOS[scenario])
    command = [program, "k8s-extension", "template", "--name", "amlext", "--cluster-type", cluster_type, "-o", "json"]
    if "enableInference" in settings:
        settings["inferenceRouterServiceType"] = "loadBalancer"
        if protocol == "http":
            settings["allowInsecureConnections"] = "True"
        else:
            settings["sslCname"] = "score.example.com"
            command += ["--config-protected", f"sslCertPemFile={pair[0]}", f"sslKeyPemFile={pair[1]}"]
    command += ["--config", *(f"{key}={value}" for key, value in settings.items())]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"{' '.join(command)}\n{result.stderr}")
    return json.loads(result.stdout)["items"]


def is_custom(item: dict) -> bool:
    group = item["apiVersion"].partition("/")[0]
    return any(group == custom or group.endswith("." + custom) for custom in CUSTOM_GROUPS)


def template(item: dict) -> dict | None:
    spec = item.get("spec") or {}
    match item["kind"]:
        case "Deployment" | "DaemonSet" | "StatefulSet" | "Job":
            return spec["template"]
        case "CronJob":
            return spec["jobTemplate"]["spec"]["template"]
        case "Pod":
            return {"metadata": item["metadata"], "spec": spec}
    return None


class Checker:
    def __init__(self) -> None:
        self.versions = newest_versions()
        self.seen: dict[str, list[str]] = {}
        self.problems: list[str] = []
        self.validated = self.custom = self.pods = 0
        self.privileged: set[str] = set()

    def schema_problems(self, item: dict) -> list[str]:
        """Against each version, unknown fields refused; equal objects are looked at once."""
        key = json.dumps(item, sort_keys=True)
        if key not in self.seen:
            found = []
            for version in self.versions:
                try:
                    kubernetes_validate.validate(item, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    path = ".".join(str(part) for part in error.path)
                    found.append(f"Kubernetes {version}: {path}: {error.message}")
                except kubernetes_validate.SchemaNotFoundError as error:
                    found.append(error.message)
            self.seen[key] = found
        return self.seen[key]

    def check(self, name: str, items: list[dict]) -> None:
        if not any(item["kind"] == "Deployment" for item in items):
            self.problems.append(f"{name}: no Deployment was rendered")
        level = "privileged"
        for item in items:
            if item["kind"] == "Namespace":
                level = item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for item in items:
            what = f"{name}: {item['kind']} {item['metadata']['name']}"
            if is_custom(item):
                self.custom += 1
            else:
                self.validated += 1
                self.problems += [f"{what}: {problem}" for problem in self.schema_problems(item)]
            pod = template(item)
            if pod is None:
                continue
            self.pods += 1
            is_third_party = "outrigger.ml/bundle" in item["metadata"].get("labels", {})
            below = pod_security.baseline(pod)
            if below and is_third_party and level == "privileged":
                self.privileged.add(item["metadata"]["name"])
                continue
            self.problems += [f"{what}: Baseline Pod Security: {control}" for control in below]
            if not is_third_party:
                lacking = set(pod_security.restricted(pod)) - set(below)
                self.problems += [f"{what}: Restricted Pod Security: {control}" for control in sorted(lacking)]
        if level != "baseline" and not any(template(item) and pod_security.baseline(template(item)) for item in items):
            self.problems.append(f"{name}: the namespace is {level} although every pod is within Baseline")


def main() -> int:
    arguments = sys.argv[1:]
    checker = Checker()
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        if arguments[:1] == ["--objects"]:
            files = sorted(pathlib.Path(arguments[1]).glob("*.json"))
            sets = ((file.stem, json.loads(file.read_text())) for file in files)
        else:
            program = arguments[0] if arguments else str(ROOT / ".build/debug/outrigger")
            pair = certificate(pathlib.Path(folder))
            sets = (("/".join(names), render(program, *names, pair)) for names in combinations())
        for name, items in sets:
            count += 1
            before = len(checker.problems)
            checker.check(name, items)
            state = "ok" if len(checker.problems) == before else f"{len(checker.problems) - before} problems"
            print(f"{name}: {len(items)} objects, {state}")
    for problem in checker.problems:
        print(f"error: {problem}")
    if count != len(list(combinations())):
        print(f"error: {count} combinations instead of {len(list(combinations()))}")
        return 1
    print(
        f"{count} combinations, Kubernetes {' and '.join(checker.versions)}: {checker.validated} objects against their "
        f"schemas, {checker.custom} of custom kinds, {checker.pods} pod templates against Pod Security; "
        f"{len(checker.problems)} problems"
    )
    if checker.privileged:
        print(f"privileged on purpose: {', '.join(sorted(checker.privileged))}")
    return 1 if checker.problems else 0


if __name__ == "__main__":
    sys.exit(main())
