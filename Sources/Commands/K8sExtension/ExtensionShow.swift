internal import ArgumentParser
internal import KubeCore

extension K8sExtension {
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows the extension with the state of its components.",
            discussion: """
                The exit status is 3 when there is no such extension. With --wait it is shown when nothing is under way any \
                more, with status 1 when that ended badly.

                EXAMPLES
                  outrigger k8s-extension show --name amlext --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local --wait --output table
                """
        )
        @OptionGroup var target: ExtensionOptions
        @OptionGroup var output: OutputOptions
        @Flag(help: "Wait until nothing is under way, showing each component's progress.") var wait = false
        @Option(help: ArgumentHelp("How long --wait waits, in seconds.", valueName: "seconds")) var timeout: Int = 3600

        func validate() throws {
            guard timeout > 0 else { throw ValidationError("--timeout \(timeout): must be more than 0 seconds") }
        }

        func run() async throws {
            let resource = try await target.withSession { session, id in
                wait ? try await ExtensionWait(session, id: id, seconds: timeout).settled() : try await session.get(id)
            }
            try output.output.write(ExtensionView.view(resource), columns: ExtensionView.columns)
            let state = resource["properties"]?["provisioningState"]?.stringValue ?? ""
            if wait, state != "Succeeded" {
                let error = resource["properties"]?["errorInfo"]?["message"]?.stringValue
                throw CommandError("extension \(target.name) is \(state)", cause: error)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the extensions of a cluster.",
            discussion: """
                EXAMPLES
                  outrigger k8s-extension list --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local --output table
                """
        )
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let values = try await cluster.withSession { session, collection in try await session.list(collection) }
            try output.output.write(.array(values.map(ExtensionView.view)), columns: ExtensionView.columns)
        }
    }
}
