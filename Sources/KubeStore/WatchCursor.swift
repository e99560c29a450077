internal import Dispatch
internal import Synchronization

/// A reader of one resource's changes.
///
/// Nothing is buffered for it: it walks the shared history at its own pace, and one that
/// falls out of the history is told so.
package final class WatchCursor: Sendable {
    package enum Batch: Sendable {
        /// Changes in order, and the revision up to which nothing is missing.
        case changes([StoreChange], revision: Int64)
        /// The deadline came first; nothing is missing up to this revision.
        case idle(revision: Int64)
        /// The store was closed or the task cancelled.
        case closed
    }

    private let store: ObjectStore
    private let resource: String
    private let namespace: String
    private let position: Mutex<Int64>
    private static let batchLimit = 256

    /// Nothing is missing up to here.
    package var revision: Int64 { position.withLock { $0 } }

    /// Goes on after `revision`, whatever lies between.
    package func move(to revision: Int64) { position.withLock { $0 = revision } }

    init(store: ObjectStore, resource: String, namespace: String, position: Int64) {
        self.store = store
        self.resource = resource
        self.namespace = namespace
        self.position = Mutex(position)
    }

    /// The next changes, waiting for them until `deadline` (uptime in nanoseconds; the clock has a step of half a second).
    ///
    /// - Throws: `StoreError.expired` when history before the position is gone. One caller at a time.
    package func next(deadline: UInt64? = nil) async throws(StoreError) -> Batch {
        while true {
            if Task.isCancelled { return .closed }
            if let batch = try poll() { return batch }
            if let deadline, DispatchTime.now().uptimeNanoseconds >= deadline {
                return .idle(revision: position.withLock { $0 })
            }
            await sleep(until: deadline)
        }
    }

    /// Changes that are there now; nil when there are none.
    private func poll() throws(StoreError) -> Batch? {
        let from = position.withLock { $0 }
        let found: ([StoreChange], Int64)? = try store.state.withLock { (state) throws(StoreError) in
            if state.isClosed { return nil }
            guard let cache = state.caches[resource] else {
                guard from >= state.floor else { throw .expired(oldest: state.floor) }
                return ([], state.revision)
            }
            guard from >= cache.ring.floor else { throw .expired(oldest: cache.ring.floor) }
            let changes = cache.ring.changes(after: from, limit: WatchCursor.batchLimit)
            if changes.count == WatchCursor.batchLimit, let last = changes.last { return (changes, last.revision) }
            return (changes, state.revision)
        }
        guard let (changes, revision) = found else { return .closed }
        position.withLock { $0 = max($0, revision) }
        let wanted = namespace.isEmpty ? changes : changes.filter { $0.object.namespace == namespace }
        if !wanted.isEmpty { return .changes(wanted, revision: revision) }
        // A full batch of other namespaces' changes: look again before sleeping.
        return changes.count == WatchCursor.batchLimit ? try poll() : nil
    }

    private func sleep(until deadline: UInt64?) async {
        let from = position.withLock { $0 }
        let id = Mutex(0)
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let mustWait = store.state.withLock { state -> Bool in
                    if state.isClosed || Task.isCancelled { return false }
                    if state.caches[resource]?.ring.hasChanges(after: from) ?? false { return false }
                    state.nextWaiter += 1
                    let number = state.nextWaiter
                    id.withLock { $0 = number }
                    state.caches[resource, default: ResourceCache(floor: state.floor)].waiters[number] =
                        ResourceCache.Waiter(namespace: namespace, deadline: deadline, continuation: continuation)
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            let waiter = store.state.withLock { state -> ResourceCache.Waiter? in
                let number = id.withLock { $0 }
                return state.caches[resource]?.waiters.removeValue(forKey: number)
            }
            waiter?.continuation.resume()
        }
    }
}
