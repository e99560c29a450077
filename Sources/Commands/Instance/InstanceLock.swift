internal import Foundation

/// Keeps two commands from starting or stopping one instance at the same time.
///
/// Held from `take` to `release`, or to the end of the process.
struct InstanceLock: Sendable {
    static let fileName = ".lock"

    private let descriptor: Int32

    /// Waits for at most two minutes.
    ///
    /// The folder must exist.
    static func take(_ layout: InstanceLayout) async throws -> InstanceLock {
        let path = layout.root + "/" + fileName
        let deadline = ContinuousClock.now + .seconds(120)
        while ContinuousClock.now < deadline {
            let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else {
                throw CommandError("cannot write \(path)", cause: String(cString: strerror(errno)))
            }
            // 'down' removes the file: a lock on one that is no longer there keeps nobody out.
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0, isPresent(descriptor) {
                return InstanceLock(descriptor: descriptor)
            }
            close(descriptor)
            try await Task.sleep(for: .milliseconds(100))
        }
        throw CommandError(
            "another command is starting or stopping the instance in \(layout.root)",
            remedy: "wait for it to end and try again"
        )
    }

    func release() { close(descriptor) }

    private static func isPresent(_ descriptor: Int32) -> Bool {
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
        return target?.hasSuffix(" (deleted)") == false
    }
}
