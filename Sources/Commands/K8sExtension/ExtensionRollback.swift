internal import ArgumentParser
internal import ControlPlaneClient
internal import KubeCore

extension K8sExtension {
    struct Rollback: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Goes back to the settings and version that worked before.",
            discussion: """
                Every state that was installed successfully is a revision; the last ten are kept.

                EXAMPLES
                  outrigger k8s-extension rollback --name amlext --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local --list --output table
                  outrigger k8s-extension rollback --name amlext --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local --yes
                """
        )
        @OptionGroup var target: ExtensionOptions
        @OptionGroup var waiting: WaitOptions
        @OptionGroup var output: OutputOptions
        @Option(help: "Revision to go back to (default: the one before the present one).") var revision: Int?
        @Flag(help: "List the revisions; change nothing.") var list = false
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false

        func run() async throws {
            _ = try target.cluster.kind()
            if list { return try await showRevisions() }
            let wanted = revision.map { "revision \($0)" } ?? "what it was before"
            try Confirmation.ask(
                "Set extension \(target.name) of cluster \(target.cluster.clusterName) back to \(wanted)?",
                isGiven: yes
            )
            let body: JSON = revision.map { ["revision": JSON($0)] } ?? [:]
            let result = try await target.withSession { session, id in
                let answer = try await session.client.post(id + "/rollback", body)
                guard !waiting.noWait else { return try await session.get(id) }
                return try await ExtensionWait(session, id: id, seconds: waiting.timeout).end(of: answer) ?? answer.body
            }
            try output.output.write(ExtensionView.view(result), columns: ExtensionView.columns)
        }

        private func showRevisions() async throws {
            let revisions = try await target.withSession { session, id in try await session.list(id + "/revisions") }
            try output.output.write(
                .array(revisions),
                columns: [
                    Column("REVISION", "revision"), Column("TIME", "time"), Column("VERSION", "version"),
                    Column("CURRENT", "isCurrent"),
                    Column("SETTINGS") { revision in
                        let settings = revision["configurationSettings"]?.stringMap ?? [:]
                        return settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                            .joined(separator: " ")
                    },
                ]
            )
        }
    }
}
