internal import Foundation

/// An IPv4 or IPv6 address, compared by value and not by spelling.
struct IPAddress: Hashable, CustomStringConvertible {
    /// 4 or 16.
    let octets: [UInt8]

    /// nil for any other number of octets.
    init?(octets: [UInt8]) {
        guard octets.count == 4 || octets.count == 16 else { return nil }
        self.octets = octets
    }

    /// nil when the text is no address.
    init?(_ text: String) {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            octets = withUnsafeBytes(of: &four) { Array($0) }
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        octets = withUnsafeBytes(of: &six) { Array($0) }
    }

    var isVersion6: Bool { octets.count == 16 }

    var description: String {
        guard isVersion6 else { return octets.map(String.init).joined(separator: ".") }
        return stride(from: 0, to: 16, by: 2).map { index in
            String(UInt16(octets[index]) << 8 | UInt16(octets[index + 1]), radix: 16)
        }.joined(separator: ":")
    }
}
