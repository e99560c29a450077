internal import ControlPlaneAPI
internal import KubeCore

/// Tokens with which the relay of a cluster opens its tunnel.
enum RelayCredentials {
    /// Seconds; agents renew long before.
    static let lifetime = 3600

    /// `cluster` is the ARM id of the cluster, in any case.
    static func issue(core: Core, cluster: String) async throws -> AgentCredential {
        guard let entry = core.clusters.entry(resourceID: cluster) else {
            throw ARMError.resourceNotFound("Cluster", ARMName.last(cluster))
        }
        let token = try await core.tokens.relayToken(
            cluster: entry.target.key,
            registration: entry.registration,
            lifetime: lifetime
        )
        return AgentCredential(token: token, expiresIn: lifetime)
    }

    /// The key of the cluster whose tunnel the token opens and the seconds for which it does; nil when it opens none.
    ///
    /// Tokens of a cluster that has been deleted or registered anew open nothing.
    static func grant(
        _ token: String,
        tokens: TokenIssuer,
        clusters: ClusterDirectory
    ) async -> (cluster: String, seconds: Int)? {
        guard let claims = try? await tokens.relayCluster(of: token),
            clusters.entry(key: claims.cluster)?.registration == claims.registration
        else { return nil }
        return (claims.cluster, claims.expires)
    }
}
