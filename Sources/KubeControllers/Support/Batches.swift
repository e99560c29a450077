internal import KubeCore

/// Runs `count` like operations in batches of 1, 2, 4, … so that a fault that hits all of them is met once, not `count` times.
///
/// Returns how many succeeded, and the first error.
func slowStart(
    _ count: Int,
    _ operation: @escaping @Sendable (Int) async throws -> Void
) async -> (succeeded: Int, error: (any Error)?) {
    var succeeded = 0
    var start = 0
    var size = 1
    while start < count {
        let range = start..<min(start + size, count)
        let outcomes = await withTaskGroup(of: (any Error)?.self) { group in
            for index in range {
                group.addTask {
                    do {
                        try await operation(index)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            var outcomes: [(any Error)?] = []
            for await outcome in group { outcomes.append(outcome) }
            return outcomes
        }
        succeeded += outcomes.count { $0 == nil }
        if let error = outcomes.compactMap({ $0 }).first { return (succeeded, error) }
        start = range.upperBound
        // The cap bounds how many writes wait in the server's queue for one owner.
        size = min(size * 2, 64)
    }
    return (succeeded, nil)
}

extension APIError {
    /// The namespace is being deleted: retrying is useless.
    var isNamespaceTerminating: Bool { code == 403 && causes.contains { $0.reason == "NamespaceTerminating" } }
}
