internal import Foundation
internal import Synchronization

/// Runs code inside another network namespace.
enum NetworkNamespace {
    private typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
    private static let cloneNewNetwork: Int32 = 0x4000_0000

    /// Runs `body` on a thread of its own that has joined the namespace behind `descriptor` and ends afterwards, so that no other
    /// code ever runs in a foreign namespace.
    static func perform<T: Sendable>(
        in descriptor: Int32,
        _ body: @escaping @Sendable () throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread {
                continuation.resume(
                    with: Result {
                        try join(descriptor)
                        return try body()
                    }
                )
            }
            thread.stackSize = 256 << 10
            thread.start()
        }
    }

    private static func join(_ descriptor: Int32) throws {
        // Swift's view of the C library leaves out the calls that only Linux has.
        guard let symbol = dlsym(nil, "setns") else {
            throw NetlinkError(operation: "find setns in the C library", code: ENOSYS)
        }
        let setNamespace = unsafeBitCast(symbol, to: SetNamespace.self)
        guard setNamespace(descriptor, cloneNewNetwork) == 0 else {
            throw NetlinkError(operation: "enter the pod's network namespace", code: errno)
        }
    }
}
