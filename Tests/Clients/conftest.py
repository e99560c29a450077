"""What the tests know of the instance: the files in its data folder, as any user has them."""

import json
import os
import pathlib
import subprocess
import types
import uuid

import pytest

DATA = pathlib.Path(os.environ.get("OUTRIGGER_DATA_DIR", "/nonexistent"))

# Before any client is imported: they read it once.
os.environ["REQUESTS_CA_BUNDLE"] = str(DATA / "ca.pem")

EXTENSION_TYPE = "Microsoft.AzureML.Kubernetes"
MANAGED = ("Microsoft.ContainerService", "managedClusters")
CONNECTED = ("Microsoft.Kubernetes", "connectedClusters")


@pytest.fixture(scope="session")
def connection():
    file = DATA / "connection.json"
    if not file.exists():
        pytest.exit(f"{file} is missing; use Tests/Clients/run, or set OUTRIGGER_DATA_DIR to a running instance", 2)
    return types.SimpleNamespace(**json.loads(file.read_text()))


@pytest.fixture(scope="session")
def credential(connection):
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(
        connection.tenant, connection.clientId, connection.clientSecret, authority=connection.url
    )


@pytest.fixture(scope="session")
def outrigger():
    """Runs the command-line program and answers its output."""

    def run(*arguments, check=True):
        done = subprocess.run(
            [os.environ["OUTRIGGER_BINARY"], *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "OUTRIGGER_DATA_DIR": str(DATA)},
        )
        if check:
            assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def unique():
    return uuid.uuid4().hex[:8]
