internal import Extension
internal import Foundation
internal import KubeClient
internal import KubeCore

/// What must hold of a cluster before an agent is put into it.
struct AgentPreflight {
    /// What is in the cluster already.
    struct Present: Sendable {
        var clusterID: String?
        var privateKeyPEM: String?
        var caPEM: String?
        var url: String?
    }

    static let oldestMinor = 27

    let access: ClusterAccess

    /// The agent's Secret, if there is one.
    func present() async throws -> Present? {
        guard
            let secret = try await access.api.find(
                .secrets,
                namespace: AgentManifests.namespace,
                name: AgentManifests.name
            )
        else { return nil }
        func text(_ key: String) -> String? {
            secret["data", key]?.stringValue.flatMap { Data(base64Encoded: $0) }
                .map { String(decoding: $0, as: UTF8.self) }
        }
        return Present(
            clusterID: text("cluster-id")?.trimmingCharacters(in: .whitespacesAndNewlines),
            privateKeyPEM: text("private.pem"),
            caPEM: text("ca.pem"),
            url: text("url")?.trimmingCharacters(in: .whitespacesAndNewlines)
        )
    }

    /// An agent that is just being removed must be gone, or its namespace would take the new one along.
    func waitForRemoval(_ progress: Progress, timeout: Duration = .seconds(120)) async throws {
        let start = ContinuousClock.now
        let name = AgentManifests.namespace
        while let namespace = try await access.api.find(.namespaces, name: name), namespace.isTerminating {
            progress.say("  waits for the end of namespace \(name)", about: "namespace")
            guard ContinuousClock.now - start < timeout else {
                let reason = [
                    "NamespaceContentRemaining", "NamespaceFinalizersRemaining", "NamespaceDeletionContentFailure",
                ]
                .compactMap { namespace.condition($0) }.first { $0["status"]?.stringValue == "True" }
                throw CommandError(
                    "namespace \(name) is still being deleted after \(timeout.components.seconds) s",
                    cause: reason?["message"]?.stringValue,
                    remedy: "see 'kubectl get namespace \(name) -o yaml'"
                )
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    /// Refuses a server that is too old; the digits in front count, for some providers write `36+`.
    func checkVersion() throws {
        let digits = access.version.minor.prefix { $0.isNumber }
        guard let minor = Int(digits), access.version.major == "1", minor < Self.oldestMinor else { return }
        throw CommandError(
            "the cluster runs Kubernetes \(access.version.gitVersion), which is too old",
            remedy: "upgrade it to 1.\(Self.oldestMinor) or newer"
        )
    }

    /// Refuses when the user may not make the objects, or may not grant what the agent gets.
    func checkRights(_ objects: [RenderedObject], granting rules: [AgentRule]) async throws {
        if try await access.isAllowed(.everything) { return }
        var missing = try await access.missing(AccessRight.applying(objects))
        if try await !access.isAllowed(.escalate) {
            // Without that verb, only rights that one has can be given away.
            missing += try await access.missing(AccessRight.granting(rules))
        }
        try Self.refuse(missing, server: access.configuration.server)
    }

    private static let shownTexts = 8

    static func refuse(_ missing: [AccessRight], server: String) throws(CommandError) {
        guard !missing.isEmpty else { return }
        let texts = AccessRight.texts(missing)
        let shown = texts.prefix(shownTexts).joined(separator: "; ")
        let more = texts.count > shownTexts ? "; and \(texts.count - shownTexts) more kinds" : ""
        throw CommandError(
            "the kubeconfig's user lacks \(missing.count) permission\(missing.count == 1 ? "" : "s") in \(server)",
            cause: "may not " + shown + more,
            remedy: "use a cluster administrator's kubeconfig, or grant these"
        )
    }

    /// Refuses a cluster without a node that runs the agent's image.
    static func checkNodes(_ nodes: [KubeObject]) throws(CommandError) {
        let fitting = nodes.filter {
            $0.labels["kubernetes.io/os"] == "linux" && $0.labels["kubernetes.io/arch"] == "amd64"
        }
        guard !fitting.isEmpty else {
            let kinds = Set(
                nodes.map {
                    "\($0.labels["kubernetes.io/os"] ?? "?")/\($0.labels["kubernetes.io/arch"] ?? "?")"
                }
            )
            throw CommandError(
                "the cluster has no linux/amd64 node",
                cause: nodes.isEmpty ? "it has no nodes" : "its nodes are " + kinds.sorted().joined(separator: ", "),
                remedy: "add a linux/amd64 node"
            )
        }
        guard fitting.contains(where: { $0.isConditionTrue("Ready") }) else {
            throw CommandError(
                "no linux/amd64 node of the cluster is ready",
                cause: fitting.map { "\($0.name): \($0.condition("Ready")?["message"]?.stringValue ?? "not ready")" }
                    .joined(separator: "; "),
                remedy: "look at 'kubectl describe nodes'"
            )
        }
    }

    /// Refuses a cluster that has an agent of another control plane, or under another name.
    func checkOthers(_ present: Present?, clusterID: String) async throws {
        if let other = present?.clusterID, other.lowercased() != clusterID.lowercased() {
            throw CommandError(
                "the cluster is connected already, as \(other)",
                remedy: "use that name, or run 'outrigger connectedk8s delete' for it first"
            )
        }
        let others = try await access.api.list(.deployments, namespace: AgentManifests.namespace).items
            .filter { $0.labels[AgentManifests.managedByLabel] != AgentManifests.managedBy }.map(\.name).sorted()
        guard others.isEmpty else {
            throw CommandError(
                "namespace \(AgentManifests.namespace) has the agents of another product: \(others.joined(separator: ", "))",
                remedy: "disconnect the cluster there first; two agents would undo each other's work"
            )
        }
    }
}
