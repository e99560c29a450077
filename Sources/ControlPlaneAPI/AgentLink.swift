package import KubeCore

/// Everything the control plane wants of the agent of one cluster; each is the whole, not a change.
package struct AgentWork: Codable, Sendable, Hashable {
    package var extensions: [DesiredExtension]
    /// Questions without an answer yet, oldest first.
    package var requests: [AgentRequest]

    package init(extensions: [DesiredExtension] = [], requests: [AgentRequest] = []) {
        self.extensions = extensions
        self.requests = requests
    }
}

/// A question about the cluster, answered once; asking again with the same id is the same question.
package struct AgentRequest: Codable, Sendable, Hashable {
    package enum Kind: String, Codable, Sendable {
        /// Health checks for `operation`; answers a health report.
        case check
        /// What installing `desired` would change; answers the changes, object by object.
        case preview
        /// The component table for `desired`, with live state.
        case components
        /// Texts to look into, by file name, without secrets.
        case diagnose
    }

    package var id: String
    package var kind: Kind
    /// `install`, `upgrade`, `rollback` or `delete`; only `check` looks at it.
    package var operation: String
    /// The extension in question, with the settings to look at; need not be stored.
    package var desired: DesiredExtension

    package init(id: String, kind: Kind, operation: String = "install", desired: DesiredExtension) {
        self.id = id
        self.kind = kind
        self.operation = operation
        self.desired = desired
    }
}

/// The answer to an `AgentRequest`: a result or an error.
package struct AgentAnswer: Codable, Sendable, Hashable {
    package var id: String
    package var result: JSON?
    package var error: ErrorDetail?

    package init(id: String, result: JSON) {
        self.id = id
        self.result = result
    }

    package init(id: String, error: ErrorDetail) {
        self.id = id
        self.error = error
    }
}

/// What an agent says of its cluster, now and then.
package struct ClusterHeartbeat: Codable, Sendable, Hashable {
    package var kubernetesVersion: String
    /// Name of the distribution, such as `aks`, `k3s`, `kind`, `openshift`, `outrigger` or `generic`.
    package var distribution: String
    package var nodeCount: Int
    /// Version of the agent.
    package var agentVersion: String

    package init(kubernetesVersion: String, distribution: String, nodeCount: Int, agentVersion: String) {
        self.kubernetesVersion = kubernetesVersion
        self.distribution = distribution
        self.nodeCount = nodeCount
        self.agentVersion = agentVersion
    }
}

/// A token with its end, for parts that the agent supplies with it.
package struct AgentCredential: Codable, Sendable, Hashable {
    package var token: String
    /// Seconds from now.
    package var expiresIn: Int

    package init(token: String, expiresIn: Int) {
        self.token = token
        self.expiresIn = expiresIn
    }
}

extension AgentCredential: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "AgentCredential(expires in \(expiresIn) s)" }
    package var debugDescription: String { description }
}

/// The way between the control plane and the extension agent of one cluster.
package protocol ExtensionLink: Sendable {
    /// What is wanted: the present state first, then the whole after each change. Slow readers get the newest only.
    func work() async -> AsyncStream<AgentWork>
    /// Stores a report; repeating one changes nothing.
    func report(_ report: ExtensionReport) async throws
    /// Stores an answer; repeating one, or answering what nobody asks any more, changes nothing.
    func answer(_ answer: AgentAnswer) async throws
    /// Says that the agent is there.
    func heartbeat(_ heartbeat: ClusterHeartbeat) async throws
    /// A token with which the cluster's relay opens its tunnel to the control plane.
    func relayCredential() async throws -> AgentCredential
    /// The objects of a third-party component's pinned release; nil when the control plane has no bundle of it.
    func bundle(_ component: String, version: String) async throws -> [JSON]?
}
