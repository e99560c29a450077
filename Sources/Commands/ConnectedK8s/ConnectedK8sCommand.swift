internal import ArgumentParser
internal import ControlPlaneAPI
internal import KubeCore

/// `az connectedk8s`, with its flags: clusters whose agent dials the control plane.
struct ConnectedK8s: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connectedk8s",
        abstract: "Connects Kubernetes clusters; nothing ever connects into them.",
        discussion: """
            EXAMPLES
              outrigger connectedk8s connect --name edge --resource-group ml --kube-config edge.yaml
              outrigger connectedk8s list --output table
            """,
        subcommands: [Connect.self, Show.self, List.self, Delete.self, Template.self]
    )

    static let columns: [Column] = [
        Column("NAME", "name"), Column("GROUP", "resourceGroup"), Column("DISTRIBUTION", "distribution"),
        Column("KUBERNETES", "kubernetesVersion"), Column("NODES", "totalNodeCount"),
        Column("STATUS", "connectivityStatus"), Column("LAST HEARD", "lastConnectivityTime"),
    ]

    /// Address of the connected clusters of a group, or of all.
    static func collection(_ session: ARMSession, resourceGroup: String?) -> String {
        let group = resourceGroup.map { "/resourceGroups/" + $0 } ?? ""
        return "/subscriptions/\(session.connection.subscriptionId)\(group)"
            + "/providers/Microsoft.Kubernetes/connectedClusters"
    }
}

/// One connected cluster.
struct ConnectedClusterOptions: ParsableArguments {
    @OptionGroup var instance: InstanceOptions

    @Option(name: [.short, .long], help: "Name of the connected cluster.") var name: String

    @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Resource group of the cluster.")
    var resourceGroup: String

    /// Runs `body` with a session and the cluster's ARM id.
    func withSession<T>(_ body: (ARMSession, String) async throws -> T) async throws -> T {
        try await ARMSession.with(instance.layout, resourceGroup: resourceGroup) { session in
            try await body(
                session,
                session.clusterID(type: ClusterKind.connected.rawValue, resourceGroup: resourceGroup, name: name)
            )
        }
    }
}

extension ConnectedK8s {
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a connected cluster.",
            discussion: """
                EXAMPLES
                  outrigger connectedk8s show --name edge --resource-group ml
                """
        )
        @OptionGroup var cluster: ConnectedClusterOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let resource = try await cluster.withSession { session, id in try await session.get(id) }
            try output.output.write(ResourceView.flat(resource), columns: ConnectedK8s.columns)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists connected clusters.",
            discussion: """
                EXAMPLES
                  outrigger connectedk8s list --resource-group ml --output table
                """
        )
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions

        @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Only of this group (default: all).")
        var resourceGroup: String?

        func run() async throws {
            let items = try await ARMSession.with(instance.layout, resourceGroup: resourceGroup) { session in
                try await session.list(ConnectedK8s.collection(session, resourceGroup: resourceGroup))
            }
            try output.output.write(.array(items.map(ResourceView.flat)), columns: ConnectedK8s.columns)
        }
    }
}
