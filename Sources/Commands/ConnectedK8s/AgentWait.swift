internal import Extension
internal import KubeClient
internal import KubeCore

/// Waits until the control plane hears of an agent, telling what holds it up.
struct AgentWait {
    let session: ARMSession
    let access: ClusterAccess
    let clusterID: String
    let timeout: Duration
    /// Hears again after this, when it was connected before.
    var since: String?

    /// The connected cluster.
    func connected() async throws -> JSON {
        let start = ContinuousClock.now
        let name = Views.lastComponent(clusterID)
        while true {
            let resource = try await session.get(clusterID)
            let pod = try await readiness()
            let state = resource["properties"]?["connectivityStatus"]?.stringValue ?? "Connecting"
            if state == "Connected", pod.isReady { return resource }
            session.progress.say("  \(AgentManifests.name): \(pod.message)", about: AgentManifests.name)
            session.progress.say("\(name): \(state)", about: name)
            guard ContinuousClock.now - start < timeout else {
                throw CommandError(
                    "cluster \(name) is still \(state) after \(timeout.components.seconds) s; the agent goes on trying",
                    cause: await cause(pod),
                    remedy: "see 'kubectl logs -n \(AgentManifests.namespace) deployment/\(AgentManifests.name)'"
                )
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private func readiness() async throws -> ComponentReadiness {
        let namespace = AgentManifests.namespace
        let deployment = try await access.api.find(.deployments, namespace: namespace, name: AgentManifests.name)
        return ComponentReadiness.evaluate(
            name: AgentManifests.name,
            deployment: deployment,
            pods: try await pods()
        )
    }

    private func pods() async throws -> [KubeObject] {
        try await access.api.list(
            .pods,
            namespace: AgentManifests.namespace,
            options: ListOptions(labelSelector: "app.kubernetes.io/name=" + AgentManifests.name)
        ).items
    }

    /// The pod's trouble and the last lines that the agent wrote.
    private func cause(_ pod: ComponentReadiness) async -> String {
        // What cannot be read now must not hide the time-out itself.
        let lines = (try? await lastLines()) ?? []
        return ([pod.message] + lines.map { "  " + $0 }).joined(separator: "\n")
    }

    private func lastLines() async throws -> [String] {
        guard let pod = try await pods().first(where: { !$0.isTerminating }) else { return [] }
        var options = PodLogOptions()
        options.tailLines = 5
        var bytes: [UInt8] = []
        for try await chunk in try await access.api.podLogs(
            namespace: AgentManifests.namespace,
            name: pod.name,
            options: options
        ) {
            bytes += chunk
            guard bytes.count < 1 << 16 else { break }
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(5).map(String.init)
    }
}
