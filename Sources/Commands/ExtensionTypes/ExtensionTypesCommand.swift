internal import ArgumentParser
internal import ControlPlaneAPI
internal import KubeCore

/// Types of extensions and their versions, by cluster or by location.
struct ExtensionTypes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extension-types",
        abstract: "Shows which extension types and versions there are.",
        discussion: """
            EXAMPLES
              outrigger extension-types list --output table
              outrigger extension-types list-versions --extension-type Microsoft.AzureML.Kubernetes \\
                --cluster-type connectedClusters --cluster-name local --resource-group local
            """,
        subcommands: [List.self, Show.self, ListVersions.self, ShowVersion.self]
    )

    static let typeColumns: [Column] = [
        Column("NAME", "name"), Column("DEFAULT SCOPE", "supportedScopes", "defaultScope"),
        Column("CLUSTER TYPES") { text($0["clusterTypes"] ?? $0["supportedClusterTypes"]) },
        Column("DESCRIPTION", "description"),
    ]

    static let versionColumns: [Column] = [
        Column("VERSION") { $0["version"]?.stringValue ?? $0["name"]?.stringValue ?? "" },
        Column("TRAINS") { text($0["releaseTrains"] ?? $0["releaseTrain"]) }, Column("IMAGE", "image"),
    ]

    private static func text(_ value: JSON?) -> String {
        switch value {
        case .string(let text): text
        case .array(let items): items.compactMap(\.stringValue).joined(separator: ", ")
        default: ""
        }
    }
}

/// Whose types: a cluster's, or those of a location.
struct TypePlace: ParsableArguments {
    @OptionGroup var instance: InstanceOptions

    @Option(name: [.customShort("c"), .customLong("cluster-name")], help: "Name of the cluster.")
    var clusterName: String?

    @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Resource group of the cluster.")
    var resourceGroup: String?

    @Option(
        name: [.customShort("t"), .customLong("cluster-type")],
        help: "connectedClusters or managedClusters.",
        completion: .list(ClusterKind.allCases.map(\.rawValue))
    )
    var clusterType: String?

    @Option(
        name: [.customShort("l"), .customLong("location")],
        help: "Location, without a cluster (default: local)."
    )
    var location: String?

    func validate() throws {
        let cluster = [clusterName, resourceGroup, clusterType]
        let given = cluster.count { $0 != nil }
        if given != 0, given != cluster.count {
            throw ValidationError("--cluster-name, --resource-group and --cluster-type belong together")
        }
        if given != 0, location != nil {
            throw ValidationError("--location excludes a cluster: give one of them")
        }
    }

    /// Runs `body` with a session and the address of the types.
    func withTypes<T>(_ body: (ARMSession, String) async throws -> T) async throws -> T {
        let kind = try clusterType.map { try ClusterKind.parse($0) }
        return try await ARMSession.with(instance.layout, resourceGroup: resourceGroup) { session in
            let types = "/providers/Microsoft.KubernetesConfiguration"
            if let kind, let clusterName, let resourceGroup {
                let cluster = session.clusterID(type: kind.rawValue, resourceGroup: resourceGroup, name: clusterName)
                return try await body(session, cluster + types + "/extensionTypes")
            }
            let subscription = "/subscriptions/" + session.connection.subscriptionId
            return try await body(
                session,
                subscription + types + "/locations/\(location ?? "local")/extensionTypes"
            )
        }
    }
}

/// A type by its name.
struct TypeName: ParsableArguments {
    @Option(
        name: [.customLong("extension-type"), .customShort("n"), .customLong("name")],
        help: "Name of the type (default: Microsoft.AzureML.Kubernetes)."
    )
    var extensionType: String = GivenSettings.extensionType
}
