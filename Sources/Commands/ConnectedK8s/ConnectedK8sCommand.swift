internal import ArgumentParser
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
        @OptionGroup var cluster: NamedCluster
        @OptionGroup var output: OutputOptions

        func run() async throws { try await cluster.show(.connected, output, columns: ConnectedK8s.columns) }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists connected clusters.",
            discussion: """
                EXAMPLES
                  outrigger connectedk8s list --resource-group ml --output table
                """
        )
        @OptionGroup var clusters: ClusterList

        func run() async throws { try await clusters.show(.connected, columns: ConnectedK8s.columns) }
    }
}
