internal import Foundation
package import Logging
internal import Synchronization

/// Pods of one node on the instance's bridge: a pair of interfaces each, with an address from the node's /24.
package final class BridgePodNetwork: PodNetwork {
    private let network: InstanceNetwork
    private let leases: Mutex<AddressLeases>
    private let searchDomains: [String]
    private let logger: Logger
    private let ruleChanges = RuleChanges()

    /// `nodeIndex`: the node's number in the instance, from 0; decides its address range.
    ///
    /// `stateFolder`: where leases are kept; made when missing.
    package init(network: InstanceNetwork, nodeIndex: Int, stateFolder: String, logger: Logger) throws {
        self.network = network
        self.logger = logger
        searchDomains = HostNetwork.searchDomains(FileSystem.text("/etc/resolv.conf") ?? "")
        leases = Mutex(try AddressLeases(folder: stateFolder, range: network.nodeRange(nodeIndex)))
    }

    package func attach(
        podUID: String,
        namespace: String,
        name: String,
        netnsPath: String
    ) async throws -> PodAddress {
        let lease = try leases.withLock { try $0.acquire(podUID: podUID, pod: namespace + "/" + name) }
        do {
            try await connect(podUID: podUID, address: lease.address, netnsPath: netnsPath)
        } catch let error as NetlinkError {
            throw NodeAgentError(.networkUnavailable, "pod \(namespace)/\(name) has no network: \(error)")
        }
        return PodAddress(
            ip: lease.address.description,
            prefixLength: 32,
            gateway: network.gateway.description,
            dnsServer: network.gateway.description,
            searchDomains: searchDomains
        )
    }

    /// Brings the pod's interface to the wanted state from whatever is there.
    private func connect(podUID: String, address: IPv4Address, netnsPath: String) async throws {
        guard let bridge = Netlink.index(of: network.bridge) else {
            throw NodeAgentError(
                .networkUnavailable,
                "bridge \(network.bridge) is missing",
                remedy: "run `outrigger up` again"
            )
        }
        let descriptor = open(netnsPath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw NodeAgentError(
                .networkUnavailable,
                "network namespace \(netnsPath) cannot be opened: \(String(cString: strerror(errno)))"
            )
        }
        defer { close(descriptor) }
        let interface = Self.interfaceName(podUID)
        let netlink = try Netlink()
        if let index = Netlink.index(of: interface) {
            let isConnected = try await NetworkNamespace.perform(in: descriptor) { Netlink.index(of: "eth0") != nil }
            if isConnected {
                try netlink.setMaster(index, master: bridge)
            } else {
                try netlink.deleteLink(index)
            }
        }
        if Netlink.index(of: interface) == nil {
            try netlink.addPair(
                interface,
                peer: "eth0",
                peerNamespace: descriptor,
                master: bridge,
                mtu: HostNetwork.defaultMTU()
            )
        }
        if let index = Netlink.index(of: interface) { try netlink.setHairpin(index) }
        let gateway = network.gateway
        try await NetworkNamespace.perform(in: descriptor) {
            let inside = try Netlink()
            guard let loopback = Netlink.index(of: "lo"), let eth0 = Netlink.index(of: "eth0") else {
                throw NetlinkError(operation: "find the pod's interfaces", code: ENODEV)
            }
            try inside.setUp(loopback)
            try inside.addAddress(address, prefixLength: 32, index: eth0)
            try inside.setUp(eth0)
            try inside.addRoute(IPv4Range(gateway, prefixLength: 32), index: eth0)
            try inside.addRoute(
                IPv4Range(IPv4Address(rawValue: 0), prefixLength: 0),
                gateway: gateway,
                index: eth0
            )
        }
    }

    package func detach(podUID: String) async throws {
        let lease = leases.withLock { $0.lease(podUID) }
        if let lease, !lease.hostPorts.isEmpty { try await unpublish(lease) }
        if let index = Netlink.index(of: Self.interfaceName(podUID)) { try Netlink().deleteLink(index) }
        _ = try leases.withLock { try $0.release(podUID) }
    }

    package func publish(podUID: String, address: PodAddress, hostPorts: [PodHostPort]) async throws {
        let (lease, others) = leases.withLock { leases in
            (leases.lease(podUID), leases.all.filter { $0.podUID != podUID })
        }
        guard let lease else {
            throw NodeAgentError(.networkUnavailable, "pod \(podUID) has no address to open host ports to")
        }
        for port in hostPorts {
            if let holder = others.first(where: { $0.hostPorts.contains { $0.clashes(with: port) } }) {
                throw NodeAgentError(
                    .networkUnavailable,
                    "host port \(port.hostPort)/\(port.transport.rawValue) is taken by pod \(holder.pod)",
                    remedy: "use another hostPort, or delete that pod"
                )
            }
        }
        if lease.hostPorts != hostPorts, !lease.hostPorts.isEmpty { try await unpublish(lease) }
        guard !hostPorts.isEmpty else { return }
        // The lease knows first: what is open but unknown would never be closed.
        try leases.withLock { try $0.setHostPorts(hostPorts, podUID: podUID) }
        let elements = HostPortElements(lease.address, hostPorts)
        do {
            try await ruleChanges.perform {
                // Repeating the addition of the same element is no error, another value for its key is.
                try await NetworkTool.applyRules(elements.script("add", table: self.network.table))
            }
        } catch let error as NodeAgentError {
            let list = hostPorts.map { "\($0.hostPort)/\($0.transport.rawValue)" }.joined(separator: ", ")
            throw NodeAgentError(
                .networkUnavailable,
                "host ports \(list) cannot be opened; a pod of another node of this machine may hold one: \(error.message)",
                remedy: "use other hostPorts, or delete that pod"
            )
        }
    }

    private func unpublish(_ lease: AddressLeases.Lease) async throws {
        let elements = HostPortElements(lease.address, lease.hostPorts)
        try await ruleChanges.perform {
            try await NetworkTool.applyRules(
                elements.script("add", table: self.network.table)
                    + elements.script("delete", table: self.network.table)
            )
        }
    }

    package func retain(podUIDs: Set<String>) async throws {
        let stale = leases.withLock { $0.all.map(\.podUID) }.filter { !podUIDs.contains($0) }
        for podUID in stale {
            logger.info("freeing the address of a pod that is gone", metadata: ["uid": "\(podUID)"])
            try await detach(podUID: podUID)
        }
    }

    /// Names of interfaces have at most 15 characters.
    static func interfaceName(_ podUID: String) -> String { "orv" + stableHex(podUID, digits: 12) }
}

extension PodHostPort {
    /// True when both cannot be open at once.
    func clashes(with other: PodHostPort) -> Bool {
        transport == other.transport && hostPort == other.hostPort
            && (hostIP == nil || other.hostIP == nil || hostIP == other.hostIP)
    }
}

/// The packet filter elements that open a pod's host ports.
struct HostPortElements {
    private var ports: [String] = []
    private var addressPorts: [String] = []
    private let address: IPv4Address
    private var keys: (ports: [String], addressPorts: [String]) = ([], [])

    init(_ address: IPv4Address, _ hostPorts: [PodHostPort]) {
        self.address = address
        for port in hostPorts {
            let key = "\(port.transport.rawValue.lowercased()) . \(port.hostPort)"
            let value = "\(address) . \(port.containerPort)"
            if let hostIP = port.hostIP, hostIP != "0.0.0.0" {
                keys.addressPorts.append("\(hostIP) . \(key)")
                addressPorts.append("\(hostIP) . \(key) : \(value)")
            } else {
                keys.ports.append(key)
                ports.append("\(key) : \(value)")
            }
        }
    }

    func script(_ verb: String, table: String) -> String {
        let isDeletion = verb == "delete"
        var text = ""
        let lists = [
            ("host_ports", isDeletion ? keys.ports : ports),
            ("host_address_ports", isDeletion ? keys.addressPorts : addressPorts),
            ("hairpin", ["\(address) . \(address)"]),
        ]
        for (name, elements) in lists where !elements.isEmpty {
            text += "\(verb) element ip \(table) \(name) { \(elements.joined(separator: ", ")) }\n"
        }
        return text
    }
}

/// Runs changes to the packet filter one after the other: concurrent transactions of one process only make each other retry.
actor RuleChanges {
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func perform(_ change: @Sendable () async throws -> Void) async throws {
        if isBusy {
            await withCheckedContinuation { waiting.append($0) }
        }
        isBusy = true
        defer {
            if waiting.isEmpty {
                isBusy = false
            } else {
                waiting.removeFirst().resume()
            }
        }
        try await change()
    }
}
