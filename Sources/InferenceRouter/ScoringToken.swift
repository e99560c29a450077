internal import Crypto
internal import Foundation
internal import KubeCore
internal import Synchronization

/// Tokens of endpoints with auth mode `AMLToken`: HS256 JWTs over the endpoint's primary key, for scoring that endpoint only.
package enum ScoringToken {
    /// A judgement holds this long at most, so that a replaced key also ends connections that are kept open.
    static let longestVerdict = 60

    private static let longestToken = 4096
    private static let clockSkew = 60

    /// Judges a token by the endpoint's key at `now` (seconds since 1970).
    ///
    /// Pure. Nothing in the token is read before its signature is found good.
    package static func verify(
        _ token: String,
        endpoint: String,
        key: some Sequence<UInt8>,
        now: Int
    ) -> RouterConfiguration.TokenVerdict {
        let key = SymmetricKey(data: Array(key))
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, token.utf8.count <= longestToken, key.bitCount > 0,
            let signature = decode(parts[2]),
            HMAC<SHA256>.isValidAuthenticationCode(
                signature,
                authenticating: Data((parts[0] + "." + parts[1]).utf8),
                using: key
            ),
            let header = json(parts[0]), header["alg"] == "HS256", header["crit"] == nil,
            let claims = json(parts[1]), claims["aud"] == .string(endpoint), claims["scp"] == "score",
            let end = claims["exp"]?.intValue, end > now
        else { return .denied }
        if let start = claims["nbf"] {
            guard let start = start.intValue, start <= now + clockSkew else { return .denied }
        }
        return .allowed(seconds: min(end - now, longestVerdict))
    }

    private static func json(_ part: Substring) -> JSON? {
        decode(part).flatMap { try? JSON(parsing: $0) }
    }

    /// base64url without padding (RFC 7515).
    private static func decode(_ part: Substring) -> Data? {
        guard part.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "=") })
        else { return nil }
        var text = part.replacing("-", with: "+").replacing("_", with: "/")
        while text.utf8.count % 4 != 0 { text += "=" }
        return Data(base64Encoded: String(text))
    }
}

/// The keys with which tokens of endpoints are checked now; replaced as a whole.
package final class ScoringKeys: Sendable {
    private let keys = Mutex<[String: [UInt8]]>([:])

    package init() {}

    package func update(_ newKeys: [String: [UInt8]]) { keys.withLock { $0 = newKeys } }

    /// For `RouterConfiguration.verifyToken`.
    package func verify(endpoint: String, token: String) -> RouterConfiguration.TokenVerdict {
        guard let key = keys.withLock({ $0[endpoint] }) else { return .denied }
        return ScoringToken.verify(token, endpoint: endpoint, key: key, now: Int(Date.now.timeIntervalSince1970))
    }
}
