internal import Synchronization

/// A gate that opens once; waiters pass from then on.
final class SyncGate: Sendable {
    private enum State {
        case closed([Int: CheckedContinuation<Void, any Error>])
        case open
    }

    private let state = Mutex<State>(.closed([:]))
    private let counter = Atomic<Int>(0)

    var isOpen: Bool { state.withLock { if case .open = $0 { true } else { false } } }

    func open() {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
            guard case .closed(let waiters) = state else { return [] }
            state = .open
            return Array(waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Throws `CancellationError` when cancelled first.
    func wait() async throws {
        let id = counter.add(1, ordering: .relaxed).newValue
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let passes = state.withLock { state -> Bool? in
                    if Task.isCancelled { return nil }
                    guard case .closed(var waiters) = state else { return true }
                    waiters[id] = continuation
                    state = .closed(waiters)
                    return false
                }
                switch passes {
                case nil: continuation.resume(throwing: CancellationError())
                case true?: continuation.resume()
                case false?: break
                }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, any Error>? in
                guard case .closed(var waiters) = state else { return nil }
                let waiter = waiters.removeValue(forKey: id)
                state = .closed(waiters)
                return waiter
            }
            waiter?.resume(throwing: CancellationError())
        }
    }
}
