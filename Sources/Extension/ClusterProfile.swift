package import KubeCore
package import MLTypes

/// Properties of a cluster that decide what is installed.
package struct ClusterFacts: Sendable, Hashable {
    package enum ClusterType: String, Sendable {
        /// AKS.
        case managed = "managedClusters"
        /// Arc.
        case connected = "connectedClusters"

        /// Letter case does not matter; nil for any other type.
        package init?(name: String) {
            switch name.lowercased() {
            case "managedclusters": self = .managed
            case "connectedclusters": self = .connected
            default: return nil
            }
        }
    }

    package var clusterType: ClusterType
    /// Nodes that can run pods.
    package var nodeCount: Int
    /// As in `ClusterHeartbeat`; empty when not known.
    package var distribution: String

    /// The embedded cluster's name of itself.
    package static let embeddedDistribution = "outrigger"

    package init(clusterType: ClusterType, nodeCount: Int, distribution: String = "") {
        self.clusterType = clusterType
        self.nodeCount = nodeCount
        self.distribution = distribution
    }
}

/// Where parts that are not our own programs come from.
package enum ThirdPartySource: String, Sendable, Hashable {
    /// Our own programs stand in for Volcano; the others are absent. For the embedded cluster.
    case standIns
    /// Upstream's releases, from bundles. For real clusters.
    case bundles
}

/// What the extension has to know of the cluster it is on and cannot see through the Kubernetes API.
///
/// The only place where the embedded cluster differs from another.
package struct ClusterProfile: Sendable {
    /// Image of the first-party components.
    package var image: String
    /// Version of the product, which is the extension's.
    package var version: String
    /// Where built Python environments are kept unless the setting `environmentCache` says otherwise.
    package var environmentCache: EnvironmentCache
    /// nil = as the cluster's distribution says: stand-ins on an embedded cluster, bundles on any other.
    package var thirdParty: ThirdPartySource?
    /// Where pods reach the control plane, for example `https://10.64.0.1:7443`.
    package var controlPlaneURL: String
    /// CA of the control plane's certificate, PEM.
    package var controlPlaneCA: String
    /// CustomResourceDefinitions of parts in other modules (Volcano's), applied with our own.
    package var extraCRDs: [KubeObject]
    /// User of component processes; nil leaves it to the image.
    package var runAsUser: Int?
    /// How long components may take to become ready.
    package var readinessTimeout: Duration

    package init(
        image: String,
        version: String,
        environmentCache: EnvironmentCache = .emptyDir,
        thirdParty: ThirdPartySource? = nil,
        controlPlaneURL: String,
        controlPlaneCA: String,
        extraCRDs: [KubeObject] = [],
        runAsUser: Int? = 65532,
        readinessTimeout: Duration = .seconds(600)
    ) {
        self.image = image
        self.version = version
        self.environmentCache = environmentCache
        self.thirdParty = thirdParty
        self.controlPlaneURL = controlPlaneURL
        self.controlPlaneCA = controlPlaneCA
        self.extraCRDs = extraCRDs
        self.runAsUser = runAsUser
        self.readinessTimeout = readinessTimeout
    }
}
