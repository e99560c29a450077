internal import Dispatch
internal import Foundation
internal import KubeCore
internal import Logging
internal import Synchronization

/// The one writer: gathers pending writes, commits them together, answers after the commit.
///
/// Runs on a dispatch queue of its own because SQLite blocks its thread while the disk works.
final class StoreWriter: Sendable {
    typealias Answer = CheckedContinuation<Result<StoredObject, StoreError>, Never>

    private struct Pending {
        var write: StoreWrite
        var answer: Answer
    }

    private struct Inbox {
        var pending: [Pending] = []
        var isScheduled = false
        var isClosed = false
    }

    /// Touched on `queue` only.
    private struct Position {
        var revision: Int64
        weak var store: ObjectStore?
    }

    private let database: StoreDatabase
    private let configuration: ObjectStore.Configuration
    private let logger: Logger?
    private let queue = DispatchQueue(label: "kube-store.writer", qos: .userInitiated)
    private let inbox = Mutex(Inbox())
    private let position: Mutex<Position>
    // Dispatch sources may be used from any thread; only the protocol lacks the mark.
    nonisolated(unsafe) private let timer: any DispatchSourceTimer

    init(database: StoreDatabase, revision: Int64, configuration: ObjectStore.Configuration, logger: Logger?) {
        self.database = database
        self.configuration = configuration
        self.logger = logger
        position = Mutex(Position(revision: revision))
        timer = DispatchSource.makeTimerSource(queue: queue)
    }

    deinit { timer.cancel() }

    func start(store: ObjectStore) {
        position.withLock { $0.store = store }
        timer.setEventHandler { [weak self] in self?.compactStep() }
        timer.schedule(
            deadline: .now() + .seconds(configuration.compactionSeconds),
            repeating: .seconds(configuration.compactionSeconds),
            leeway: .seconds(1)
        )
        timer.resume()
    }

    func submit(_ write: StoreWrite, _ answer: Answer) {
        enum Next { case refuse, wait, schedule }
        let next = inbox.withLock { inbox -> Next in
            if inbox.isClosed { return .refuse }
            inbox.pending.append(Pending(write: write, answer: answer))
            if inbox.isScheduled { return .wait }
            inbox.isScheduled = true
            return .schedule
        }
        switch next {
        case .refuse: answer.resume(returning: .failure(.closed))
        case .wait: break
        case .schedule: queue.async { self.drain() }
        }
    }

    private func drain() {
        while true {
            let batch = inbox.withLock { inbox -> [Pending] in
                if inbox.pending.isEmpty {
                    inbox.isScheduled = false
                    return []
                }
                if inbox.pending.count <= configuration.batchLimit {
                    let all = inbox.pending
                    inbox.pending = []
                    return all
                }
                let first = Array(inbox.pending.prefix(configuration.batchLimit))
                inbox.pending.removeFirst(configuration.batchLimit)
                return first
            }
            if batch.isEmpty { return }
            commit(batch)
        }
    }

    private func commit(_ batch: [Pending]) {
        let (start, store) = position.withLock { ($0.revision, $0.store) }
        guard let store else {
            for pending in batch { pending.answer.resume(returning: .failure(.closed)) }
            return
        }
        var plan = BatchPlan(store: store, revision: start)
        let results = batch.map { plan.add($0.write) }
        if !plan.entries.isEmpty {
            do {
                try database.append(plan.entries, milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
            } catch {
                logger?.error("commit failed", metadata: ["error": "\(error)", "writes": "\(batch.count)"])
                for pending in batch { pending.answer.resume(returning: .failure(.unavailable("\(error)"))) }
                return
            }
            position.withLock { $0.revision = plan.revision }
            store.publish(plan.changes)
        }
        for (pending, result) in zip(batch, results) { pending.answer.resume(returning: result) }
    }

    /// Compacts to the end, then calls `done`.
    func compact(_ done: @escaping @Sendable () -> Void) {
        queue.async {
            self.compactStep()
            done()
        }
    }

    /// One run in small transactions, so that writes wait for one of them at most.
    private func compactStep() {
        if inbox.withLock({ $0.isClosed }) { return }
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        do {
            var isMore = true
            var didWork = false
            while isMore {
                isMore = try database.compact(
                    before: now - Int64(configuration.historySeconds) * 1000,
                    hardTime: now - Int64(min(80, configuration.historySeconds)) * 1000,
                    historyLimit: configuration.historyLimit,
                    limit: 500
                )
                didWork = didWork || isMore
                if isMore { drain() }
            }
            try database.shrink(pages: 2_000)
        } catch {
            logger?.warning("compaction failed", metadata: ["error": "\(error)"])
        }
    }

    func close(_ done: @escaping @Sendable () -> Void) {
        let wasClosed = inbox.withLock { inbox in
            defer { inbox.isClosed = true }
            return inbox.isClosed
        }
        queue.async {
            self.drain()
            if !wasClosed {
                self.timer.cancel()
                do { try self.database.close() } catch {
                    self.logger?.warning("closing the database failed", metadata: ["error": "\(error)"])
                }
            }
            done()
        }
    }
}

/// Gives the writes of one batch their revisions.
///
/// A later write sees the earlier ones. Pure but for reading the store.
private struct BatchPlan {
    let store: ObjectStore
    var revision: Int64
    var entries: [StoreDatabase.Entry] = []
    var changes: [(resource: String, change: StoreChange)] = []
    /// What this batch made of a key; nil inside = deleted.
    private var overlay: [String: StoredObject?] = [:]

    init(store: ObjectStore, revision: Int64) {
        self.store = store
        self.revision = revision
    }

    mutating func add(_ write: StoreWrite) -> Result<StoredObject, StoreError> {
        let overlayKey = write.resource + "\u{0}" + StoredObject.key(namespace: write.namespace, name: write.name)
        let current =
            overlay[overlayKey] ?? store.find(write.resource, namespace: write.namespace, name: write.name)
        switch (write.precondition, current) {
        case (.absent, let current?): return .failure(.exists(current))
        case (.absent, nil): break
        case (.revision, nil): return .failure(.missing)
        case (.revision(let wanted), let current?):
            guard current.revision == wanted else { return .failure(.conflict(current)) }
        }
        revision += 1
        var object = write.object
        object.resourceVersion = String(revision)
        let stored = StoredObject(
            namespace: write.namespace,
            name: write.name,
            revision: revision,
            created: current?.created ?? revision,
            encoded: write.encoded.stamped(revision),
            object: object
        )
        let kind: StoreChange.Kind =
            switch write.action {
            case .delete: .deleted
            case .put: current == nil ? .added : .modified
            }
        overlay[overlayKey] = .some(kind == .deleted ? nil : stored)
        entries.append(
            StoreDatabase.Entry(resource: write.resource, kind: kind, object: stored, previous: current?.revision ?? 0)
        )
        changes.append((write.resource, StoreChange(kind: kind, object: stored, previous: current)))
        return .success(stored)
    }
}
