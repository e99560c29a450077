package import ControlPlaneAPI
package import KubeCore

/// A cluster that was registered with a kubeconfig, with both ends that its extension agent works between.
package struct ManagedCluster: Sendable, CustomStringConvertible {
    /// ARM id.
    package var id: String
    package var name: String
    package var resourceGroup: String
    /// Another one after each registration; the api of an earlier one is closed.
    package var registration: String
    package var api: any ResourceAPI
    package var link: any ExtensionLink
    /// Base URL of the control plane as the cluster's pods reach it.
    package var controlPlaneURL: String

    package var description: String { "ManagedCluster(\(resourceGroup)/\(name))" }

    init?(_ entry: ClusterDirectory.Entry, core: Core) {
        guard let id = entry.id, let api = entry.target.api else { return nil }
        self.id = id
        name = entry.target.name
        resourceGroup = entry.target.resourceGroup
        registration = entry.registration
        self.api = api
        link = StoredExtensionLink(
            core: core,
            clusterType: "managedClusters",
            resourceGroup: entry.target.resourceGroup,
            clusterName: entry.target.name
        )
        controlPlaneURL = entry.target.podURL ?? core.configuration.remoteURL
    }
}
