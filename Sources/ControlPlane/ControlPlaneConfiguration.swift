package import ControlPlaneAPI
package import KubeCore

/// A Kubernetes cluster that the control plane knows.
package struct ClusterTarget: Sendable {
    package var name: String
    package var resourceGroup: String
    /// Under which resource types it is answered: `connectedClusters`, `managedClusters`.
    package var clusterTypes: [String]
    package var location: String
    /// Name of the Kubernetes distribution, such as `k3s`, `aks` or `outrigger`.
    package var distribution: String
    package var api: any ResourceAPI

    package init(
        name: String,
        resourceGroup: String,
        clusterTypes: [String] = ["connectedClusters", "managedClusters"],
        location: String = "local",
        distribution: String = "outrigger",
        api: any ResourceAPI
    ) {
        self.name = name
        self.resourceGroup = resourceGroup
        self.clusterTypes = clusterTypes
        self.location = location
        self.distribution = distribution
        self.api = api
    }

    /// Key of the cluster in the database; the two resource types are one cluster.
    var key: String { resourceGroup.lowercased() + "/" + name.lowercased() }
}

/// What the control plane needs to know to start.
package struct ControlPlaneConfiguration: Sendable {
    package struct ListenAddress: Sendable, Hashable {
        package var host: String
        /// 0 lets the system choose.
        package var port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// Holds `controlplane.db` and `blobs/`.
    package var dataDirectory: String
    package var listen: [ListenAddress]
    /// Server certificate and what stands between it and the CA.
    package var certificateChainPEM: String
    package var privateKeyPEM: String
    package var caPEM: String
    /// Base URL of clients on this machine, no trailing slash.
    package var publicURL: String
    /// Base URL of pods, no trailing slash.
    package var podURL: String
    /// Names and credentials of `connection.json`.
    package var connection: ConnectionInfo
    /// EC P-256 private key that signs tokens.
    package var signingKeyPEM: String
    package var version: String
    /// Location of the workspace and its resources.
    package var location: String
    package var clusters: [ClusterTarget]
    /// Problems of an extension's settings; an empty list accepts it.
    package var validateExtension: @Sendable (DesiredExtension) -> [ErrorDetail]

    package init(
        dataDirectory: String,
        listen: [ListenAddress],
        certificateChainPEM: String,
        privateKeyPEM: String,
        caPEM: String,
        publicURL: String,
        podURL: String,
        connection: ConnectionInfo,
        signingKeyPEM: String,
        version: String,
        location: String = "local",
        clusters: [ClusterTarget] = [],
        validateExtension: @escaping @Sendable (DesiredExtension) -> [ErrorDetail] = { _ in [] }
    ) {
        self.dataDirectory = dataDirectory
        self.listen = listen
        self.certificateChainPEM = certificateChainPEM
        self.privateKeyPEM = privateKeyPEM
        self.caPEM = caPEM
        self.publicURL = publicURL
        self.podURL = podURL
        self.connection = connection
        self.signingKeyPEM = signingKeyPEM
        self.version = version
        self.location = location
        self.clusters = clusters
        self.validateExtension = validateExtension
    }
}

// Keys and credentials stay out of logs, also when something that holds the configuration is described.
extension ControlPlaneConfiguration: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "ControlPlaneConfiguration(\(publicURL), \(dataDirectory))" }
    package var debugDescription: String { description }
}

extension ClusterTarget: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "ClusterTarget(\(resourceGroup)/\(name))" }
    package var debugDescription: String { description }
}
