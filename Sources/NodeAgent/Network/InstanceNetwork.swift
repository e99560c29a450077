internal import Foundation

/// The bridge, address ranges and packet filter table of one instance.
///
/// A value: the caller stores it with the instance.
///
/// Pods are not neighbours of each other on the bridge: each has a single address and reaches everything through the bridge's
/// own address, so that every packet passes this host's address translation whatever the kernel does with bridged frames.
package struct InstanceNetwork: Sendable, Hashable, Codable {
    /// Eight hexadecimal digits, one instance's own.
    package let id: String
    /// A /16.
    ///
    /// Node n has its n-th /24; the last /24 holds the addresses of load balancers.
    package let podCIDR: IPv4Range
    package let serviceCIDR: IPv4Range

    package init(id: String, podCIDR: IPv4Range, serviceCIDR: IPv4Range) {
        self.id = id
        self.podCIDR = podCIDR
        self.serviceCIDR = serviceCIDR
    }

    /// Name of the bridge.
    package var bridge: String { "or" + id }
    /// The bridge's address: default route and resolver of pods, and where the servers of the instance listen for them.
    package var gateway: IPv4Address { podCIDR.address(1) }
    /// Table of the nodes: masquerading and host ports.
    package var table: String { "outrigger_" + id }
    /// Table of the services.
    package var serviceTable: String { "outrigger_" + id + "_svc" }
    /// `kubernetes.default`'s address.
    package var firstServiceAddress: IPv4Address { serviceCIDR.address(1) }
    /// Where the addresses of services of type LoadBalancer come from.
    package var loadBalancerRange: IPv4Range { IPv4Range(podCIDR.address(255 << 8), prefixLength: 24) }

    /// How many nodes an instance can have.
    package static let maximumNodes = 250

    /// Range of the node with this index, from 0.
    package func nodeRange(_ index: Int) throws -> IPv4Range {
        guard (0..<Self.maximumNodes).contains(index) else {
            throw NodeAgentError(
                .networkUnavailable,
                "node \(index) has no address range: an instance has ranges for \(Self.maximumNodes) nodes",
                remedy: "use fewer nodes"
            )
        }
        return IPv4Range(podCIDR.address(index << 8), prefixLength: 24)
    }

    /// Picks ranges that nothing on this machine uses, different ones for different instances.
    ///
    /// `avoiding`: ranges that stopped instances or the user have taken.
    package static func choose(id: String, avoiding: [IPv4Range] = []) throws -> InstanceNetwork {
        guard id.utf8.count == 8, id.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else {
            throw NodeAgentError(
                .badRequest,
                "instance id '\(id)' is invalid: it must be 8 lower-case hexadecimal digits"
            )
        }
        let taken = avoiding + HostNetwork.usedRanges()
        guard let choice = choose(id: id, taken: taken) else {
            throw NodeAgentError(
                .networkUnavailable,
                "no private address range is free for this instance",
                remedy:
                    "remove a route that covers 10.0.0.0/8, 172.16.0.0/12 and 100.64.0.0/10, or stop another instance"
            )
        }
        return choice
    }

    /// The decision of `choose`: the first free pair of /16 ranges, starting at a place that depends on the id.
    static func choose(id: String, taken: [IPv4Range]) -> InstanceNetwork? {
        let start = Int(stableHash(id) % 64)
        var pairs = (0..<64).map { index in (10, 64 + 2 * ((start + index) % 64)) }
        pairs += stride(from: 20, to: 32, by: 2).map { (172, $0) }
        pairs += stride(from: 64, to: 128, by: 2).map { (100, $0) }
        for (first, second) in pairs {
            let base = IPv4Address(rawValue: UInt32(first) << 24 | UInt32(second) << 16)
            let both = IPv4Range(base, prefixLength: 15)
            guard !taken.contains(where: { $0.overlaps(both) }) else { continue }
            return InstanceNetwork(
                id: id,
                podCIDR: IPv4Range(base, prefixLength: 16),
                serviceCIDR: IPv4Range(both.address(1 << 16), prefixLength: 16)
            )
        }
        return nil
    }
}

/// What this machine's own network looks like.
enum HostNetwork {
    /// Ranges that have a route (the default route aside) and the addresses of resolvers.
    static func usedRanges() -> [IPv4Range] {
        routes(FileSystem.text("/proc/net/route") ?? "").filter { $0.prefixLength > 0 }
            + resolvers(FileSystem.text("/etc/resolv.conf") ?? "").map { IPv4Range($0, prefixLength: 32) }
    }

    /// Destinations in `/proc/net/route`, whose numbers are in host byte order.
    static func routes(_ text: String) -> [IPv4Range] {
        text.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            guard fields.count > 7, let destination = UInt32(fields[1], radix: 16),
                let mask = UInt32(fields[7], radix: 16)
            else { return nil }
            return IPv4Range(
                IPv4Address(rawValue: destination.byteSwapped),
                prefixLength: mask.nonzeroBitCount
            )
        }
    }

    static func resolvers(_ text: String) -> [IPv4Address] {
        directives("nameserver", text).compactMap { $0.first.flatMap { IPv4Address($0) } }
    }

    /// Search list; the last directive wins.
    static func searchDomains(_ text: String) -> [String] {
        (directives("search", text).last ?? directives("domain", text).last ?? []).filter { $0 != "." }
    }

    private static func directives(_ name: String, _ text: String) -> [[String]] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
            return words.first == name ? Array(words.dropFirst()) : nil
        }
    }

    /// MTU of the interface with the default route; 1500 when there is none.
    static func defaultMTU() -> Int {
        let lines = (FileSystem.text("/proc/net/route") ?? "").split(separator: "\n").dropFirst()
        for line in lines {
            let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            guard fields.count > 7, fields[1] == "00000000", fields[7] == "00000000",
                let text = FileSystem.text("/sys/class/net/\(fields[0])/mtu"),
                let mtu = Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
            else { continue }
            return mtu
        }
        return 1500
    }
}
