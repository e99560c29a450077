internal import ArgumentParser
internal import AzureMLYAML
internal import KubeCore

struct ComputeCommands: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compute",
        abstract: "Attaches clusters to a workspace.",
        subcommands: [Attach.self, Show.self, List.self, Detach.self]
    )

    static let columns = [
        Column("NAME", "name"), Column("TYPE", "type"), Column("NAMESPACE", "namespace"),
        Column("STATE", "provisioning_state"),
    ]

    struct Attach: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Attaches a cluster that has the extension.",
            discussion: """
                EXAMPLES
                  outrigger ml compute attach --type Kubernetes --name local --resource-id ID --namespace default
                  outrigger ml compute attach --file compute.yml

                ID is the cluster's resource id, as in 'outrigger k8s-extension show': \
                /subscriptions/…/providers/Microsoft.Kubernetes/connectedClusters/local. The name alone will do.
                """
        )
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name of the compute.") var name: String?
        @Option(name: [.short, .long], help: "Type; only Kubernetes.") var type: String = "Kubernetes"
        @Option(help: "Resource id or name of the cluster.") var resourceId: String?
        @Option(help: "Namespace of its jobs and deployments; it must exist.") var namespace: String = "default"
        @Option(help: "SystemAssigned or UserAssigned; accepted and without effect here.") var identityType: String?
        @Option(name: [.short, .long], help: "YAML file.") var file: String?
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            guard type.lowercased() == "kubernetes" else {
                throw CommandError(
                    "--type \(type): unknown compute type",
                    remedy: "use --type Kubernetes",
                    exitStatus: 2
                )
            }
            let document = try file.map { try SpecDocument(file: $0) }
            let spec = try document.map { try ComputeYAML($0) }
            guard let name = name ?? spec?.name, let cluster = resourceId ?? spec?.resourceID else {
                throw CommandError(
                    "--name and --resource-id are required",
                    remedy: "give both, or --file",
                    exitStatus: 2
                )
            }
            let result = try await workspace.withSession { session in
                let id = cluster.hasPrefix("/") ? cluster : session.clusterID(named: cluster)
                var inner: [String: JSON] = ["namespace": .string(spec?.namespace ?? namespace)]
                for (key, value) in spec?.properties?.objectValue ?? [:] { inner[key] = value }
                let body: JSON = [
                    "location": "local",
                    "properties": [
                        "computeType": "Kubernetes", "resourceId": .string(id), "properties": .object(inner),
                    ],
                ]
                return try await session.put(session.workspaceID + "/computes/" + name, body, waits: !noWait)
            }
            try output.output.write(Views.compute(result), columns: ComputeCommands.columns)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows one compute.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Name of the compute.") var name: String

        func run() async throws {
            let value = try await workspace.withSession { try await $0.get($0.workspaceID + "/computes/" + name) }
            try output.output.write(Views.compute(value), columns: ComputeCommands.columns)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists computes.")
        @OptionGroup var workspace: WorkspaceOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let values = try await workspace.withSession { try await $0.list($0.workspaceID + "/computes") }
            try output.output.write(.array(values.map(Views.compute)), columns: ComputeCommands.columns)
        }
    }

    struct Detach: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Detaches a compute; the cluster keeps running.")
        @OptionGroup var workspace: WorkspaceOptions
        @Option(name: [.short, .long], help: "Name of the compute.") var name: String
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            try Confirmation.ask("Detach compute \(name)?", isGiven: yes)
            try await workspace.withSession {
                try await $0.delete(
                    $0.workspaceID + "/computes/" + name,
                    query: ["underlyingResourceAction": "Detach"],
                    waits: !noWait
                )
            }
        }
    }
}
