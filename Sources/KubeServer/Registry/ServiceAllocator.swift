internal import KubeCore
internal import Synchronization

/// Keeps service addresses and node ports unique.
///
/// Filled from the stored services at start; services change only through
/// the registry, so that it stays true.
final class ServiceAllocator: Sendable {
    private struct State {
        /// Address or port to the `namespace/name` of the service that has it.
        var addresses: [UInt32: String] = [:]
        var ports: [Int: String] = [:]
        var nextAddress: UInt32
        var nextPort: Int
    }

    private let network: UInt32
    private let size: UInt32
    private let nodePorts: ClosedRange<Int>
    private let state: Mutex<State>

    /// - Throws: 500 for a range that is no IPv4 CIDR of /8 to /30.
    init(range: String, nodePorts: ClosedRange<Int>) throws(APIError) {
        let parts = range.split(separator: "/")
        guard parts.count == 2, let base = IPv4.parse(String(parts[0])), let bits = UInt32(parts[1]),
            (8...30).contains(bits)
        else { throw APIError.internalError("service range \(range) is no IPv4 CIDR between /8 and /30") }
        size = 1 << (32 - bits)
        network = base & ~(size - 1)
        self.nodePorts = nodePorts
        // The first addresses are for fixed services such as kubernetes (.1) and DNS (.10).
        state = Mutex(State(nextAddress: min(16, size / 2), nextPort: nodePorts.lowerBound))
    }

    func load(_ service: KubeObject) {
        let owner = service.key.description
        state.withLock { state in
            for address in ServiceAllocator.addresses(service) { state.addresses[address] = owner }
            for port in ServiceAllocator.ports(service) { state.ports[port] = owner }
        }
    }

    /// Gives back what `service` had and `kept` no longer has; nil = all.
    func release(_ service: KubeObject, kept: KubeObject? = nil) {
        let owner = service.key.description
        let keptAddresses = Set(kept.map(ServiceAllocator.addresses) ?? [])
        let keptPorts = Set(kept.map(ServiceAllocator.ports) ?? [])
        state.withLock { state in
            for address in ServiceAllocator.addresses(service)
            where state.addresses[address] == owner && !keptAddresses.contains(address) {
                state.addresses[address] = nil
            }
            for port in ServiceAllocator.ports(service) where state.ports[port] == owner && !keptPorts.contains(port) {
                state.ports[port] = nil
            }
        }
    }

    /// A free address, or the one asked for.
    func address(_ asked: String?, owner: String) throws(FieldError) -> String {
        let path = "spec.clusterIPs"
        if let asked {
            guard let address = IPv4.parse(asked), address > network, address < network + size - 1 else {
                throw FieldError(
                    path,
                    .invalid,
                    "failed to allocate IP \(asked): the provided IP is not in the valid range. The range of valid IPs is "
                        + "\(IPv4.text(network))/\(32 - size.trailingZeroBitCount)",
                    badValue: JSON([asked])
                )
            }
            let isFree = state.withLock { state in
                if let holder = state.addresses[address], holder != owner { return false }
                state.addresses[address] = owner
                return true
            }
            guard isFree else {
                throw FieldError(
                    path,
                    .invalid,
                    "failed to allocate IP \(asked): provided IP is already allocated",
                    badValue: JSON([asked])
                )
            }
            return asked
        }
        let found = state.withLock { state -> UInt32? in
            for _ in 0..<size {
                let offset = state.nextAddress
                state.nextAddress = offset + 1 >= size - 1 ? 1 : offset + 1
                if offset >= 1, offset < size - 1, state.addresses[network + offset] == nil {
                    state.addresses[network + offset] = owner
                    return network + offset
                }
            }
            return nil
        }
        guard let found else { throw FieldError(path, .invalid, "failed to allocate a clusterIP: range is full") }
        return IPv4.text(found)
    }

    /// A free node port, or the one asked for.
    func port(_ asked: Int?, owner: String, path: String) throws(FieldError) -> Int {
        if let asked {
            guard nodePorts.contains(asked) else {
                throw FieldError(
                    path,
                    .invalid,
                    "provided port is not in the valid range. The range of valid ports is "
                        + "\(nodePorts.lowerBound)-\(nodePorts.upperBound)",
                    badValue: JSON(asked)
                )
            }
            let isFree = state.withLock { state in
                if let holder = state.ports[asked], holder != owner { return false }
                state.ports[asked] = owner
                return true
            }
            guard isFree else {
                throw FieldError(path, .invalid, "provided port is already allocated", badValue: JSON(asked))
            }
            return asked
        }
        let found = state.withLock { state -> Int? in
            for _ in nodePorts {
                let port = state.nextPort
                state.nextPort = port >= nodePorts.upperBound ? nodePorts.lowerBound : port + 1
                if state.ports[port] == nil {
                    state.ports[port] = owner
                    return port
                }
            }
            return nil
        }
        guard let found else { throw FieldError(path, .invalid, "failed to allocate a nodePort: range is full") }
        return found
    }

    private static func addresses(_ service: KubeObject) -> [UInt32] {
        (service["spec", "clusterIPs"]?.stringArray ?? [service["spec", "clusterIP"]?.stringValue].compactMap { $0 })
            .compactMap { IPv4.parse($0) }
    }

    private static func ports(_ service: KubeObject) -> [Int] {
        let ports = (service["spec", "ports"]?.arrayValue ?? []).compactMap { $0["nodePort"]?.intValue }
        return (ports + [service["spec", "healthCheckNodePort"]?.intValue].compactMap { $0 }).filter { $0 > 0 }
    }
}

/// Dotted IPv4 addresses.
enum IPv4 {
    static func parse(_ text: String) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard let byte = UInt8(part), String(byte) == part else { return nil }
            address = address << 8 | UInt32(byte)
        }
        return address
    }

    static func text(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
    }
}
