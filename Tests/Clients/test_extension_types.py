"""azure-mgmt-kubernetesconfiguration-extensiontypes, unmodified."""

import pytest
from azure.core.exceptions import ResourceNotFoundError

from conftest import CONNECTED, EXTENSION_TYPE, MANAGED


@pytest.fixture(scope="module")
def types(connection, credential):
    from azure.mgmt.kubernetesconfiguration.extensiontypes import KubernetesConfigurationExtensionTypesMgmtClient

    client = KubernetesConfigurationExtensionTypesMgmtClient(
        credential,
        connection.subscriptionId,
        base_url=connection.url,
        credential_scopes=[connection.url + "/.default"],
    )
    return client.extension_types


@pytest.mark.parametrize("cluster_type", [CONNECTED, MANAGED])
def test_types_of_a_cluster(types, connection, cluster_type):
    at = (connection.resourceGroup, *cluster_type, connection.cluster)
    found = list(types.list(*at))
    assert [item.name.lower() for item in found] == [EXTENSION_TYPE.lower()]
    one = types.get(*at, EXTENSION_TYPE)
    assert one.properties.supported_scopes.default_scope == "cluster"
    assert one.properties.supported_scopes.cluster_scope_settings.default_release_namespace == "azureml"
    assert one.properties.supported_scopes.cluster_scope_settings.allow_multiple_instances is False
    assert cluster_type[1] in one.properties.supported_cluster_types
    versions = list(types.cluster_list_versions(*at, EXTENSION_TYPE, release_train="stable"))
    assert versions
    version = types.cluster_get_version(*at, EXTENSION_TYPE, versions[0].properties.version)
    assert version.properties.version == versions[0].properties.version
    with pytest.raises(ResourceNotFoundError) as caught:
        types.get(*at, "Microsoft.Flux")
    assert caught.value.error.code == "ExtensionTypeNotFound"


def test_types_of_a_location(types):
    assert [item.name.lower() for item in types.location_list("local")] == [EXTENSION_TYPE.lower()]
    assert types.location_get("local", EXTENSION_TYPE).name.lower() == EXTENSION_TYPE.lower()
    versions = list(types.list_versions("local", EXTENSION_TYPE, show_latest=True))
    assert len(versions) == 1
    assert types.get_version("local", EXTENSION_TYPE, versions[0].name).name == versions[0].name
    with pytest.raises(ResourceNotFoundError):
        types.get_version("local", EXTENSION_TYPE, "99.0.0")
