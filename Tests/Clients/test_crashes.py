"""The control plane killed in the middle of creating, updating and deleting an extension, and started again.

Slow, so it is asked for: `run -m slow`.
"""

import json
import os
import signal
import time

import pytest
from azure.core.exceptions import ResourceNotFoundError, ServiceRequestError, ServiceResponseError

from conftest import CONNECTED
from test_extensions import NAME, Client

pytestmark = pytest.mark.slow

# Seconds between a request's answer and the kill: from before anything is begun to after it is done.
POINTS = [0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.2, 2, 3]


@pytest.fixture(scope="module")
def client(connection, credential):
    client = Client(connection, credential, "2025-03-01")
    client.remove()
    yield client
    client.remove()


@pytest.fixture
def crash(outrigger):
    def crash(after):
        time.sleep(after)
        daemons = json.loads(outrigger("status", "-o", "json"))["daemons"]
        victim = next(daemon["pid"] for daemon in daemons if daemon["name"].startswith("server"))
        os.kill(victim, signal.SIGKILL)
        outrigger("up", "--detach")

    return crash


def settled(client, wanted, seconds=180):
    """Polls until the extension is in the wanted state; None stands for gone."""
    end = time.monotonic() + seconds
    state = "unknown"
    while time.monotonic() < end:
        try:
            state = client.extensions.get(*client.at(CONNECTED)).provisioning_state
        except ResourceNotFoundError:
            state = None
        except (ServiceRequestError, ServiceResponseError):
            state = "unreachable"
        if state == wanted:
            return
        time.sleep(0.2)
    pytest.fail(f"still {state}, not {wanted}, after {seconds} s")


class Operation:
    """Remembers where the answer said to poll."""

    def __init__(self, client):
        self.client = client
        self.name = None

    def __call__(self, response):
        address = response.http_response.headers.get("Azure-AsyncOperation")
        self.name = self.name or address.split("?")[0].rsplit("/", 1)[1]

    @property
    def status(self):
        return self.client.client.operation_status.get(*self.client.at(CONNECTED), self.name).status


@pytest.mark.parametrize("after", POINTS)
def test_it_ends_where_it_should(client, crash, after):
    creating = Operation(client)
    client.extensions.begin_create(
        *client.at(CONNECTED), client.extension(), polling=False, raw_response_hook=creating
    )
    crash(after)
    settled(client, "Succeeded")
    assert creating.status == "Succeeded"

    updating = Operation(client)
    patch = client.models.PatchExtension(configuration_settings={"inferenceRouterServiceType": "NodePort"})
    client.extensions.begin_update(*client.at(CONNECTED), patch, polling=False, raw_response_hook=updating)
    crash(after)
    settled(client, "Succeeded")
    assert updating.status == "Succeeded"
    listed = list(client.extensions.list(*client.at(CONNECTED, name=None)))
    assert [item.name for item in listed] == [NAME]
    assert listed[0].configuration_settings["inferenceRouterServiceType"] == "NodePort"

    deleting = Operation(client)
    client.extensions.begin_delete(*client.at(CONNECTED), polling=False, raw_response_hook=deleting)
    crash(after)
    settled(client, None)
    assert deleting.status == "Succeeded"
