internal import ArgumentParser
internal import ControlPlaneAPI
internal import KubeCore

/// Clusters that the control plane reaches directly, by a stored kubeconfig.
struct Aks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aks",
        abstract: "Registers clusters that this instance reaches directly.",
        discussion: """
            EXAMPLES
              outrigger aks register --name prod --resource-group ml --kube-config prod.yaml
              outrigger aks list --output table
            """,
        subcommands: [Register.self, Show.self, List.self, Unregister.self]
    )

    static let columns: [Column] = [
        Column("NAME", "name"), Column("GROUP", "resourceGroup"), Column("KUBERNETES", "kubernetesVersion"),
        Column("NODES") { value in
            let pools = value["agentPoolProfiles"]?.arrayValue ?? []
            return String(pools.reduce(0) { $0 + ($1["count"]?.intValue ?? 0) })
        },
        Column("STATE", "provisioningState"), Column("POWER", "powerState", "code"),
    ]

    static func collection(_ session: ARMSession, resourceGroup: String?) -> String {
        let group = resourceGroup.map { "/resourceGroups/" + $0 } ?? ""
        return
            "/subscriptions/\(session.connection.subscriptionId)\(group)/providers/Microsoft.ContainerService/managedClusters"
    }
}

/// One registered cluster.
struct ManagedClusterOptions: ParsableArguments {
    @OptionGroup var instance: InstanceOptions

    @Option(name: [.short, .long], help: "Name of the cluster.") var name: String

    @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Resource group of the cluster.")
    var resourceGroup: String

    /// Runs `body` with a session and the cluster's ARM id.
    func withSession<T>(_ body: (ARMSession, String) async throws -> T) async throws -> T {
        try await ARMSession.with(instance.layout, resourceGroup: resourceGroup) { session in
            try await body(
                session,
                session.clusterID(type: ClusterKind.managed.rawValue, resourceGroup: resourceGroup, name: name)
            )
        }
    }
}

extension Aks {
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows a registered cluster; its kubeconfig is never shown.",
            discussion: """
                EXAMPLES
                  outrigger aks show --name prod --resource-group ml
                """
        )
        @OptionGroup var cluster: ManagedClusterOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let resource = try await cluster.withSession { session, id in try await session.get(id) }
            try output.output.write(ResourceView.flat(resource), columns: Aks.columns)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists registered clusters.",
            discussion: """
                EXAMPLES
                  outrigger aks list --resource-group ml --output table
                """
        )
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var output: OutputOptions

        @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Only of this group (default: all).")
        var resourceGroup: String?

        func run() async throws {
            let items = try await ARMSession.with(instance.layout, resourceGroup: resourceGroup) { session in
                try await session.list(Aks.collection(session, resourceGroup: resourceGroup))
            }
            try output.output.write(.array(items.map(ResourceView.flat)), columns: Aks.columns)
        }
    }

    struct Unregister: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Forgets a registered cluster and its kubeconfig.",
            discussion: """
                A cluster with extensions is refused, for nobody could remove them later; --force forgets them too.

                EXAMPLES
                  outrigger aks unregister --name prod --resource-group ml --yes
                """,
            aliases: ["delete"]
        )
        @OptionGroup var cluster: ManagedClusterOptions
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Although extensions are on it.") var force = false
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            try Confirmation.ask("Forget cluster \(cluster.name)?", isGiven: yes)
            try await cluster.withSession { session, id in
                guard try await session.find(id) != nil else {
                    return Message.warning("cluster \(cluster.name) is not registered: nothing to forget")
                }
                let extensions = try await session.list(id + "/providers/Microsoft.KubernetesConfiguration/extensions")
                let names = extensions.compactMap { $0["name"]?.stringValue }.joined(separator: ", ")
                if !names.isEmpty, !force {
                    throw CommandError(
                        "cluster \(cluster.name) has extension \(names)",
                        remedy: "delete it first with 'outrigger k8s-extension delete', or add --force"
                    )
                }
                if !names.isEmpty {
                    Message.warning("forgetting extension \(names); what it installed stays in the cluster")
                }
                try await session.delete(id, query: force ? ["force": "true"] : [:], waits: !noWait)
            }
        }
    }
}
