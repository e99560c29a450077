/// The two kinds of clusters that an extension can be on.
///
/// Pure.
enum ClusterKind: String, Sendable, CaseIterable {
    case connected = "connectedClusters"
    case managed = "managedClusters"

    /// The ARM provider of such clusters.
    var provider: String {
        switch self {
        case .connected: "Microsoft.Kubernetes"
        case .managed: "Microsoft.ContainerService"
        }
    }

    /// Kinds that the reference command line has and this product does not, with their provider.
    private static let foreign: [String: String] = [
        "appliances": "Microsoft.ResourceConnector", "provisionedclusters": "Microsoft.HybridContainerService",
    ]

    /// Reads `--cluster-type` and, when given, `--cluster-resource-provider`, which must agree with it.
    static func parse(_ text: String, provider: String? = nil) throws(CommandError) -> ClusterKind {
        if let owner = foreign[text.lowercased()] {
            throw CommandError(
                "--cluster-type \(text): clusters of \(owner) are not supported",
                remedy: "connect it with 'outrigger connectedk8s connect', then use --cluster-type connectedClusters",
                exitStatus: 2
            )
        }
        guard let kind = allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) else {
            throw CommandError(
                "--cluster-type \(text): unknown cluster type",
                remedy: "use connectedClusters or managedClusters",
                exitStatus: 2
            )
        }
        guard let provider, provider.lowercased() != kind.provider.lowercased() else { return kind }
        throw CommandError(
            "--cluster-resource-provider \(provider): \(kind.rawValue) belong to \(kind.provider)",
            remedy: "leave --cluster-resource-provider out, or use \(kind.provider)",
            exitStatus: 2
        )
    }
}
