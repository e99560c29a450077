internal import Glibc

/// An open folder through which Unix sockets are addressed, so that long paths fit into the 108 bytes of a socket
/// address.
struct SocketFolder: Sendable {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Files.failure("open", path) }
    }

    func address(_ name: String) -> String { "/proc/self/fd/\(descriptor)/\(name)" }

    func close() { _ = Glibc.close(descriptor) }
}
