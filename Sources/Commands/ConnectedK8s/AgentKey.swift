internal import ControlPlaneClient

/// The key pair that `connect` makes for an agent, or finds in the cluster.
struct AgentKey: Sendable {
    private let key: ClusterAgentKey

    /// A new pair.
    init() { key = ClusterAgentKey() }

    /// The pair of a PEM private key.
    init(pem: String) throws(CommandError) {
        do {
            key = try ClusterAgentKey(pem: pem)
        } catch {
            throw CommandError(
                "the agent's key in the cluster cannot be read",
                cause: "\(error)",
                remedy: "connect again with --rotate-key"
            )
        }
    }

    var privatePEM: String { key.pem + "\n" }

    /// What ARM calls `agentPublicKeyCertificate`.
    var publicKeyText: String { key.publicKey }
}
