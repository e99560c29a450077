internal import ArgumentParser
internal import KubeCore

/// Which cluster's extensions.
struct ClusterOptions: ParsableArguments {
    @OptionGroup var instance: InstanceOptions

    @Option(name: [.customShort("c"), .customLong("cluster-name")], help: "Name of the cluster.")
    var clusterName: String

    @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Resource group of the cluster.")
    var resourceGroup: String

    @Option(
        name: [.customShort("t"), .customLong("cluster-type")],
        help: "connectedClusters or managedClusters.",
        completion: .list(ClusterKind.allCases.map(\.rawValue))
    )
    var clusterType: String

    @Option(
        name: [.customLong("cluster-resource-provider"), .customLong("cluster-rp")],
        help: "Provider of the cluster; follows from --cluster-type."
    )
    var clusterResourceProvider: String?

    func kind() throws -> ClusterKind { try ClusterKind.parse(clusterType, provider: clusterResourceProvider) }

    /// Runs `body` with a session and the ARM id of the cluster's extensions.
    func withSession<T>(_ body: (ARMSession, String) async throws -> T) async throws -> T {
        try await withCluster { session, cluster in
            try await body(session, cluster + "/providers/Microsoft.KubernetesConfiguration/extensions")
        }
    }

    /// Runs `body` with a session and the cluster's ARM id.
    func withCluster<T>(_ body: (ARMSession, String) async throws -> T) async throws -> T {
        let kind = try kind()
        return try await ARMSession.with(instance.layout, resourceGroup: resourceGroup) { session in
            try await body(
                session,
                session.clusterID(type: kind.rawValue, resourceGroup: resourceGroup, name: clusterName)
            )
        }
    }
}

/// One extension of a cluster.
struct ExtensionOptions: ParsableArguments {
    @OptionGroup var cluster: ClusterOptions

    @Option(name: [.short, .long], help: "Name of the extension.") var name: String

    /// Runs `body` with a session and the extension's ARM id.
    func withSession<T>(_ body: (ARMSession, String) async throws -> T) async throws -> T {
        try await cluster.withSession { session, collection in try await body(session, collection + "/" + name) }
    }
}

/// `True`, `true`, `False`, `false`.
enum TrueOrFalse: String, ExpressibleByArgument, CaseIterable, Sendable {
    case yes = "true"
    case no = "false"

    init?(argument: String) { self.init(rawValue: argument.lowercased()) }

    var isTrue: Bool { self == .yes }
}

/// `-o` of commands whose best form depends on what they show.
struct ViewOptions: ParsableArguments {
    @Option(name: [.customShort("o"), .customLong("output")], help: "json, yaml, table or none.")
    var output: OutputFormat?
}
