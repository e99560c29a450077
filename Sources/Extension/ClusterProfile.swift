package import KubeCore

/// Properties of a cluster that decide what is installed.
package struct ClusterFacts: Sendable, Hashable {
    package enum ClusterType: String, Sendable {
        /// AKS.
        case managed = "managedClusters"
        /// Arc.
        case connected = "connectedClusters"
    }

    package var clusterType: ClusterType
    /// Nodes that can run pods.
    package var nodeCount: Int

    package init(clusterType: ClusterType, nodeCount: Int) {
        self.clusterType = clusterType
        self.nodeCount = nodeCount
    }
}

/// What the extension has to know of the cluster it is on and cannot see through the Kubernetes API.
///
/// The only place where the embedded cluster differs from another.
package struct ClusterProfile: Sendable {
    /// Image of the first-party components.
    package var image: String
    /// Version of the product, which is the extension's.
    package var version: String
    /// Folder on nodes where built Python environments are kept.
    package var environmentCachePath: String
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
        environmentCachePath: String,
        controlPlaneURL: String,
        controlPlaneCA: String,
        extraCRDs: [KubeObject] = [],
        runAsUser: Int? = 65532,
        readinessTimeout: Duration = .seconds(600)
    ) {
        self.image = image
        self.version = version
        self.environmentCachePath = environmentCachePath
        self.controlPlaneURL = controlPlaneURL
        self.controlPlaneCA = controlPlaneCA
        self.extraCRDs = extraCRDs
        self.runAsUser = runAsUser
        self.readinessTimeout = readinessTimeout
    }
}
