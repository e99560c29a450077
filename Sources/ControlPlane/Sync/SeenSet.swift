internal import Synchronization

/// Keys of the objects that one watch has shown.
final class SeenSet: Sendable {
    private let state = Mutex<Set<String>>([])

    func insert(_ key: String) { state.withLock { keys in _ = keys.insert(key) } }

    var keys: Set<String> { state.withLock { $0 } }
}
