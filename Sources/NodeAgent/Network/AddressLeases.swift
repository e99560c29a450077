internal import Foundation
internal import KubeCore

/// Which pod of a node has which address: one small file per lease, so that the node agent finds them again after `kill -9`.
struct AddressLeases {
    struct Lease: Codable, Hashable {
        var podUID: String
        var pod: String
        var address: IPv4Address
        var hostPorts: [PodHostPort]
    }

    private let folder: String
    private let range: IPv4Range
    private var leases: [String: Lease] = [:]
    private var taken: Set<IPv4Address> = []
    /// Addresses are given out in a circle, so that a new pod does not get the one that peers still talk to.
    private var next = 0

    /// Usable addresses of a node's /24: all but .0, .1 (on the first node the gateway) and .255.
    private static let firstHost = 2
    private static let hosts = 253

    init(folder: String, range: IPv4Range) throws {
        self.folder = folder
        self.range = range
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        for name in FileSystem.names(in: folder).sorted() {
            guard let text = FileSystem.text(path(name)), let json = try? JSON(parsing: text),
                let lease = try? json.decode(Lease.self), range.contains(lease.address), leases[lease.podUID] == nil,
                !taken.contains(lease.address)
            else {
                // Cut off by a crash, or from a different range: worth nothing.
                try? FileManager.default.removeItem(atPath: path(name))
                continue
            }
            leases[lease.podUID] = lease
            taken.insert(lease.address)
        }
        next = leases.count
    }

    var all: [Lease] { Array(leases.values) }

    func lease(_ podUID: String) -> Lease? { leases[podUID] }

    /// The pod's lease, a new one when it has none.
    mutating func acquire(podUID: String, pod: String) throws -> Lease {
        if let lease = leases[podUID] { return lease }
        for step in 0..<Self.hosts {
            let offset = (next + step) % Self.hosts
            let address = range.address(Self.firstHost + offset)
            guard !taken.contains(address) else { continue }
            let lease = Lease(podUID: podUID, pod: pod, address: address, hostPorts: [])
            try store(lease)
            next = offset + 1
            return lease
        }
        throw NodeAgentError(
            .networkUnavailable,
            "all \(Self.hosts) addresses of \(range) are taken",
            remedy: "delete pods on this node, or start the instance with more nodes"
        )
    }

    mutating func setHostPorts(_ ports: [PodHostPort], podUID: String) throws {
        guard var lease = leases[podUID], lease.hostPorts != ports else { return }
        lease.hostPorts = ports
        try store(lease)
    }

    mutating func release(_ podUID: String) throws -> Lease? {
        guard let lease = leases[podUID] else { return nil }
        let file = path(lease.address.description)
        if FileSystem.exists(file) { try FileManager.default.removeItem(atPath: file) }
        leases[podUID] = nil
        taken.remove(lease.address)
        return lease
    }

    private mutating func store(_ lease: Lease) throws {
        let bytes = try JSON(encoding: lease).bytes
        try Data(bytes).write(to: URL(fileURLWithPath: path(lease.address.description)), options: .atomic)
        leases[lease.podUID] = lease
        taken.insert(lease.address)
    }

    private func path(_ name: String) -> String { folder + "/" + name }
}
