internal import Crypto

/// The SHA-256 of an endpoint key: what the router keeps instead of the key.
package struct KeyDigest: Sendable, Hashable {
    private let digest: SHA256.Digest

    package init(of key: some Sequence<UInt8>) {
        digest = SHA256.hash(data: Array(key))
    }

    package init(of key: String) { self.init(of: key.utf8) }

    /// Comparison in constant time.
    package static func == (left: KeyDigest, right: KeyDigest) -> Bool { left.digest == right.digest }

    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}

/// Compares two secrets in a time that depends on their lengths only.
func constantTimeEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for index in 0..<left.count { difference |= left[index] ^ right[index] }
    return difference == 0
}
