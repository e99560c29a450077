internal import KubeCore
internal import NIOCore
internal import NIOHTTP1

/// One request with its whole body.
struct ServerRequest: Sendable {
    var method: HTTPMethod
    /// Decoded, without the query.
    var path: String
    var query: RequestQuery
    /// As sent, query included.
    var uri: String
    var headers: HTTPHeaders
    var body: [UInt8]
    /// The body of a request that is passed on; `body` is then empty.
    var stream: BodyStream?
    /// Who the client's certificate says it is.
    var certificateUser: RequestUser?
    /// The peer's address, for messages and logs only.
    var peer: String

    var bearerToken: String? {
        guard let header = headers.first(name: "Authorization") else { return nil }
        let parts = header.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return parts[1].trimmingSpaces()
    }

    /// The client wants to leave HTTP on this connection.
    var isUpgrade: Bool {
        headers[canonicalForm: "Connection"].contains { $0.lowercased() == "upgrade" }
            && headers.contains(name: "Upgrade")
    }
}

extension StringProtocol {
    /// Without the spaces and tabs at both ends.
    func trimmingSpaces() -> String {
        var text = self[...]
        while let first = text.first, first == " " || first == "\t" { text = text.dropFirst() }
        while let last = text.last, last == " " || last == "\t" { text = text.dropLast() }
        return String(text)
    }
}

/// The parameters behind the question mark, in order; names may repeat.
struct RequestQuery: Sendable, Hashable {
    private(set) var items: [Item] = []

    struct Item: Sendable, Hashable {
        var name: String
        var value: String
    }

    init() {}

    init(_ text: some StringProtocol) {
        for part in text.split(separator: "&", omittingEmptySubsequences: true) {
            let equals = part.firstIndex(of: "=") ?? part.endIndex
            let value = equals < part.endIndex ? part[part.index(after: equals)...] : ""
            items.append(
                Item(
                    name: PercentText.decode(part[..<equals], plusIsSpace: true),
                    value: PercentText.decode(value, plusIsSpace: true)
                )
            )
        }
    }

    /// The first value; nil when the parameter is missing.
    subscript(name: String) -> String? { items.first { $0.name == name }?.value }

    func all(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }

    /// The value, nil also when it is empty.
    func text(_ name: String) -> String? { self[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// Present and not `0` or `false`.
    func flag(_ name: String) -> Bool? {
        guard let value = self[name] else { return nil }
        return value != "false" && value != "0"
    }

    /// - Throws: 400 when the value is no integer.
    func integer(_ name: String) throws(APIError) -> Int? {
        guard let value = text(name) else { return nil }
        guard let number = Int(value) else {
            throw .badRequest("strconv.ParseInt: parsing \"\(value)\": invalid syntax")
        }
        return number
    }
}

/// Percent encoding in paths and queries.
enum PercentText {
    static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String {
        let bytes = Array(text.utf8)
        guard bytes.contains(where: { $0 == UInt8(ascii: "%") || (plusIsSpace && $0 == UInt8(ascii: "+")) }) else {
            return String(text)
        }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = digit(bytes[index + 1]),
                let low = digit(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(plusIsSpace && bytes[index] == UInt8(ascii: "+") ? UInt8(ascii: " ") : bytes[index])
                index += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    /// Encodes everything but unreserved characters and slashes.
    static func encodePath(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
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

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
