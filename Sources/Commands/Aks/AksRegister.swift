internal import ArgumentParser
internal import Extension
internal import KubeClient
internal import KubeCore

extension Aks {
    struct Register: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Registers a cluster that this instance reaches directly.",
            discussion: """
                One context of the kubeconfig is stored, encrypted, with the certificates, keys and tokens that it names by \
                file. The control plane never shows it again. Registering again replaces it.

                EXAMPLES
                  outrigger aks register --name prod --resource-group ml --kube-config prod.yaml
                  outrigger aks register -n prod -g ml --kube-context prod --tags env=prod
                """
        )
        @OptionGroup var cluster: NamedCluster
        @OptionGroup var kube: KubeConfigOptions
        @OptionGroup var output: OutputOptions
        @Option(name: [.short, .long], help: "Location to record (default: local).") var location: String?
        @Option(parsing: .upToNextOption, help: ArgumentHelp("KEY=VALUE tags.", valueName: "key=value"))
        var tags: [String] = []
        @Option(
            help: ArgumentHelp(
                "Address of the control plane as pods of the cluster reach it (default: as 'outrigger up' advertises it).",
                valueName: "url"
            )
        )
        var url: String?
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            let tags = try KeyValues.tags(tags)
            let configuration = try StoredKubeConfig.inlined(try kube.load())
            let record = try InstanceRecord.require(cluster.instance.layout)
            let address = try ControlPlaneAddress.choose(url, record, server: configuration.server)
            let result = try await cluster.withSession(.managed) { session, id in
                try await ClusterAccess.with(configuration) { access in
                    session.progress.say("\(configuration.server) answers: Kubernetes \(access.version.gitVersion)")
                    try await refuseSmallRights(access)
                }
                let known = try await session.find(id)
                let properties: [String: JSON] = [
                    "kubeconfig": .string(StoredKubeConfig.yaml(configuration, name: cluster.name)),
                    "controlPlaneUrl": .string(address),
                ]
                let body: JSON = [
                    "location": .string(location ?? known?["location"]?.stringValue ?? "local"),
                    "tags": JSON(tags.isEmpty ? known?["tags"]?.stringMap ?? [:] : tags),
                    "identity": ["type": "SystemAssigned"],
                    "properties": .object(properties),
                ]
                return try await session.put(id, body, waits: !noWait)
            }
            try output.output.write(ResourceView.flat(result), columns: Aks.columns)
        }

        /// The extension's agent acts as the kubeconfig's user, so that user must have all of its rights.
        private func refuseSmallRights(_ access: ClusterAccess) async throws {
            if try await access.isAllowed(.everything) { return }
            let missing = try await access.missing(AccessRight.granting(AgentPermissions.rules))
            try AgentPreflight.refuse(missing, server: access.configuration.server)
        }
    }
}
