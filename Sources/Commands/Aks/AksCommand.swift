internal import ArgumentParser
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
        @OptionGroup var cluster: NamedCluster
        @OptionGroup var output: OutputOptions

        func run() async throws { try await cluster.show(.managed, output, columns: Aks.columns) }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists registered clusters.",
            discussion: """
                EXAMPLES
                  outrigger aks list --resource-group ml --output table
                """
        )
        @OptionGroup var clusters: ClusterList

        func run() async throws { try await clusters.show(.managed, columns: Aks.columns) }
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
        @OptionGroup var cluster: NamedCluster
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Although extensions are on it.") var force = false
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            try Confirmation.ask("Forget cluster \(cluster.name)?", isGiven: yes)
            try await cluster.withSession(.managed) { session, id in
                guard try await session.find(id) != nil else {
                    return Message.warning("cluster \(cluster.name) is not registered: nothing to forget")
                }
                try await cluster.refuseExtensions(session, id, isForced: force)
                try await session.delete(id, query: force ? ["force": "true"] : [:], waits: !noWait)
            }
        }
    }
}
