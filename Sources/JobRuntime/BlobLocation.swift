/// Address of a blob or of a folder of blobs on the control plane.
///
/// Shapes: `https://HOST/ACCOUNT.blob.SUFFIX/CONTAINER/PATH` and `https://HOST/CONTAINER/PATH`; a folder ends in `/`.
struct BlobLocation: Sendable, Hashable {
    /// URL up to and with the container, no trailing slash.
    var containerURL: String
    /// Path in the container, percent-encoded as it came.
    var path: String
    /// Query without `?`, such as a SAS; empty when none.
    var query: String

    var isFolder: Bool { path.isEmpty || path.hasSuffix("/") }

    init(_ uri: String) throws(JobRuntimeError) {
        let parts = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let base = parts.first.map(String.init) ?? ""
        query = parts.count > 1 ? String(parts[1]) : ""
        guard let scheme = base.firstRange(of: "://"), let slash = base[scheme.upperBound...].firstIndex(of: "/") else {
            throw JobRuntimeError(.badConfiguration, "\"\(uri)\" is not a URL with a path")
        }
        let segments = base[base.index(after: slash)...].split(separator: "/", omittingEmptySubsequences: false)
        let containerCount = segments.first?.contains(".blob.") == true ? 2 : 1
        guard segments.count > containerCount else {
            throw JobRuntimeError(.badConfiguration, "\"\(uri)\" names no container and path")
        }
        containerURL = base[..<slash] + "/" + segments.prefix(containerCount).joined(separator: "/")
        path = segments.dropFirst(containerCount).joined(separator: "/")
    }

    /// URL of the blob `name` (not encoded) in this container.
    func url(of name: String, query extra: String = "") -> String {
        let queries = [extra, query].filter { !$0.isEmpty }.joined(separator: "&")
        let address = containerURL + "/" + Self.encode(name)
        return queries.isEmpty ? address : address + "?" + queries
    }

    /// The path with percent-encoding undone.
    var decodedPath: String {
        var bytes: [UInt8] = []
        var rest = Array(path.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Percent-encodes everything but unreserved characters and `/` (RFC 3986).
    static func encode(_ path: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in path.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: "/"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
