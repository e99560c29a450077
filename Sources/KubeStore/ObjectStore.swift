internal import Dispatch
internal import Foundation
internal import KubeCore
package import Logging
internal import Synchronization

/// A revisioned store of Kubernetes objects: one SQLite file, all present objects in memory.
///
/// Writes pass one serial writer that commits whatever has gathered in one transaction and answers after the commit; reads
/// never touch the database. One strictly increasing revision counts the changes of all resources. A change is visible to
/// readers and watchers once it is durable, and to all of them in the order of the revisions.
package final class ObjectStore: Sendable {
    package struct Configuration: Sendable {
        /// Most writes in one transaction.
        package var batchLimit = 256
        /// How long the change log reaches back, in seconds.
        package var historySeconds = 300
        /// Changes kept when they come faster; those younger than 80 s stay in any case.
        package var historyLimit = 50_000
        /// Changes read back at start so that watches can resume.
        package var resumeLimit = 10_000
        /// Seconds between two runs of compaction.
        package var compactionSeconds = 30

        package init() {}
    }

    struct State {
        var caches: [String: ResourceCache] = [:]
        /// The revision of the last durable change.
        var revision: Int64 = 1
        var floor: Int64 = 1
        var recent: [StoredObject] = []
        var recentIndex = 0
        var nextWaiter = 0
        var ticks = 0
        var revisionWaiters: [Int: RevisionWaiter] = [:]
        var isClosed = false
    }

    struct RevisionWaiter {
        var revision: Int64
        var deadline: UInt64
        var continuation: CheckedContinuation<Void, Never>
    }

    let state: Mutex<State>
    private let writer: StoreWriter
    // Dispatch sources may be used from any thread; only the protocol lacks the mark.
    nonisolated(unsafe) private let timer: any DispatchSourceTimer
    private let limits = ChangeRing.Limits()

    /// Opens the store; nil as `path` keeps it in memory.
    ///
    /// - Throws: `StoreError.unavailable` when the file cannot be opened, is in use by another process or has an unknown format.
    package init(
        path: String?,
        configuration: Configuration = Configuration(),
        logger: Logger? = nil
    ) throws(StoreError) {
        let database: StoreDatabase
        let contents: StoreDatabase.Contents
        do {
            database = try StoreDatabase(path: path)
            contents = try database.load(historyLimit: configuration.resumeLimit)
        } catch let error as StoreError {
            throw error
        } catch {
            throw .unavailable("\(path ?? "memory"): \(error)")
        }
        state = Mutex(ObjectStore.initialState(contents))
        writer = StoreWriter(
            database: database,
            revision: contents.lastRevision,
            configuration: configuration,
            logger: logger
        )
        timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "kube-store.clock"))
        timer.setEventHandler { [weak self] in self?.tick() }
        timer.schedule(deadline: .now() + .milliseconds(500), repeating: .milliseconds(500), leeway: .milliseconds(100))
        timer.resume()
        writer.start(store: self)
    }

    deinit { timer.cancel() }

    private static func initialState(_ contents: StoreDatabase.Contents) -> State {
        var state = State()
        state.revision = contents.lastRevision
        state.floor = contents.floor
        for (resource, objects) in contents.objects {
            var cache = ResourceCache(floor: contents.floor)
            cache.load(objects)
            state.caches[resource] = cache
        }
        let now = DispatchTime.now().uptimeNanoseconds
        let wall = Int64(Date().timeIntervalSince1970 * 1000)
        for (resource, change, milliseconds) in contents.changes {
            let age = UInt64(clamping: max(0, wall - milliseconds)).multipliedReportingOverflow(by: 1_000_000)
                .partialValue
            state.caches[resource, default: ResourceCache(floor: contents.floor)]
                .record(change, time: now > age ? now - age : 0)
        }
        return state
    }

    /// The revision of the last durable change.
    package var revision: Int64 { state.withLock { $0.revision } }

    /// The present state of one object.
    package func find(_ resource: String, namespace: String, name: String) -> StoredObject? {
        let key = StoredObject.key(namespace: namespace, name: name)
        return state.withLock { $0.caches[resource]?.objects[key] }
    }

    /// The objects of a resource in the order of their keys, and the revision at which that is true.
    package func list(_ resource: String, namespace: String = "") -> (objects: [StoredObject], revision: Int64) {
        state.withLock { ($0.caches[resource]?.list(namespace: namespace) ?? [], $0.revision) }
    }

    /// The objects as they were at `revision`.
    package func list(
        _ resource: String,
        namespace: String = "",
        at revision: Int64
    ) throws(StoreError) -> [StoredObject] {
        try state.withLock { (state) throws(StoreError) -> [StoredObject] in
            guard let cache = state.caches[resource] else {
                guard revision >= state.floor else { throw .expired(oldest: state.floor) }
                return []
            }
            guard let objects = cache.list(namespace: namespace, at: revision) else {
                throw .expired(oldest: cache.ring.floor)
            }
            return objects
        }
    }

    package func count(_ resource: String) -> Int { state.withLock { $0.caches[resource]?.count ?? 0 } }

    /// Writes one change; returns its durable result.
    ///
    /// - Throws: `StoreError` when the precondition does not hold or the database refuses.
    package func commit(_ write: StoreWrite) async throws(StoreError) -> StoredObject {
        let result: Result<StoredObject, StoreError> = await withCheckedContinuation { continuation in
            writer.submit(write, continuation)
        }
        return try result.get()
    }

    /// A position in the changes of a resource, from which `WatchCursor.next` goes on.
    ///
    /// Changes after `revision` are delivered; it is checked when they are read.
    package func cursor(_ resource: String, namespace: String = "", after revision: Int64) -> WatchCursor {
        WatchCursor(store: self, resource: resource, namespace: namespace, position: revision)
    }

    /// Waits until `revision` is reached, at most `seconds`.
    ///
    /// True when it was.
    package func waitFor(_ revision: Int64, seconds: Int) async -> Bool {
        let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(seconds) * 1_000_000_000
        await withCheckedContinuation { continuation in
            let isReached = state.withLock { state in
                if state.revision >= revision || state.isClosed { return true }
                state.nextWaiter += 1
                state.revisionWaiters[state.nextWaiter] = RevisionWaiter(
                    revision: revision,
                    deadline: deadline,
                    continuation: continuation
                )
                return false
            }
            if isReached { continuation.resume() }
        }
        return self.revision >= revision
    }

    /// Drops old history now and returns free pages to the file system.
    ///
    /// It otherwise runs by itself.
    package func compact() async {
        await withCheckedContinuation { continuation in writer.compact { continuation.resume() } }
    }

    /// Commits what is pending, ends all watches and closes the file.
    ///
    /// Later writes fail.
    package func close() async {
        await withCheckedContinuation { continuation in writer.close { continuation.resume() } }
        let waiters = state.withLock { state in
            state.isClosed = true
            return ObjectStore.takeWaiters(&state) { _ in true }
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Makes a durable batch visible; called by the writer only, in the order of the revisions.
    func publish(_ changes: [(resource: String, change: StoreChange)]) {
        let now = DispatchTime.now().uptimeNanoseconds
        let wake = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            var wake: [CheckedContinuation<Void, Never>] = []
            for (resource, change) in changes {
                var cache = state.caches.removeValue(forKey: resource) ?? ResourceCache(floor: state.floor)
                cache.apply(change)
                cache.record(change, time: now)
                cache.trim(limits, now: now)
                for (id, waiter) in cache.waiters
                where waiter.namespace.isEmpty || waiter.namespace == change.object.namespace {
                    wake.append(waiter.continuation)
                    cache.waiters[id] = nil
                }
                state.caches[resource] = cache
                ObjectStore.remember(change.object, in: &state)
                state.revision = change.revision
            }
            for (id, waiter) in state.revisionWaiters where waiter.revision <= state.revision {
                wake.append(waiter.continuation)
                state.revisionWaiters[id] = nil
            }
            return wake
        }
        for continuation in wake { continuation.resume() }
    }

    /// Keeps the parsed form of the last 512 written objects, for their watchers and next writers.
    private static func remember(_ object: StoredObject, in state: inout State) {
        if state.recent.count < 512 {
            state.recent.append(object)
        } else {
            state.recent[state.recentIndex].forgetObject()
            state.recent[state.recentIndex] = object
            state.recentIndex = (state.recentIndex + 1) % 512
        }
    }

    private func tick() {
        let now = DispatchTime.now().uptimeNanoseconds
        let wake = state.withLock { state in
            state.ticks += 1
            // Resources that nobody writes to give their history back too.
            if state.ticks % 60 == 0 {
                for resource in Array(state.caches.keys) { state.caches[resource]?.trim(limits, now: now) }
            }
            return ObjectStore.takeWaiters(&state) { ($0 ?? .max) <= now }
        }
        for continuation in wake { continuation.resume() }
    }

    private static func takeWaiters(
        _ state: inout State,
        where isDue: (UInt64?) -> Bool
    ) -> [CheckedContinuation<Void, Never>] {
        var due: [CheckedContinuation<Void, Never>] = []
        for resource in Array(state.caches.keys) {
            guard let waiters = state.caches[resource]?.waiters else { continue }
            for (id, waiter) in waiters where isDue(waiter.deadline) {
                due.append(waiter.continuation)
                state.caches[resource]?.waiters[id] = nil
            }
        }
        for (id, waiter) in state.revisionWaiters where isDue(waiter.deadline) {
            due.append(waiter.continuation)
            state.revisionWaiters[id] = nil
        }
        return due
    }
}
