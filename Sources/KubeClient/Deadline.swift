internal import KubeCore

extension Duration {
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}

/// Runs `body` and throws an `APIError` with reason `Timeout` when it is not done by `deadline`.
func withDeadline<T: Sendable>(
    _ deadline: ContinuousClock.Instant,
    what: String,
    _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(until: deadline, clock: .continuous)
            throw APIError(code: 504, reason: .timeout, message: "\(what): no answer in time")
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw CancellationError() }
        return first
    }
}
