internal import ArgumentParser
internal import ControlPlaneAPI
internal import KubeCore

/// One cluster of the kind that the command is about.
struct NamedCluster: ParsableArguments {
    @OptionGroup var instance: InstanceOptions

    @Option(name: [.short, .long], help: "Name of the cluster.") var name: String

    @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Resource group of the cluster.")
    var resourceGroup: String

    /// Runs `body` with a session and the cluster's ARM id.
    func withSession<T>(_ kind: ClusterKind, _ body: (ARMSession, String) async throws -> T) async throws -> T {
        try await ARMSession.with(instance.layout, resourceGroup: resourceGroup) { session in
            try await body(session, session.clusterID(type: kind.rawValue, resourceGroup: resourceGroup, name: name))
        }
    }

    func show(_ kind: ClusterKind, _ output: OutputOptions, columns: [Column]) async throws {
        let resource = try await withSession(kind) { session, id in try await session.get(id) }
        try output.output.write(ResourceView.flat(resource), columns: columns)
    }

    /// Nobody could remove the extensions of a forgotten cluster later; with `isForced` they are only named.
    func refuseExtensions(_ session: ARMSession, _ id: String, isForced: Bool) async throws {
        let extensions = try await session.list(id + "/providers/Microsoft.KubernetesConfiguration/extensions")
        let names = extensions.compactMap { $0["name"]?.stringValue }.joined(separator: ", ")
        guard !names.isEmpty else { return }
        guard isForced else {
            throw CommandError(
                "cluster \(name) has extension \(names)",
                remedy: "delete it first with 'outrigger k8s-extension delete', or add --force"
            )
        }
        Message.warning("forgetting extension \(names); what it installed stays in the cluster")
    }
}

/// The clusters of the kind that the command is about.
struct ClusterList: ParsableArguments {
    @OptionGroup var instance: InstanceOptions
    @OptionGroup var output: OutputOptions

    @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Only of this group (default: all).")
    var resourceGroup: String?

    func show(_ kind: ClusterKind, columns: [Column]) async throws {
        let items = try await ARMSession.with(instance.layout, resourceGroup: resourceGroup) { session in
            let group = resourceGroup.map { "/resourceGroups/" + $0 } ?? ""
            return try await session.list(
                "/subscriptions/\(session.connection.subscriptionId)\(group)/providers/\(kind.provider)/\(kind.rawValue)"
            )
        }
        try output.output.write(.array(items.map(ResourceView.flat)), columns: columns)
    }
}
