internal import Crypto
internal import Foundation
internal import KubeCore

/// The key by which the agent of a connected cluster proves who it is (P-256).
package struct ClusterAgentKey: Sendable {
    private let key: P256.Signing.PrivateKey

    /// A new one.
    package init() { key = P256.Signing.PrivateKey() }

    /// - Throws: when the text is no P-256 private key in PEM.
    package init(pem: String) throws { key = try P256.Signing.PrivateKey(pemRepresentation: pem) }

    package var pem: String { key.pemRepresentation }

    /// The public half as `agentPublicKeyCertificate` takes it.
    package var publicKey: String { key.publicKey.derRepresentation.base64EncodedString() }

    /// A signed statement that the agent of `cluster` asks for a token.
    ///
    /// `now` is in seconds since 1970; the statement is good for `lifetime` seconds.
    package func assertion(
        cluster: String,
        audience: String = "outrigger-agent",
        now: Int,
        lifetime: Int = 120,
        id: String = UUID().uuidString
    ) throws -> String {
        let name = cluster.lowercased()
        let header: JSON = ["alg": "ES256", "typ": "JWT"]
        let claims: JSON = [
            "iss": .string(name), "sub": .string(name), "aud": .string(audience), "iat": JSON(now),
            "exp": JSON(now + lifetime), "jti": .string(id),
        ]
        let text = ClusterAgentKey.base64URL(header.bytes) + "." + ClusterAgentKey.base64URL(claims.bytes)
        let signature = try key.signature(for: Data(text.utf8))
        return text + "." + ClusterAgentKey.base64URL(Array(signature.rawRepresentation))
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

// A private key stays out of logs.
extension ClusterAgentKey: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "ClusterAgentKey" }
    package var debugDescription: String { description }
}
