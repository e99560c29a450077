internal import Foundation

/// Ports for instances, below the range that the kernel hands out by itself.
enum Ports {
    /// The first of two neighbouring ports that nobody listens on.
    static func freePair() throws -> Int {
        for port in stride(from: Int.random(in: 10_000...15_000) * 2, to: 32_000, by: 2)
        where isFree(port) && isFree(port + 1) {
            return port
        }
        throw ProgramFailure(description: "no two neighbouring ports are free below 32000")
    }

    static func isFree(_ port: Int) -> Bool {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        var reuse: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
