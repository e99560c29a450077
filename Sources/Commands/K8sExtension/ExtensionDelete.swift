internal import ArgumentParser
internal import ControlPlaneClient
internal import KubeCore

extension K8sExtension {
    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes the extension.",
            discussion: """
                Everything that was installed goes; users' namespaces, jobs, endpoints and data stay, unless --purge is given. \
                An extension that does not exist is a warning, not an error.

                EXAMPLES
                  outrigger k8s-extension delete --name amlext --cluster-type connectedClusters --cluster-name local \\
                    --resource-group local --yes
                  outrigger k8s-extension delete --name amlext --cluster-type managedClusters --cluster-name gone \\
                    --resource-group ml --force --yes      # the cluster is no more
                """
        )
        @OptionGroup var target: ExtensionOptions
        @OptionGroup var waiting: WaitOptions
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Forget it even when the cluster cannot be reached.") var force = false
        @Flag(help: "Delete jobs and endpoints, and the definitions of their kinds, too.") var purge = false

        func run() async throws {
            _ = try target.cluster.kind()
            let cluster = target.cluster.clusterName
            try Confirmation.ask(
                purge
                    ? "Delete extension \(target.name) of cluster \(cluster) with all jobs and endpoints on it?"
                    : "Delete extension \(target.name) of cluster \(cluster)?",
                isGiven: yes
            )
            try await target.withSession { session, id in
                guard try await session.find(id) != nil else {
                    return Message.warning("extension \(target.name) does not exist on \(cluster): nothing to delete")
                }
                var query: [String: String] = [:]
                if force { query["forceDelete"] = "true" }
                if purge { query["purge"] = "true" }
                let answer = try await session.client.delete(id, query: query)
                guard !waiting.noWait, answer.status == 202 else { return }
                _ = try await ExtensionWait(session, id: id, seconds: waiting.timeout).end(of: answer)
            }
        }
    }
}
