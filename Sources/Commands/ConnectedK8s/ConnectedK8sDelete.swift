internal import ArgumentParser
internal import Extension
internal import KubeClient
internal import KubeCore

extension ConnectedK8s {
    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Disconnects a cluster: takes the agent out of it and forgets it.",
            discussion: """
                Needs the cluster's kubeconfig. A cluster with extensions is refused, for nobody could remove them later. \
                With --force the extensions are forgotten too, and a cluster that does not answer is no obstacle.

                EXAMPLES
                  outrigger connectedk8s delete --name edge --resource-group ml --kube-config edge.yaml --yes
                  outrigger connectedk8s delete --name edge --resource-group ml --force --yes   # the cluster is no more
                """
        )
        @OptionGroup var cluster: NamedCluster
        @OptionGroup var kube: KubeConfigOptions
        @Flag(name: [.short, .long], help: "Do not ask.") var yes = false
        @Flag(help: "Although extensions are on it, or the cluster is gone.") var force = false
        @Flag(help: "Do not wait for the end.") var noWait = false

        func run() async throws {
            try Confirmation.ask("Disconnect cluster \(cluster.name)?", isGiven: yes)
            try await cluster.withSession(.connected) { session, id in
                let isKnown = try await session.find(id) != nil
                if isKnown {
                    try await cluster.refuseExtensions(session, id, isForced: force)
                } else {
                    Message.warning("cluster \(cluster.name) is not known to the control plane")
                }
                let isReached = try await checkCluster(id)
                // The control plane may refuse, so it is asked before anything is taken out of the cluster.
                if isKnown { try await session.delete(id, query: force ? ["force": "true"] : [:], waits: !noWait) }
                if isReached { try await removeAgent(session, id) }
            }
        }

        /// Whether the agent can be removed; with --force a cluster that is gone, or another one, is no obstacle.
        private func checkCluster(_ id: String) async throws -> Bool {
            do {
                try await ClusterAccess.with(try kube.load()) { access in
                    _ = try await AgentRemoval(access: access).plan(clusterID: id)
                }
                return true
            } catch let error as CommandError where force {
                Message.warning("the agent is not removed: \(error.message)")
                return false
            } catch let error as CommandError {
                throw CommandError(
                    error.message,
                    cause: error.cause,
                    remedy: (error.remedy.map { $0 + ", or " } ?? "") + "add --force when the cluster is gone",
                    exitStatus: error.exitStatus
                )
            }
        }

        private func removeAgent(_ session: ARMSession, _ id: String) async throws {
            do {
                try await ClusterAccess.with(try kube.load()) { access in
                    let removal = AgentRemoval(access: access)
                    try await removal.run(try await removal.plan(clusterID: id), session.progress)
                    if !noWait { try await AgentPreflight(access: access).waitForRemoval(session.progress) }
                }
            } catch let error as CommandError {
                throw CommandError(
                    "the control plane has forgotten cluster \(cluster.name), but its agent is still there",
                    cause: error.message,
                    remedy: "run the same command again to finish"
                )
            }
        }
    }
}

/// Takes an agent out of its cluster.
struct AgentRemoval {
    let access: ClusterAccess

    /// What to remove, last first.
    ///
    /// - Throws: `CommandError` when this is another cluster, or the user may not.
    func plan(clusterID: String) async throws -> [RenderedObject] {
        let present = try await AgentPreflight(access: access).present()
        if let other = present?.clusterID, other.lowercased() != clusterID.lowercased() {
            throw CommandError(
                "the kubeconfig's cluster is another one: it is connected as \(other)",
                remedy: "name the right one with --kube-config or --kube-context"
            )
        }
        let manifests = AgentManifests(
            identity: .init(clusterID: clusterID, url: "", caPEM: "", privateKeyPEM: ""),
            image: "",
            rules: []
        )
        let objects = Array(manifests.objects().reversed())
        if try await !access.isAllowed(.everything) {
            try AgentPreflight.refuse(
                try await access.missing(AccessRight.deleting(objects)),
                server: access.configuration.server
            )
        }
        return objects
    }

    func run(_ objects: [RenderedObject], _ progress: Progress) async throws {
        var removed = 0
        for object in objects where try await isOurs(object) {
            if object.type == .namespaces, try await hasOthers() { continue }
            let key = object.object.key
            // The namespace goes last, and with it whatever is left of the pod.
            let options = DeleteOptions(propagation: .background)
            if try await access.api.deleteIfPresent(object.type, key, options: options) {
                removed += 1
                progress.say("  removed \(object.reference)")
            }
        }
        if removed == 0 { Message.warning("the cluster at \(access.configuration.server) has no agent of ours") }
    }

    /// Only what carries our label is touched.
    private func isOurs(_ object: RenderedObject) async throws -> Bool {
        let key = object.object.key
        let found = try await access.api.find(object.type, namespace: key.namespace, name: key.name)
        return found?.labels[AgentManifests.managedByLabel] == AgentManifests.managedBy
    }

    private func hasOthers() async throws -> Bool {
        let namespace = AgentManifests.namespace
        for type in [ResourceType.deployments, .daemonSets, .statefulSets] {
            let others = try await access.api.list(type, namespace: namespace).items.filter {
                $0.labels[AgentManifests.managedByLabel] != AgentManifests.managedBy
            }
            if !others.isEmpty { return true }
        }
        return false
    }
}
