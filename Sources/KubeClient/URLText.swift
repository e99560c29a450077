/// Addresses as text.
enum URLText {
    /// The parts of an address that name a server.
    struct Parts: Sendable, Hashable {
        var scheme: String
        /// Without brackets.
        var host: String
        var port: Int?
        /// With its leading slash, or empty.
        var path: String

        init?(_ text: String) {
            guard let separator = text.firstRange(of: "://") else { return nil }
            scheme = text[..<separator.lowerBound].lowercased()
            let rest = text[separator.upperBound...]
            let slash = rest.firstIndex(of: "/") ?? rest.endIndex
            path = String(rest[slash...])
            var authority = rest[..<slash]
            if let at = authority.lastIndex(of: "@") { authority = authority[authority.index(after: at)...] }
            if authority.hasPrefix("[") {
                guard let end = authority.firstIndex(of: "]") else { return nil }
                host = String(authority[authority.index(after: authority.startIndex)..<end])
                authority = authority[authority.index(after: end)...]
            } else {
                let colon = authority.firstIndex(of: ":") ?? authority.endIndex
                host = String(authority[..<colon])
                authority = authority[colon...]
            }
            guard !host.isEmpty else { return nil }
            if authority.hasPrefix(":") {
                guard let number = Int(authority.dropFirst()), (1...65535).contains(number) else { return nil }
                port = number
            }
        }
    }

    /// Percent-encodes everything but RFC 3986's unreserved characters.
    static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
