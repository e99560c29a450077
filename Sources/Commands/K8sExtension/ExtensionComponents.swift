internal import ArgumentParser
internal import Extension
internal import KubeCore

extension K8sExtension {
    struct Components: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "components",
            abstract: "Shows the extension's components: what turns them on, what they ask for, and how they are.",
            discussion: """
                With a cluster the live state is shown, for the stored settings changed by those given. Without one, or with \
                --offline, only what the given settings mean.

                EXAMPLES
                  outrigger k8s-extension components --name amlext --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local
                  outrigger k8s-extension components --config enableTraining=True enableInference=True \\
                    inferenceRouterServiceType=nodePort allowInsecureConnections=True
                """
        )
        @OptionGroup var instance: InstanceOptions
        @OptionGroup var settings: SettingsOptions
        @OptionGroup var offlineOptions: OfflineOptions
        @OptionGroup var view: ViewOptions
        @Option(name: [.short, .long], help: "Name of the extension.") var name: String = "amlext"
        @Option(name: [.customShort("c"), .customLong("cluster-name")], help: "Name of the cluster.")
        var clusterName: String?
        @Option(name: [.customShort("g"), .customLong("resource-group")], help: "Resource group of the cluster.")
        var resourceGroup: String?
        @Option(
            name: [.customShort("t"), .customLong("cluster-type")],
            help: "connectedClusters or managedClusters.",
            completion: .list(ClusterKind.allCases.map(\.rawValue))
        )
        var clusterType: String = ClusterKind.connected.rawValue
        @Flag(help: "Ask no cluster.") var offline = false

        func validate() throws {
            if (clusterName == nil) != (resourceGroup == nil) {
                throw ValidationError("--cluster-name and --resource-group belong together")
            }
        }

        func run() async throws {
            let kind = try ClusterKind.parse(clusterType)
            let given = try settings.read()
            let rows: [JSON]
            if let clusterName, let resourceGroup, !offline {
                rows = try await live(given, kind, clusterName, resourceGroup)
            } else {
                rows = try still(given, kind)
            }
            switch view.output {
            case .json, .yaml: try view.output?.write(["components": .array(rows)], columns: [])
            case .none?: break
            case .table, nil: print(OutputFormat.denseTable(rows, columns: Self.columns), terminator: "")
            }
        }

        private func live(
            _ given: GivenSettings,
            _ kind: ClusterKind,
            _ clusterName: String,
            _ resourceGroup: String
        ) async throws -> [JSON] {
            try await ARMSession.with(instance.layout, resourceGroup: resourceGroup) { session in
                let cluster = session.clusterID(type: kind.rawValue, resourceGroup: resourceGroup, name: clusterName)
                let id = cluster + "/providers/Microsoft.KubernetesConfiguration/extensions/" + name
                let isInstalled = try await session.find(id) != nil
                let result = try await session.operate(
                    id + "/components",
                    ExtensionProbe.body(
                        ExtensionRequest(versioning: .init(), settings: given),
                        isInstalled: isInstalled
                    ),
                    query: ExtensionQuery.change(given, isAtomic: false),
                    what: "the component table of \(name)"
                )
                return result["components"]?.arrayValue ?? []
            }
        }

        private func still(_ given: GivenSettings, _ kind: ClusterKind) throws -> [JSON] {
            let input = try OfflineRender(layout: instance.layout).input(
                name: name,
                settings: try given.whole(),
                facts: offlineOptions.facts(kind),
                profile: offlineOptions.profile(url: "", caPEM: "")
            )
            return ComponentRow.rows(input).map(\.json)
        }

        static let columns: [Column] = [
            Column("NAME", "name"), Column("KIND", "kind"), Column("WHEN", "condition"),
            Column("ENABLED") { $0["enabled"]?.boolValue == true ? "yes" : "no" },
            Column("AVAILABILITY", "availability"), Column("READY", "ready"), Column("STATE", "state"),
            Column("REQUESTS") { amounts($0["requests"]) }, Column("LIMITS") { amounts($0["limits"]) },
            Column("MESSAGE", "message"),
        ]

        /// `cpu/memory`.
        private static func amounts(_ value: JSON?) -> String {
            if let text = value?.stringValue { return text }
            return [value?["cpu"], value?["memory"]].compactMap { $0?.stringValue }.joined(separator: "/")
        }
    }
}
