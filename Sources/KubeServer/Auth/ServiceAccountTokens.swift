internal import Crypto
internal import Foundation
internal import JWTKit
internal import KubeCore
internal import Synchronization

/// Issues and checks the tokens of service accounts (ES256).
final class ServiceAccountTokens: Sendable {
    let issuer: String
    /// Key set that verifies the tokens, as the issuer publishes it.
    let keySet: JSON
    private let keys: JWTKeyCollection
    private let keyID: String
    private let now: @Sendable () -> Int
    /// Tokens whose signature was found good; what changes with time is checked on every use.
    private let verified = Mutex<[String: ServiceAccountClaims]>([:])
    private static let cacheLimit = 4096

    static let minimumSeconds = 600
    static let maximumSeconds = 1 << 32

    init(
        signingKeyPEM: String,
        issuer: String,
        now: @escaping @Sendable () -> Int = { Int(Date().timeIntervalSince1970) }
    ) async throws {
        self.issuer = issuer
        self.now = now
        let key = try P256.Signing.PrivateKey(pemRepresentation: signingKeyPEM)
        let digest = SHA256.hash(data: key.publicKey.derRepresentation)
        keyID = Self.base64URL(digest)
        let point = key.publicKey.rawRepresentation
        keySet = [
            "keys": [
                [
                    "use": "sig", "kty": "EC", "kid": .string(keyID), "crv": "P-256", "alg": "ES256",
                    "x": .string(Self.base64URL(point.prefix(32))), "y": .string(Self.base64URL(point.suffix(32))),
                ]
            ]
        ]
        keys = JWTKeyCollection()
        await keys.add(ecdsa: try ES256PrivateKey(pem: signingKeyPEM), kid: JWKIdentifier(string: keyID))
    }

    private static func base64URL(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Signs a token; `seconds` becomes at least ten minutes.
    func issue(
        audiences: [String],
        seconds: Int,
        binding: ServiceAccountClaims.Binding
    ) async throws -> (token: String, claims: ServiceAccountClaims) {
        let issuedAt = now()
        let claims = ServiceAccountClaims(
            issuer: issuer,
            audiences: audiences.isEmpty ? [issuer] : audiences,
            issuedAt: issuedAt,
            expiresAt: issuedAt + min(max(seconds, Self.minimumSeconds), Self.maximumSeconds),
            identifier: UUID().uuidString.lowercased(),
            binding: binding
        )
        return (try await keys.sign(claims, kid: JWKIdentifier(string: keyID)), claims)
    }

    /// The claims of a token that this issuer signed and that is valid now; nil when it is not one.
    func verify(_ token: String) async -> ServiceAccountClaims? {
        let claims: ServiceAccountClaims
        if let known = verified.withLock({ $0[token] }) {
            claims = known
        } else {
            guard let checked = try? await keys.verify(token, as: ServiceAccountClaims.self), checked.iss == issuer
            else {
                return nil
            }
            claims = checked
            verified.withLock { cache in
                if cache.count >= Self.cacheLimit { cache.removeAll(keepingCapacity: true) }
                cache[token] = checked
            }
        }
        let time = now()
        // Ten seconds of slack, as upstream allows for clocks that differ.
        guard time < claims.exp, claims.nbf <= time + 10 else {
            verified.withLock { $0[token] = nil }
            return nil
        }
        return claims
    }
}
