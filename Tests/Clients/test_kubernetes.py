"""The kubernetes client, unmodified, against the embedded API server and its nodes."""

import time

import pytest
from kubernetes import client as k8s
from kubernetes import config, dynamic, watch
from kubernetes.stream import stream

from conftest import DATA

IMAGE = "python:3.11-slim"


@pytest.fixture(scope="module")
def api():
    with config.new_client_from_config(str(DATA / "kubeconfig")) as client:
        yield client


@pytest.fixture(scope="module")
def core(api):
    return k8s.CoreV1Api(api)


@pytest.fixture(scope="module")
def namespace(core):
    name = "clients"
    core.create_namespace({"metadata": {"name": name}})
    wait("the service account", lambda: core.list_namespaced_service_account(name).items)
    yield name
    core.delete_namespace(name)


def wait(what, probe, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = probe()
        if value:
            return value
        time.sleep(0.1)
    pytest.fail(f"{what}: not within {seconds} s")


def pod(name, command, **spec):
    container = k8s.V1Container(name="main", image=IMAGE, command=["sh", "-c", command])
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name=name, labels={"app": name}),
        spec=k8s.V1PodSpec(containers=[container], restart_policy="Never", **spec),
    )


def test_version_and_nodes(api, core):
    assert k8s.VersionApi(api).get_code().major == "1"
    ready = [c.status for node in core.list_node().items for c in node.status.conditions if c.type == "Ready"]
    assert ready and set(ready) == {"True"}


def test_objects_are_made_changed_and_removed(core, namespace):
    made = core.create_namespaced_config_map(namespace, {"metadata": {"name": "one"}, "data": {"a": "1"}})
    assert made.metadata.uid
    assert core.patch_namespaced_config_map("one", namespace, {"data": {"b": "2"}}).data == {"a": "1", "b": "2"}
    removal = [{"op": "remove", "path": "/data/a"}]
    assert core.patch_namespaced_config_map("one", namespace, removal).data == {"b": "2"}
    made.data = {"c": "3"}
    with pytest.raises(k8s.ApiException) as caught:
        core.replace_namespaced_config_map("one", namespace, made)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert core.delete_namespaced_config_map("one", namespace)["status"] == "Success"
    with pytest.raises(k8s.ApiException) as caught:
        core.read_namespaced_config_map("one", namespace)
    assert caught.value.status == 404


def test_a_watch_goes_on_where_a_list_ended(core, namespace):
    listed = core.list_namespaced_config_map(namespace)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "watched"}})
    core.patch_namespaced_config_map("watched", namespace, {"data": {"x": "y"}})
    core.delete_namespaced_config_map("watched", namespace)
    events = []
    watcher = watch.Watch()
    for event in watcher.stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=listed.metadata.resource_version,
        timeout_seconds=20,
    ):
        if event["object"].metadata.name != "watched":
            continue
        events.append(event["type"])
        if event["type"] == "DELETED":
            watcher.stop()
    assert events == ["ADDED", "MODIFIED", "DELETED"]


def test_a_pod_runs_and_its_log_is_read(core, namespace):
    core.create_namespaced_pod(namespace, pod("talks", "echo one; echo two"))
    phase = wait(
        "the end of the pod",
        lambda: core.read_namespaced_pod("talks", namespace).status.phase in ("Succeeded", "Failed")
        and core.read_namespaced_pod("talks", namespace).status.phase,
    )
    assert phase == "Succeeded"
    assert core.read_namespaced_pod_log("talks", namespace) == "one\ntwo\n"
    assert core.read_namespaced_pod_log("talks", namespace, tail_lines=1) == "two\n"
    core.delete_namespaced_pod("talks", namespace)


def test_commands_run_in_a_pod(core, namespace):
    core.create_namespaced_pod(namespace, pod("waits", "sleep 300", termination_grace_period_seconds=0))
    wait("the pod", lambda: core.read_namespaced_pod("waits", namespace).status.phase == "Running")
    connect = core.connect_get_namespaced_pod_exec
    assert stream(connect, "waits", namespace, command=["echo", "a b"], stdout=True, stderr=False) == "a b\n"
    shell = stream(
        connect,
        "waits",
        namespace,
        command=["sh"],
        stdin=True,
        stdout=True,
        stderr=True,
        _preload_content=False,
    )
    shell.write_stdin("echo out; echo err >&2; exit 3\n")
    shell.run_forever(timeout=20)
    assert shell.read_stdout() == "out\n"
    assert shell.read_stderr() == "err\n"
    assert shell.returncode == 3
    core.delete_namespaced_pod("waits", namespace, grace_period_seconds=0)


def test_deployments_scale(api, core, namespace):
    apps = k8s.AppsV1Api(api)
    template = pod("web", "sleep 300", termination_grace_period_seconds=0)
    template.spec.restart_policy = "Always"
    apps.create_namespaced_deployment(
        namespace,
        k8s.V1Deployment(
            metadata=k8s.V1ObjectMeta(name="web"),
            spec=k8s.V1DeploymentSpec(
                replicas=1,
                selector=k8s.V1LabelSelector(match_labels={"app": "web"}),
                template=k8s.V1PodTemplateSpec(metadata=template.metadata, spec=template.spec),
            ),
        ),
    )
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 2}})
    wait(
        "two replicas",
        lambda: apps.read_namespaced_deployment_status("web", namespace).status.available_replicas == 2,
    )
    apps.delete_namespaced_deployment("web", namespace)
    wait("the pods' end", lambda: not core.list_namespaced_pod(namespace, label_selector="app=web").items)


def test_custom_resources_are_checked(api, namespace):
    size = {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}}}
    definition = {
        "metadata": {"name": "widgets.clients.example"},
        "spec": {
            "group": "clients.example",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": size}}},
                }
            ],
        },
    }
    extensions = k8s.ApiextensionsV1Api(api)
    extensions.create_custom_resource_definition(definition)
    try:
        wait(
            "the definition",
            lambda: any(
                condition.type == "Established" and condition.status == "True"
                for condition in extensions.read_custom_resource_definition("widgets.clients.example").status.conditions
                or []
            ),
        )
        widgets = dynamic.DynamicClient(api).resources.get(api_version="clients.example/v1", kind="Widget")
        widget = {"apiVersion": "clients.example/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}}
        assert widgets.create(body=widget, namespace=namespace).spec.size == 3
        widget["metadata"]["name"], widget["spec"]["size"] = "v", 0
        with pytest.raises(dynamic.exceptions.UnprocessibleEntityError):
            widgets.create(body=widget, namespace=namespace)
    finally:
        extensions.delete_custom_resource_definition("widgets.clients.example")
