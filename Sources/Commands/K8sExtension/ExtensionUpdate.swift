internal import ArgumentParser
internal import ControlPlaneClient
internal import KubeCore

extension K8sExtension {
    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes settings or version; what is not given stays.",
            discussion: """
                Asks once in general, and once more when running jobs or endpoints are disturbed; --yes answers both. An empty \
                value (KEY=) takes a setting back.

                EXAMPLES
                  outrigger k8s-extension update --name amlext --config inferenceRouterHA=False --cluster-type \\
                    connectedClusters --cluster-name local --resource-group local --yes
                  outrigger k8s-extension update --name amlext --config nodeSelector.pool=ml --cluster-type \\
                    connectedClusters --cluster-name local --resource-group local --dry-run
                """
        )
        @OptionGroup var target: ExtensionOptions
        @OptionGroup var settings: SettingsOptions
        @OptionGroup var versioning: CreateVersionOptions
        @OptionGroup var waiting: WaitOptions
        @OptionGroup var view: ViewOptions
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Go back to what was there when the change does not become ready.") var atomic = false
        @Flag(help: "Show what would change and the health checks; change nothing.") var dryRun = false

        func run() async throws {
            _ = try target.cluster.kind()
            let given = try settings.read()
            let request = ExtensionRequest(versioning: try versioning.read(), settings: given)
            guard !given.isEmpty || !request.versioning.isEmpty else {
                throw CommandError(
                    "nothing to change was given",
                    remedy: "add --config KEY=VALUE, --version, --release-train or --auto-upgrade",
                    exitStatus: 2
                )
            }
            if !dryRun {
                try Confirmation.ask(UpdateEffects.general, isGiven: yes)
                let all = given.plain.merging(given.protected) { plain, _ in plain }
                if let question = UpdateEffects.question(all) { try Confirmation.ask(question, isGiven: yes) }
            }
            try await target.withSession { session, id in
                if dryRun {
                    let result = try await session.operate(
                        id + "/preview",
                        request.updateBody,
                        query: ExtensionQuery.preview("update", given, isAtomic: atomic),
                        what: "the preview of \(target.name)"
                    )
                    return try Preview.write(result, name: target.name, as: view.output)
                }
                let answer = try await session.client.patch(
                    id,
                    request.updateBody,
                    query: ExtensionQuery.change(given, isAtomic: atomic)
                )
                let result =
                    waiting.noWait
                    ? answer.body
                    : try await ExtensionWait(session, id: id, seconds: waiting.timeout).end(of: answer) ?? answer.body
                try (view.output ?? .json).write(ExtensionView.view(result), columns: ExtensionView.columns)
            }
        }
    }
}
