"""azure-mgmt-kubernetesconfiguration, unmodified: both packages, both api-versions, both cluster types."""

import importlib
import uuid

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)

from conftest import CONNECTED, EXTENSION_TYPE, MANAGED

NAME = "amlext"
SETTINGS = {
    "enableTraining": "True",
    "enableInference": "True",
    "inferenceRouterServiceType": "ClusterIP",
    "inferenceRouterHA": "False",
    "allowInsecureConnections": "True",
}


class Client:
    """One of the two packages; their calls are the same, their classes are not."""

    def __init__(self, connection, credential, api_version):
        scopes = [connection.url + "/.default"]
        if api_version == "2023-05-01":
            package = importlib.import_module("azure.mgmt.kubernetesconfiguration")
            self.models = importlib.import_module("azure.mgmt.kubernetesconfiguration.v2023_05_01.models")
            make = package.SourceControlConfigurationClient
        else:
            package = importlib.import_module("azure.mgmt.kubernetesconfiguration.extensions")
            self.models = importlib.import_module("azure.mgmt.kubernetesconfiguration.extensions.models")
            make = package.KubernetesConfigurationExtensionsMgmtClient
        self.client = make(
            credential,
            connection.subscriptionId,
            base_url=connection.url,
            credential_scopes=scopes,
            api_version=api_version,
        )
        self.api_version = api_version
        self.extensions = self.client.extensions
        self.group = connection.resourceGroup
        self.cluster = connection.cluster

    def at(self, cluster_type, name=NAME, cluster=None):
        return (self.group, *cluster_type, cluster or self.cluster, *((name,) if name else ()))

    def extension(self, settings=None, protected=None, **more):
        more.setdefault("extension_type", EXTENSION_TYPE)
        return self.models.Extension(
            identity=self.models.Identity(type="SystemAssigned"),
            scope=self.models.Scope(cluster=self.models.ScopeCluster(release_namespace="azureml")),
            configuration_settings=dict(SETTINGS if settings is None else settings),
            configuration_protected_settings=protected or {},
            **more,
        )

    def install(self, cluster_type=CONNECTED, **more):
        return finished(self.extensions.begin_create(*self.at(cluster_type), self.extension(**more)))

    def remove(self):
        for cluster_type in (CONNECTED, MANAGED):
            for item in list(self.extensions.list(*self.at(cluster_type, name=None))):
                finished(self.extensions.begin_delete(*self.at(cluster_type, item.name)))


def finished(poller, seconds=180):
    """What a long-running operation comes to; the client itself answers the present state when time is up."""
    poller.wait(seconds)
    assert poller.done(), f"not within {seconds} s: {poller.status()}"
    return poller.result()


@pytest.fixture(scope="module", params=["2023-05-01", "2025-03-01"])
def client(request, connection, credential):
    client = Client(connection, credential, request.param)
    client.remove()
    yield client
    client.remove()


class Seen:
    """What the service answered, as policies of azure-core see it."""

    def __init__(self):
        self.answers = []

    def __call__(self, response):
        self.answers.append(response.http_response)

    @property
    def first(self):
        return self.answers[0]


@pytest.fixture(scope="module")
def installed(client):
    return client.install()


def test_create_answers_the_whole_resource(client, installed, connection):
    assert installed.name == NAME
    assert installed.id.endswith(f"/extensions/{NAME}")
    assert f"/connectedClusters/{connection.cluster}/" in installed.id
    assert installed.type.lower().endswith("microsoft.kubernetesconfiguration/extensions")
    assert installed.provisioning_state == "Succeeded"
    assert installed.extension_type.lower() == EXTENSION_TYPE.lower()
    assert installed.current_version
    assert installed.release_train == "Stable"
    assert installed.auto_upgrade_minor_version is True
    assert installed.scope.cluster.release_namespace == "azureml"
    assert installed.configuration_settings["enableInference"] == "True"
    assert installed.error_info is None
    assert installed.is_system_extension is False
    assert uuid.UUID(installed.identity.principal_id)
    assert installed.identity.type == "SystemAssigned"
    assert installed.system_data.created_at <= installed.system_data.last_modified_at
    assert installed.statuses and all(status.code and status.level and status.time for status in installed.statuses)


def test_get_and_list_agree(client, installed):
    one = client.extensions.get(*client.at(CONNECTED))
    listed = list(client.extensions.list(*client.at(CONNECTED, name=None)))
    assert [item.name for item in listed] == [NAME]
    assert listed[0].id == one.id == installed.id
    # ARM ids have no case.
    again = client.extensions.get(client.group.upper(), *CONNECTED, client.cluster.upper(), NAME.upper())
    assert again.id == one.id


def test_update_merges_settings_and_hides_protected_ones(client, installed):
    patch = client.models.PatchExtension(
        configuration_settings={"amloperator.skipResourceValidation": "True"},
        configuration_protected_settings={"relayserver.relayConnectionString": "hidden"},
    )
    seen = Seen()
    poller = client.extensions.begin_update(*client.at(CONNECTED), patch, raw_response_hook=seen)
    updated = finished(poller)
    assert seen.first.status_code == 202
    assert updated.provisioning_state == "Succeeded"
    assert updated.configuration_settings["enableInference"] == "True"
    assert updated.configuration_settings["amloperator.skipResourceValidation"] == "True"
    assert list(updated.configuration_protected_settings) == ["relayserver.relayConnectionString"]
    assert not updated.configuration_protected_settings["relayserver.relayConnectionString"]
    # A protected setting that is not named again is kept.
    patch = client.models.PatchExtension(configuration_settings={"amloperator.skipResourceValidation": "False"})
    updated = finished(client.extensions.begin_update(*client.at(CONNECTED), patch))
    assert "relayserver.relayConnectionString" in updated.configuration_protected_settings


def test_what_is_there_already_is_not_done_again(client, installed):
    present = client.extensions.get(*client.at(CONNECTED))
    seen = Seen()
    patch = client.models.PatchExtension(configuration_settings={"enableInference": "True"})
    finished(client.extensions.begin_update(*client.at(CONNECTED), patch, raw_response_hook=seen))
    assert seen.first.status_code == 200
    seen = Seen()
    # A resource that was read may be sent back.
    same = finished(client.extensions.begin_create(*client.at(CONNECTED), present, raw_response_hook=seen))
    assert seen.first.status_code == 200
    assert "azure-asyncoperation" not in {name.lower() for name in seen.first.headers}
    assert same.provisioning_state == "Succeeded"
    assert same.configuration_protected_settings == present.configuration_protected_settings


def test_operations_are_told_apart(client, installed):
    seen = Seen()
    patch = client.models.PatchExtension(configuration_settings={"location": f"here-{client.api_version}"})
    finished(client.extensions.begin_update(*client.at(CONNECTED), patch, raw_response_hook=seen))
    address = seen.first.headers["Azure-AsyncOperation"]
    assert f"api-version={client.api_version}" in address
    operation = address.split("?")[0].rsplit("/", 1)[1]
    status = client.client.operation_status.get(*client.at(CONNECTED), operation)
    assert (status.name, status.status) == (operation, "Succeeded")
    assert status.id.endswith(operation)
    with pytest.raises(ResourceNotFoundError):
        client.client.operation_status.get(*client.at(CONNECTED), str(uuid.uuid4()))
    if client.api_version == "2023-05-01":
        listed = list(client.client.operation_status.list(*client.at(CONNECTED, name=None)))
        assert operation in [item.name for item in listed]


def test_an_extension_that_is_not_there(client, installed):
    with pytest.raises(ResourceNotFoundError) as caught:
        client.extensions.get(*client.at(CONNECTED, "nothing"))
    assert caught.value.error.code == "ExtensionNotFound"
    with pytest.raises(ResourceNotFoundError) as caught:
        patch = client.models.PatchExtension(configuration_settings={"a": "b"})
        client.extensions.begin_update(*client.at(CONNECTED, "nothing"), patch)
    assert caught.value.error.code == "ExtensionNotFound"
    with pytest.raises(ResourceNotFoundError) as caught:
        client.extensions.get(*client.at(CONNECTED, cluster="nowhere"))
    assert "nowhere" in caught.value.error.message
    # Deleting what is not there is no error.
    seen = Seen()
    finished(client.extensions.begin_delete(*client.at(CONNECTED, "nothing"), raw_response_hook=seen))
    assert seen.first.status_code == 204


def test_wrong_settings_come_back_one_by_one(client, installed):
    settings = {**SETTINGS, "enableTraining": "maybe", "inferenceRouterServiceType": "pigeon", "enabelInference": "True"}
    with pytest.raises(HttpResponseError) as caught:
        client.extensions.begin_create(*client.at(CONNECTED), client.extension(settings))
    assert caught.value.status_code == 400
    messages = " ".join(detail.message for detail in caught.value.error.details)
    for word in ("maybe", "pigeon", "enabelInference"):
        assert word in messages
    # Nothing of it was stored.
    assert client.extensions.get(*client.at(CONNECTED)).configuration_settings["enableInference"] == "True"


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"extension_type": "Microsoft.Other"}, "Microsoft.AzureML.Kubernetes"),
        ({"release_train": "Nightly"}, "Stable"),
        ({"version": "99.0.0", "auto_upgrade_minor_version": False}, "99.0.0"),
        ({"version": "99.0.0", "auto_upgrade_minor_version": True}, "autoUpgradeMinorVersion"),
    ],
)
def test_wrong_properties_are_named(client, installed, more, word):
    with pytest.raises(HttpResponseError) as caught:
        client.extensions.begin_create(*client.at(CONNECTED), client.extension(**more))
    assert caught.value.status_code == 400
    assert word in caught.value.error.message
    assert caught.value.error.target.startswith("properties.")


def test_one_cluster_takes_one_extension(client, installed):
    for cluster_type, name in ((CONNECTED, "second"), (MANAGED, NAME)):
        with pytest.raises(ResourceExistsError) as caught:
            client.extensions.begin_create(*client.at(cluster_type, name), client.extension())
        assert caught.value.status_code == 409
        assert caught.value.error.code == "ExtensionAlreadyExists"
        assert NAME in caught.value.error.message


def test_a_wrong_secret_is_refused(client, connection):
    from azure.identity import ClientSecretCredential

    wrong = ClientSecretCredential(connection.tenant, connection.clientId, "wrong", authority=connection.url)
    stranger = Client(connection, wrong, client.api_version)
    with pytest.raises(ClientAuthenticationError):
        stranger.extensions.get(*stranger.at(CONNECTED))


def test_delete_waits_and_makes_room_at_once(client, installed):
    poller = client.extensions.begin_delete(*client.at(CONNECTED))
    with pytest.raises(ResourceExistsError) as caught:
        client.extensions.begin_create(*client.at(CONNECTED), client.extension())
    assert caught.value.error.code == "OperationInProgress"
    finished(poller)
    with pytest.raises(ResourceNotFoundError):
        client.extensions.get(*client.at(CONNECTED))
    seen = Seen()
    created = client.extensions.begin_create(*client.at(MANAGED), client.extension(), raw_response_hook=seen)
    assert seen.first.status_code == 201
    assert finished(created).provisioning_state == "Succeeded"
    assert client.extensions.get(*client.at(MANAGED)).aks_assigned_identity.principal_id
    finished(client.extensions.begin_delete(*client.at(MANAGED), force_delete=True))
    assert list(client.extensions.list(*client.at(MANAGED, name=None))) == []
