internal import Foundation
internal import JWTKit

/// What our tokens say; the names are Microsoft's where clients read them.
struct AccessClaims: JWTPayload {
    var iss: String
    var sub: String
    var aud: String
    var exp: Int
    var iat: Int
    var nbf: Int
    var tid: String
    var oid: String?
    var appid: String?
    /// `run`, `deployment`, `agent` or `relay` for tokens that open little.
    var scp: String?
    /// Lower-case workspace id of a run's token, or the id of the deployment or cluster; of a relay's, the cluster's key.
    var resource: String?
    /// Job name of a run's token.
    var run: String?
    /// Of agents and relays: which registration of the cluster it was given to.
    var registration: String?
    var idtyp: String?
    var ver: String?

    func verify(using algorithm: some JWTAlgorithm) async throws {
        let now = Int(nowSeconds())
        guard exp > now else { throw TokenProblem.expired }
        guard nbf <= now + 60 else { throw TokenProblem.notYetValid }
    }
}

enum TokenProblem: Error { case expired, notYetValid, wrongAudience }

/// Signs and checks the instance's tokens (ES256).
final class TokenIssuer: Sendable {
    private let keys: JWTKeyCollection
    private let issuer: String
    private let tenant: String

    init(signingKeyPEM: String, issuer: String, tenant: String) async throws {
        let key = try ES256PrivateKey(pem: signingKeyPEM)
        keys = await JWTKeyCollection().add(ecdsa: key, kid: "1")
        self.issuer = issuer
        self.tenant = tenant
    }

    /// A user's token.
    func userToken(clientID: String, audience: String, lifetime: Int) async throws -> String {
        var claims = blank(subject: clientID, audience: audience, lifetime: lifetime)
        claims.appid = clientID
        return try await sign(claims)
    }

    /// A token limited to one run.
    func runToken(workspace: String, name: String, audience: String, lifetime: Int) async throws -> String {
        var claims = blank(
            subject: Caller.runSubject(workspace: workspace, name: name),
            audience: audience,
            lifetime: lifetime
        )
        claims.scp = "run"
        claims.resource = workspace
        claims.run = name
        return try await sign(claims)
    }

    /// A token limited to what one deployment reads.
    func deploymentToken(id: String, audience: String, lifetime: Int) async throws -> String {
        var claims = blank(subject: Caller.deploymentSubject(id: id), audience: audience, lifetime: lifetime)
        claims.scp = "deployment"
        claims.resource = id.lowercased()
        return try await sign(claims)
    }

    /// A token limited to the agent routes of one cluster.
    func agentToken(cluster: String, registration: String, lifetime: Int) async throws -> String {
        var claims = blank(
            subject: Caller.agentSubject(cluster: cluster),
            audience: TokenIssuer.agentAudience,
            lifetime: lifetime
        )
        claims.scp = "agent"
        claims.resource = cluster.lowercased()
        claims.registration = registration
        return try await sign(claims)
    }

    /// A token that opens a cluster's tunnel and no route; `cluster` is the cluster's key.
    func relayToken(cluster: String, registration: String = "", lifetime: Int) async throws -> String {
        var claims = blank(subject: "relay:" + cluster, audience: TokenIssuer.relayAudience, lifetime: lifetime)
        claims.scp = "relay"
        claims.resource = cluster
        claims.registration = registration
        return try await sign(claims)
    }

    /// The cluster's key in a relay's token, and how many seconds the token is still good for.
    ///
    /// - Throws: when the token is not a relay's, not ours, is altered or has expired.
    func relayCluster(of token: String) async throws -> (cluster: String, registration: String, expires: Int) {
        let claims = try await keys.verify(token, as: AccessClaims.self)
        guard claims.scp == "relay", claims.aud == TokenIssuer.relayAudience, let cluster = claims.resource else {
            throw TokenProblem.wrongAudience
        }
        return (cluster, claims.registration ?? "", claims.exp - Int(nowSeconds()))
    }

    static let agentAudience = "outrigger-agent"
    static let relayAudience = "outrigger-relay"

    /// A token for scoring an endpoint, with only the claims given.
    func sign(_ claims: AccessClaims) async throws -> String { try await keys.sign(claims, kid: "1") }

    func blank(subject: String, audience: String, lifetime: Int) -> AccessClaims {
        let now = Int(nowSeconds())
        return AccessClaims(
            iss: issuer,
            sub: subject,
            aud: audience,
            exp: now + lifetime,
            iat: now,
            nbf: now - 5,
            tid: tenant,
            oid: subject,
            idtyp: "app",
            ver: "2.0"
        )
    }

    /// The caller behind a token.
    ///
    /// - Throws: when the token is not ours, is altered or has expired.
    func caller(of token: String) async throws -> Caller {
        let claims = try await keys.verify(token, as: AccessClaims.self)
        switch claims.scp {
        case "run":
            return Caller(
                kind: .run(workspace: claims.resource ?? "", name: claims.run ?? ""),
                subject: claims.sub
            )
        case "deployment": return Caller(kind: .deployment(id: claims.resource ?? ""), subject: claims.sub)
        case "agent" where claims.aud == TokenIssuer.agentAudience:
            return Caller(
                kind: .agent(
                    cluster: claims.resource ?? "",
                    registration: claims.registration ?? "",
                    end: Double(claims.exp)
                ),
                subject: claims.sub
            )
        case nil: return Caller(kind: .user, subject: claims.sub)
        default: throw TokenProblem.wrongAudience
        }
    }
}
