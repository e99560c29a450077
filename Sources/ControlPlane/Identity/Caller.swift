/// Who sent a request.
struct Caller: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        /// Nobody has been identified; only open routes and signed blob addresses see this.
        case anonymous
        case user
        /// A job's run; limited to its own run, its artifacts and its inputs.
        case run(workspace: String, name: String)
        /// The pods of an online deployment; limited to reading their inputs.
        case deployment(id: String)
        /// The agent of a cluster; limited to the agent routes below that cluster's ARM id, given in lower case.
        /// `end`: when the token ends, in seconds since 1970.
        case agent(cluster: String, registration: String, end: Double)
    }

    var kind: Kind
    /// The token's subject, for records and blob grants.
    var subject: String

    static let anonymous = Caller(kind: .anonymous, subject: "")

    var isUser: Bool { kind == .user }

    /// The run this caller is limited to.
    var run: (workspace: String, name: String)? {
        if case .run(let workspace, let name) = kind { (workspace, name) } else { nil }
    }

    /// Subject of an agent's token.
    static func agentSubject(cluster: String) -> String { "agent:\(cluster.lowercased())" }
    /// Subject of a run's token.
    static func runSubject(workspace: String, name: String) -> String { "run:\(workspace)/jobs/\(name.lowercased())" }
    /// Subject of a deployment's token.
    static func deploymentSubject(id: String) -> String { "deployment:\(id.lowercased())" }
}
