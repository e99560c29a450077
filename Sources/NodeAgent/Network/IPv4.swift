/// An IPv4 address.
package struct IPv4Address: Sendable, Hashable, Comparable, CustomStringConvertible, Codable {
    package var rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Reads dotted decimal text; nil when it is anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let octet = UInt8(part)
            else { return nil }
            value = value << 8 | UInt32(octet)
        }
        rawValue = value
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let address = IPv4Address(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no IPv4 address")
        }
        self = address
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    package var octets: [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: rawValue >> UInt32($0)) }
    }

    package var description: String { octets.map(String.init).joined(separator: ".") }

    package static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.rawValue < right.rawValue }
}

/// A range of addresses in CIDR form.
package struct IPv4Range: Sendable, Hashable, CustomStringConvertible, Codable {
    /// First address; its host bits are zero.
    package let base: IPv4Address
    package let prefixLength: Int

    package init(_ address: IPv4Address, prefixLength: Int) {
        let length = min(max(prefixLength, 0), 32)
        self.prefixLength = length
        base = IPv4Address(rawValue: address.rawValue & Self.mask(length))
    }

    /// Reads `10.0.0.0/16`; nil when it is anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPv4Address(parts[0]), let length = Int(parts[1]),
            (0...32).contains(length)
        else { return nil }
        self.init(address, prefixLength: length)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let range = IPv4Range(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no address range")
        }
        self = range
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    package var description: String { "\(base)/\(prefixLength)" }

    /// The address `offset` places after the first.
    package func address(_ offset: Int) -> IPv4Address {
        IPv4Address(rawValue: base.rawValue &+ UInt32(truncatingIfNeeded: offset))
    }

    package func contains(_ address: IPv4Address) -> Bool {
        address.rawValue & Self.mask(prefixLength) == base.rawValue
    }

    package func overlaps(_ other: IPv4Range) -> Bool {
        contains(other.base) || other.contains(base)
    }

    private static func mask(_ length: Int) -> UInt32 { length == 0 ? 0 : UInt32.max << UInt32(32 - length) }
}
