package import ControlPlaneAPI
internal import Foundation
package import KubeCore

/// A Kubernetes cluster that the control plane knows.
package struct ClusterTarget: Sendable {
    /// How the control plane gets to the cluster.
    package enum Access: Sendable {
        /// Its API server answers; the gateway is reached as said.
        case api(any ResourceAPI, gateway: GatewayWay)
        /// Nothing connects inwards: its agent and its relay dial the control plane.
        case tunnel
    }

    package enum GatewayWay: Sendable {
        /// At the address of its Service.
        case direct
        /// Through the API server's service proxy.
        case serviceProxy(any ServiceProxying)
    }

    package var name: String
    package var resourceGroup: String
    /// Under which resource types it is answered: `connectedClusters`, `managedClusters`.
    package var clusterTypes: [String]
    package var location: String
    /// Name of the Kubernetes distribution, such as `k3s`, `aks` or `outrigger`.
    package var distribution: String
    package var access: Access
    /// Base URL of the control plane as the cluster's pods reach it, no trailing slash; nil = the configuration's.
    package var podURL: String?

    package init(
        name: String,
        resourceGroup: String,
        clusterTypes: [String] = ["connectedClusters", "managedClusters"],
        location: String = "local",
        distribution: String = "outrigger",
        access: Access,
        podURL: String? = nil
    ) {
        self.name = name
        self.resourceGroup = resourceGroup
        self.clusterTypes = clusterTypes
        self.location = location
        self.distribution = distribution
        self.access = access
        self.podURL = podURL
    }

    /// The cluster's API, where the control plane may use it.
    package var api: (any ResourceAPI)? {
        if case .api(let api, _) = access { api } else { nil }
    }

    /// Key of the cluster in the database and among the relay's tunnels.
    ///
    /// What is there under both resource types is one cluster; registered ones of the same name but another type are two.
    package var key: String {
        let type = clusterTypes.count == 1 ? clusterTypes[0].lowercased() + "/" : ""
        return resourceGroup.lowercased() + "/" + type + name.lowercased()
    }

    /// Whether an ARM id is the cluster's or that of something on it.
    func holds(_ id: String) -> Bool {
        guard ARMPath.value(of: "resourceGroups", in: id)?.lowercased() == resourceGroup.lowercased() else {
            return false
        }
        return clusterTypes.contains { ARMPath.value(of: $0, in: id)?.lowercased() == name.lowercased() }
    }
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
    /// Base URL of the embedded cluster's pods, no trailing slash.
    package var podURL: String
    /// Base URL of the pods of registered clusters, no trailing slash.
    package var remoteURL: String
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
    /// Makes a client of the cluster that the text of a kubeconfig leads to; opens no connection yet.
    package var openCluster: @Sendable (_ kubeconfig: String) throws -> any ClusterAPI
    /// What the user of a kubeconfig must be allowed to do for the cluster to be registered.
    package var requiredRights: [ClusterRight]
    /// The objects of a third-party component's pinned release; nil when there is no bundle of it.
    package var bundle: @Sendable (_ component: String, _ version: String) async throws -> [JSON]?
    /// Versions of the extension that can be installed, in no order.
    package var versions: @Sendable () -> [ExtensionVersion]
    /// Seconds since 1970, for all that depends on how long ago something was.
    package var now: @Sendable () -> Double

    package init(
        dataDirectory: String,
        listen: [ListenAddress],
        certificateChainPEM: String,
        privateKeyPEM: String,
        caPEM: String,
        publicURL: String,
        podURL: String,
        remoteURL: String? = nil,
        connection: ConnectionInfo,
        signingKeyPEM: String,
        version: String,
        location: String = "local",
        clusters: [ClusterTarget] = [],
        validateExtension: @escaping @Sendable (DesiredExtension) -> [ErrorDetail] = { _ in [] },
        openCluster: @escaping @Sendable (String) throws -> any ClusterAPI = { _ in throw ClustersNotOpened() },
        requiredRights: [ClusterRight] = ClusterRight.extensionInstallation,
        bundle: @escaping @Sendable (String, String) async throws -> [JSON]? = { _, _ in nil },
        versions: @escaping @Sendable () -> [ExtensionVersion] = { [] },
        now: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 }
    ) {
        self.dataDirectory = dataDirectory
        self.listen = listen
        self.certificateChainPEM = certificateChainPEM
        self.privateKeyPEM = privateKeyPEM
        self.caPEM = caPEM
        self.publicURL = publicURL
        self.podURL = podURL
        self.remoteURL = remoteURL ?? publicURL
        self.connection = connection
        self.signingKeyPEM = signingKeyPEM
        self.version = version
        self.location = location
        self.clusters = clusters
        self.validateExtension = validateExtension
        self.openCluster = openCluster
        self.requiredRights = requiredRights
        self.bundle = bundle
        self.versions = versions
        self.now = now
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
