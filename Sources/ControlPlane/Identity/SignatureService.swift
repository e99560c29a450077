internal import Crypto
internal import Foundation

/// Signs addresses of blobs so that they work without a token for a while.
///
/// The query looks like a shared access signature, but the string that is signed is our own.
struct SignatureService: Sendable {
    private let key: SymmetricKey

    init(secret: String) { key = SymmetricKey(data: Data(secret.utf8)) }

    struct Permission: Sendable {
        var canRead: Bool
        var canWrite: Bool
    }

    /// Query for a container (empty prefix), a folder (final slash) or one blob; permissions are `r` and `w`.
    ///
    /// Clients take addresses apart and keep only the parameters they know, so what is signed is said with those: `sr` and,
    /// for folders, their depth in `sdd`.
    func query(container: String, prefix: String, permissions: String, lifetime: Double) -> String {
        let expiry = rfc3339(nowSeconds() + lifetime)
        let signature = sign(container: container, prefix: prefix, permissions: permissions, expiry: expiry)
        let kind =
            prefix.isEmpty
            ? "c" : prefix.hasSuffix("/") ? "d&sdd=\(prefix.split(separator: "/").count)" : "b"
        return
            "sv=2024-11-04&sr=\(kind)&sp=\(permissions)&se=\(percentEncoded(expiry))&sig=\(percentEncoded(signature))"
    }

    /// What the signature in a query allows for this blob; nil when there is none or it does not fit.
    func permission(container: String, blob: String, query: RequestQuery) -> Permission? {
        guard let signature = query.rawValue("sig"), let permissions = query.rawValue("sp"),
            let expiry = query.rawValue("se"), let prefix = prefix(of: blob, query),
            let bytes = Data(base64Encoded: signature),
            HMAC<SHA256>.isValidAuthenticationCode(
                bytes,
                authenticating: text(container, prefix, permissions, expiry),
                using: key
            ),
            let end = epochSeconds(expiry), end > nowSeconds()
        else { return nil }
        return Permission(canRead: permissions.contains("r"), canWrite: permissions.contains("w"))
    }

    private func prefix(of blob: String, _ query: RequestQuery) -> String? {
        switch query["sr"] {
        case "c": return ""
        case "b": return blob
        case "d":
            let segments = blob.split(separator: "/", omittingEmptySubsequences: false)
            guard let depth = query["sdd"].flatMap({ Int($0) }), depth > 0, segments.count > depth else { return nil }
            return segments[..<depth].joined(separator: "/") + "/"
        default: return nil
        }
    }

    private func sign(container: String, prefix: String, permissions: String, expiry: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: text(container, prefix, permissions, expiry), using: key)
        return Data(code).base64EncodedString()
    }

    private func text(_ container: String, _ prefix: String, _ permissions: String, _ expiry: String) -> Data {
        Data([container, prefix, permissions, expiry].joined(separator: "\n").utf8)
    }
}

/// Random names and secrets.
enum RandomText {
    /// Lower-case hexadecimal digits.
    static func hex(_ bytes: Int) -> String {
        SymmetricKey(size: SymmetricKeySize(bitCount: bytes * 8)).withUnsafeBytes { hexadecimal($0) }
    }

    /// A key as users see it: 43 characters of base64url.
    static func secret() -> String {
        let data = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }
        return data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Hexadecimal SHA-256 of a text.
    static func sha256(_ text: String) -> String { hexadecimal(SHA256.hash(data: Data(text.utf8))) }

    static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// A random UUID in lower case.
    static func uuid() -> String { UUID().uuidString.lowercased() }

    /// A UUID that depends on the text alone.
    static func uuid(of text: String) -> String {
        let digits = Array(sha256(text))
        let parts = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
        return parts.map { String($0) }.joined(separator: "-")
    }
}
