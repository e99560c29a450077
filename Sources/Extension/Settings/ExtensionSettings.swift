package import MLTypes

/// The settings of an extension, typed.
///
/// Made by `parse`; only what passes `validate` is ever installed.
package struct ExtensionSettings: Sendable, Hashable {
    package enum RouterServiceType: String, Sendable, CaseIterable {
        case loadBalancer = "LoadBalancer"
        case nodePort = "NodePort"
        case clusterIP = "ClusterIP"
    }

    /// Certificate chain and key, PEM.
    package struct CertificatePair: Sendable, Hashable {
        package var certificate: String
        package var key: String
    }

    /// A toleration of user workloads.
    package struct Toleration: Sendable, Hashable, Codable {
        package var key: String?
        /// `Equal` or `Exists`.
        package var `operator`: String?
        package var value: String?
        package var effect: String?
    }

    package var enableTraining = false
    package var enableInference = false
    package var allowInsecureConnections = false
    package var inferenceRouterServiceType: RouterServiceType?
    /// `azure`, or nil.
    package var internalLoadBalancerProvider: String?
    package var sslSecret: String?
    /// A DNS name in lower case, or an IP address.
    package var sslCname: String?
    /// nil = not given: True, unless the cluster is too small.
    package var inferenceRouterHA: Bool?
    package var nodeSelector: [String: String] = [:]
    package var installNvidiaDevicePlugin = false
    package var installPromOp = true
    package var installVolcano = true
    package var installDcgmExporter = false
    package var installKubeStateMetrics = true
    package var installFluentBit = true
    package var certificatePair: CertificatePair?
    /// `DevTest`, `FastProd` or nil.
    package var clusterPurpose: String?
    package var volcanoSchedulerConfigMap: String?
    package var skipResourceValidation = false
    /// Keys such as `requests.cpu`.
    package var routerResources: [String: String] = [:]
    package var workloadTolerations: [Toleration] = []
    /// nil = as the cluster's distribution says.
    package var openShift: Bool?
    package var clusterID: String?
    package var clusterFriendlyName: String?
    package var location: String?
    /// `cluster_name` on metrics.
    package var externalClusterName: String?
    /// Replaces the registry in image names.
    package var imageRegistry: String?
    package var imagePullSecret: String?
    /// nil = as the cluster's profile says.
    package var environmentCache: EnvironmentCache?
    /// Canonical names of the settings that were given, values aside.
    package var given: Set<String> = []
    /// Settings that were accepted and change nothing, as the user spelt them.
    package var ignored: [String] = []

    package init() {}

    /// HTTPS is served, with the pair or the secret.
    package var hasTLS: Bool { certificatePair != nil || sslSecret != nil }
    /// `https` when a certificate is given.
    package var scoringScheme: String { hasTLS ? "https" : "http" }
}
