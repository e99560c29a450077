"""azure-ai-ml and mlflow, unmodified; they are installed only by 'run --ml'."""

import pytest

pytest.importorskip("azure.ai.ml", reason="run with --ml")

from azure.core.exceptions import ResourceNotFoundError  # noqa: E402

from conftest import EXTENSION_TYPE  # noqa: E402


@pytest.fixture(scope="module")
def workspace(connection, credential):
    from azure.ai.ml import MLClient

    return MLClient(
        credential,
        connection.subscriptionId,
        connection.resourceGroup,
        connection.workspace,
        cloud="Outrigger",
        cloud_metadata={
            "azure_portal": connection.url,
            "resource_manager": connection.url + "/",
            "active_directory": connection.url + "/",
            "aml_resource_id": connection.url,
            "storage_endpoint": "outrigger",
            "registry_discovery_endpoint": connection.url + "/",
        },
    )


@pytest.fixture(scope="module")
def compute(workspace, connection, outrigger):
    """The extension by the command line, the compute by the client."""
    from azure.ai.ml.entities import KubernetesCompute

    where = ["--cluster-name", connection.cluster, "--resource-group", connection.resourceGroup]
    where += ["--cluster-type", "connectedClusters", "--name", "amlml"]
    outrigger(
        "k8s-extension", "create", *where, "--extension-type", EXTENSION_TYPE, "--config", "enableTraining=True"
    )
    cluster = (
        f"/subscriptions/{connection.subscriptionId}/resourceGroups/{connection.resourceGroup}"
        f"/providers/Microsoft.Kubernetes/connectedClusters/{connection.cluster}"
    )
    attached = workspace.compute.begin_create_or_update(
        KubernetesCompute(name="client", namespace="default", resource_id=cluster, properties={})
    ).result()
    yield attached
    workspace.compute.begin_delete(attached.name, action="Detach").wait()
    outrigger("k8s-extension", "delete", *where, "--yes")


def test_the_workspace_and_its_computes(workspace, connection, compute):
    assert workspace.workspaces.get(connection.workspace).name == connection.workspace
    assert compute.provisioning_state == "Succeeded"
    assert "client" in [item.name for item in workspace.compute.list()]
    assert workspace.compute.get("client").type.lower() == "kubernetes"
    with pytest.raises(ResourceNotFoundError):
        workspace.compute.get("nothing")


def test_a_command_job_is_streamed_to_its_end(workspace, compute, unique, tmp_path, capsys):
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment

    (tmp_path / "say.py").write_text("print('hello from the job')\n")
    job = command(
        code=str(tmp_path),
        command="python say.py",
        environment=Environment(image="python:3.11-slim"),
        compute="client",
        experiment_name="clients",
        name=f"client-{unique}",
    )
    created = workspace.jobs.create_or_update(job)
    assert created.name == f"client-{unique}"
    workspace.jobs.stream(created.name)
    assert workspace.jobs.get(created.name).status == "Completed"
    assert "hello from the job" in capsys.readouterr().out
    assert created.name in [item.name for item in workspace.jobs.list()]


def test_runs_are_tracked(connection, credential, monkeypatch, unique):
    mlflow = pytest.importorskip("mlflow")
    token = credential.get_token(connection.url + "/.default").token
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    mlflow.set_tracking_uri(connection.url)
    mlflow.set_experiment(f"tracked-{unique}")
    with mlflow.start_run() as run:
        mlflow.log_param("rate", 0.1)
        for step in range(3):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.set_tag("from", "client")
    found = mlflow.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"rate": "0.1"}
    assert found.data.metrics["loss"] == pytest.approx(1 / 3)
    assert found.data.tags["from"] == "client"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [metric.step for metric in history] == [0, 1, 2]
