internal import ControlPlaneAPI
internal import Crypto
internal import Foundation
internal import JWTKit
internal import KubeCore

/// What an agent signs to get a token.
struct AgentAssertion: JWTPayload {
    var iss: String
    var sub: String
    var aud: AudienceClaim
    var iat: Int
    var exp: Int
    var jti: String

    // The times are looked at with the control plane's clock, which may be another one in tests.
    func verify(using algorithm: some JWTAlgorithm) async throws {}
}

/// Gives tokens to agents that prove to hold the key of their cluster.
struct AgentSignIn: Sendable {
    /// Seconds.
    static let lifetime = 3600
    static let assertionLifetime = 300
    /// Seconds by which the clocks of the two sides may differ.
    static let skew = 60
    /// Assertions remembered for a cluster; more in five minutes are refused.
    static let remembered = 200
    /// End of the year 9999, in seconds since 1970; times beyond are no times, and sums of them would overflow.
    static let latest = 253_402_300_799

    let core: Core

    /// Exchanges an assertion for a token; each assertion is good once.
    ///
    /// - Throws: 401 with what is wrong, 429 when there are too many.
    func token(cluster id: String, assertion: String) async throws -> String {
        guard let entry = core.clusters.entry(resourceID: id), let stored = entry.id, let text = entry.agentKey else {
            throw ARMError.resourceNotFound(
                "Connected cluster",
                ARMName.last(id),
                remedy: "It was deleted or never registered; run 'outrigger connectedk8s connect'."
            )
        }
        let claims = try await verified(assertion, key: text, cluster: stored)
        let cluster = stored.lowercased()
        let now = Int(core.now)
        try check(claims, cluster: cluster, now: now)
        try await core.store.write { t in
            var state = try ClusterHeartbeats.state(t, cluster: cluster)
            var known = (state.hidden["assertions"]?.objectValue ?? [:]).filter { ($0.value.intValue ?? 0) > now }
            guard known[claims.jti] == nil else {
                throw AgentSignIn.refusal(cluster, "it was used before; sign a new one")
            }
            guard known.count < AgentSignIn.remembered else {
                throw ARMError(
                    429,
                    "TooManyRequests",
                    "Cluster '\(ARMName.last(stored))': its agent asked for \(known.count) tokens within five minutes; wait."
                )
            }
            known[claims.jti] = JSON(claims.exp + AgentSignIn.skew)
            state.hidden["assertions"] = .object(known)
            try t.put(&state)
        }
        return try await core.tokens.agentToken(
            cluster: cluster,
            registration: entry.registration,
            lifetime: AgentSignIn.lifetime
        )
    }

    private func verified(_ assertion: String, key text: String, cluster: String) async throws -> AgentAssertion {
        do {
            let key = try P256.Signing.PublicKey(derRepresentation: Data(base64Encoded: text) ?? Data())
            let keys = await JWTKeyCollection().add(ecdsa: try ES256PublicKey(pem: key.pemRepresentation))
            return try await keys.verify(assertion, as: AgentAssertion.self)
        } catch {
            throw AgentSignIn.refusal(
                cluster,
                "it is no ES256 token signed with the private key of the cluster as it is registered now; run 'outrigger connectedk8s connect' again to register the cluster with the agent's key"
            )
        }
    }

    private func check(_ claims: AgentAssertion, cluster: String, now: Int) throws {
        guard claims.iss.lowercased() == cluster, claims.sub.lowercased() == cluster else {
            throw AgentSignIn.refusal(
                cluster,
                "iss and sub are '\(claims.iss)' and '\(claims.sub)', not the cluster's id"
            )
        }
        guard claims.aud.value == [TokenIssuer.agentAudience] else {
            let audience = claims.aud.value.joined(separator: ", ")
            throw AgentSignIn.refusal(cluster, "aud is '\(audience)', not '\(TokenIssuer.agentAudience)'")
        }
        guard (1...128).contains(claims.jti.utf8.count) else {
            throw AgentSignIn.refusal(cluster, "jti has \(claims.jti.utf8.count) characters; 1 to 128 are allowed")
        }
        for (name, time) in [("iat", claims.iat), ("exp", claims.exp)] where !(0...AgentSignIn.latest).contains(time) {
            throw AgentSignIn.refusal(cluster, "\(name) is \(time), which is no time in seconds since 1970")
        }
        let lifetime = claims.exp - claims.iat
        guard lifetime > 0, lifetime <= AgentSignIn.assertionLifetime else {
            throw AgentSignIn.refusal(
                cluster,
                "it is good for \(lifetime) s; 1 to \(AgentSignIn.assertionLifetime) are allowed"
            )
        }
        guard claims.exp + AgentSignIn.skew > now, claims.iat - AgentSignIn.skew <= now else {
            throw ARMError(
                status: 401,
                error: ErrorDetail(
                    code: "AssertionOutOfTime",
                    message:
                        "The assertion of cluster '\(ARMName.last(cluster))' was signed at \(rfc3339(Double(claims.iat))) and ends at \(rfc3339(Double(claims.exp))), but here it is \(rfc3339(Double(now))). Set the cluster's clock.",
                    additionalInfo: [["serverTime": JSON(now)]]
                )
            )
        }
    }

    private static func refusal(_ cluster: String, _ reason: String) -> ARMError {
        ARMError(
            401,
            "AssertionRefused",
            "The assertion for cluster '\(ARMName.last(cluster))' is refused: \(reason)."
        )
    }
}
