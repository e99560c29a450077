internal import ControlPlaneAPI
internal import JWTKit

/// Tokens for endpoints of auth mode `AMLToken`: HS256 over the endpoint's primary key, so that the router can check them
/// with the Secret it has anyway.
enum ScoringTokens {
    static let lifetime = 3600

    static func make(endpoint: String, primaryKey: String, issuer: TokenIssuer) async throws -> String {
        var claims = issuer.blank(subject: "endpoint:" + endpoint, audience: endpoint, lifetime: lifetime)
        claims.scp = "score"
        let keys = await JWTKeyCollection().add(hmac: HMACKey(from: primaryKey), digestAlgorithm: .sha256)
        return try await keys.sign(claims)
    }
}
