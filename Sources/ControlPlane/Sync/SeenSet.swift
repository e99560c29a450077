internal import Synchronization

/// What one watch has shown: keys of objects, and whether the first full picture was complete.
///
/// After that picture keys are no longer kept, so that a long watch does not grow.
final class SeenSet: Sendable {
    private struct State {
        var keys: Set<String> = []
        var isSynced = false
    }
    private let state = Mutex(State())

    func insert(_ key: String) {
        state.withLock { state in
            guard !state.isSynced else { return }
            state.keys.insert(key)
        }
    }

    func markSynced() { state.withLock { $0.isSynced = true } }

    var isSynced: Bool { state.withLock { $0.isSynced } }

    var keys: Set<String> { state.withLock { $0.keys } }
}
