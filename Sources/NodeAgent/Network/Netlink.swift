internal import Glibc

/// A route netlink socket: interfaces, addresses and routes of one network namespace, without starting a program.
///
/// Calls block for microseconds. Not for concurrent use.
final class Netlink {
    /// Message types of the kernel's `rtnetlink.h`.
    private enum Message: UInt16 {
        case newLink = 16
        case setLink = 19
        case deleteLink = 17
        case newAddress = 20
        case newRoute = 24
    }

    private enum Flag {
        static let create: UInt16 = 0x400
        static let exclusive: UInt16 = 0x200
        static let replace: UInt16 = 0x100
    }

    private let descriptor: Int32
    private var sequence: UInt32 = 0

    /// Opens a socket in the calling thread's network namespace.
    init() throws {
        descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw NetlinkError(operation: "open a netlink socket", code: errno) }
    }

    deinit { close(descriptor) }

    /// Index of an interface in the calling thread's namespace; nil when there is none.
    static func index(of name: String) -> UInt32? {
        let index = if_nametoindex(name)
        return index == 0 ? nil : index
    }

    func addBridge(_ name: String, address: [UInt8], mtu: Int) throws {
        var body = NetlinkBytes.link()
        body.attribute(3, string: name)
        body.attribute(1, address)
        body.attribute(4, UInt32(mtu))
        body.nested(18) { $0.attribute(1, string: "bridge") }
        try send(.newLink, flags: Flag.create | Flag.exclusive, body, "create bridge \(name)")
    }

    /// Makes a pair of interfaces: `name` here, with `master`, and `peer` in the namespace behind `peerNamespace`.
    func addPair(_ name: String, peer: String, peerNamespace: Int32, master: UInt32, mtu: Int) throws {
        var body = NetlinkBytes.link(flags: 1)
        body.attribute(3, string: name)
        body.attribute(4, UInt32(mtu))
        body.attribute(10, master)
        body.nested(18) { info in
            info.attribute(1, string: "veth")
            info.nested(2) { data in
                data.nested(1) { pair in
                    pair.append(NetlinkBytes.link())
                    pair.attribute(3, string: peer)
                    pair.attribute(4, UInt32(mtu))
                    pair.attribute(28, UInt32(bitPattern: peerNamespace))
                }
            }
        }
        try send(.newLink, flags: Flag.create | Flag.exclusive, body, "create interface \(name)")
    }

    func setUp(_ index: UInt32) throws {
        try send(.newLink, flags: 0, .link(index: index, flags: 1), "bring interface \(index) up")
    }

    func setMaster(_ index: UInt32, master: UInt32) throws {
        var body = NetlinkBytes.link(index: index, flags: 1)
        body.attribute(10, master)
        try send(.newLink, flags: 0, body, "attach interface \(index) to its bridge")
    }

    /// Lets the bridge send frames back to the port they came from: where the kernel filters bridged frames, a pod that reaches
    /// itself through its own Service never leaves the bridge.
    func setHairpin(_ index: UInt32) throws {
        var body = NetlinkBytes.link(index: index, family: UInt32(AF_BRIDGE))
        body.nested(12 | 0x8000) { $0.attribute(4, [1]) }
        try send(.setLink, flags: 0, body, "set hairpin mode of interface \(index)")
    }

    func deleteLink(_ index: UInt32) throws {
        try send(.deleteLink, flags: 0, .link(index: index), "delete interface \(index)", ignoring: [ENODEV])
    }

    /// Repeating it changes nothing.
    func addAddress(_ address: IPv4Address, prefixLength: Int, index: UInt32) throws {
        var body = NetlinkBytes()
        body.append(UInt8(AF_INET), UInt8(prefixLength), 0, 0)
        body.append(index)
        body.attribute(2, address.octets)
        body.attribute(1, address.octets)
        try send(
            .newAddress,
            flags: Flag.create | Flag.exclusive,
            body,
            "add address \(address)",
            ignoring: [EEXIST]
        )
    }

    /// Route to `range`, directly over the interface when there is no `gateway`.
    ///
    /// Repeating it changes nothing.
    func addRoute(
        _ range: IPv4Range,
        gateway: IPv4Address? = nil,
        source: IPv4Address? = nil,
        index: UInt32
    ) throws {
        var body = NetlinkBytes()
        let scope: UInt8 = gateway == nil ? 253 : 0
        body.append(UInt8(AF_INET), UInt8(range.prefixLength), 0, 0)
        body.append(254, 3, scope, 1)
        body.append(UInt32(0))
        if range.prefixLength > 0 { body.attribute(1, range.base.octets) }
        if let gateway { body.attribute(5, gateway.octets) }
        if let source { body.attribute(7, source.octets) }
        body.attribute(4, index)
        try send(.newRoute, flags: Flag.create | Flag.replace, body, "add route \(range)", ignoring: [EEXIST])
    }

    /// Sends one request and waits for the kernel's answer.
    private func send(
        _ type: Message,
        flags: UInt16,
        _ body: NetlinkBytes,
        _ operation: String,
        ignoring ignored: [Int32] = []
    ) throws {
        sequence += 1
        var message = NetlinkBytes()
        message.append(UInt32(16 + body.bytes.count))
        message.append(type.rawValue)
        message.append(flags | 0x1 | 0x4)  // Request, with acknowledgement.
        message.append(sequence)
        message.append(UInt32(0))
        message.append(body)
        let bytes = message.bytes
        guard Glibc.send(descriptor, bytes, bytes.count, 0) == bytes.count else {
            throw NetlinkError(operation: operation, code: errno)
        }
        var answer = [UInt8](repeating: 0, count: 8192)
        while true {
            let count = recv(descriptor, &answer, answer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 20 else { throw NetlinkError(operation: operation, code: count < 0 ? errno : EPROTO) }
            let (answerType, answerSequence, code) = answer.withUnsafeBytes { bytes in
                (
                    bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self),
                    bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self),
                    bytes.loadUnaligned(fromByteOffset: 16, as: Int32.self)
                )
            }
            guard answerType == 2, answerSequence == sequence else { continue }
            guard code == 0 || ignored.contains(-code) else { throw NetlinkError(operation: operation, code: -code) }
            return
        }
    }
}

/// A refused netlink request.
struct NetlinkError: Error, CustomStringConvertible {
    var operation: String
    var code: Int32

    var description: String { "cannot \(operation): \(String(cString: strerror(code)))" }
}

/// Bytes of a netlink message, in host byte order, attributes padded to four bytes.
struct NetlinkBytes {
    private(set) var bytes: [UInt8] = []

    /// `struct ifinfomsg`; `flags` are set, and only those are changed.
    static func link(index: UInt32 = 0, flags: UInt32 = 0, family: UInt32 = 0) -> NetlinkBytes {
        var body = NetlinkBytes()
        body.append(family)
        body.append(index)
        body.append(flags)
        body.append(flags)
        return body
    }

    mutating func append(_ value: UInt8...) { bytes += value }
    mutating func append(_ value: UInt16) { withUnsafeBytes(of: value) { bytes += $0 } }
    mutating func append(_ value: UInt32) { withUnsafeBytes(of: value) { bytes += $0 } }
    mutating func append(_ other: NetlinkBytes) { bytes += other.bytes }

    mutating func attribute(_ type: UInt16, _ value: [UInt8]) {
        append(UInt16(4 + value.count))
        append(type)
        bytes += value
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    mutating func attribute(_ type: UInt16, _ value: UInt32) {
        attribute(type, withUnsafeBytes(of: value) { Array($0) })
    }

    mutating func attribute(_ type: UInt16, string: String) { attribute(type, Array(string.utf8) + [0]) }

    mutating func nested(_ type: UInt16, _ build: (inout NetlinkBytes) -> Void) {
        var inner = NetlinkBytes()
        build(&inner)
        attribute(type, inner.bytes)
    }
}
