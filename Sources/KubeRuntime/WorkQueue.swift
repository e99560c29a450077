package import KubeCore
internal import Synchronization

/// A rate-limited queue of object keys with delayed adds; the shell around `WorkQueueState`.
package final class WorkQueue: Sendable {
    private struct State {
        var queue = WorkQueueState()
        var idleWorkers: [Int: CheckedContinuation<ObjectKey?, Never>] = [:]
        var delayed: [ObjectKey: ContinuousClock.Instant] = [:]
        var isShutDown = false
    }

    private let state = Mutex(State())
    private let counter = Atomic<Int>(0)
    private let timer = WakeSignal()

    package init() {}

    package var depth: Int { state.withLock { $0.queue.depth } }

    package func add(_ key: ObjectKey) {
        let handover = state.withLock { state -> (CheckedContinuation<ObjectKey?, Never>, ObjectKey)? in
            guard !state.isShutDown, state.queue.add(key) == .queued else { return nil }
            return Self.takeWorker(&state)
        }
        handover?.0.resume(returning: handover?.1)
    }

    /// Adds after `delay`; an earlier time for the same key wins.
    package func add(_ key: ObjectKey, after delay: Duration) {
        guard delay > .zero else { return add(key) }
        let due = ContinuousClock.now.advanced(by: delay)
        state.withLock { state in
            if let present = state.delayed[key], present <= due { return }
            state.delayed[key] = due
        }
        timer.signal()
    }

    /// Adds after a back-off that grows with the number of failures in a row: 5 ms doubling to 60 s.
    package func retry(_ key: ObjectKey) {
        let failures = state.withLock { $0.queue.fail(key) }
        let delay = min(Duration.milliseconds(5) * (1 << min(failures - 1, 20)), .seconds(60))
        add(key, after: delay * Double.random(in: 0.9...1.1))
    }

    package func forget(_ key: ObjectKey) { state.withLock { $0.queue.forget(key) } }

    /// The next key; nil after `shutDown()` or when the caller's task is cancelled.
    ///
    /// Call `done` when finished with it.
    package func next() async -> ObjectKey? {
        let id = counter.add(1, ordering: .relaxed).newValue
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> ObjectKey?? in
                    if state.isShutDown || Task.isCancelled { return .some(nil) }
                    if let key = state.queue.next() { return key }
                    state.idleWorkers[id] = continuation
                    return .none
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let worker = state.withLock { $0.idleWorkers.removeValue(forKey: id) }
            worker?.resume(returning: nil)
        }
    }

    package func done(_ key: ObjectKey) {
        let handover = state.withLock { state -> (CheckedContinuation<ObjectKey?, Never>, ObjectKey)? in
            guard state.queue.done(key) else { return nil }
            return Self.takeWorker(&state)
        }
        handover?.0.resume(returning: handover?.1)
    }

    /// Moves keys whose delay is over to the queue, until cancelled.
    ///
    /// Run by the controller.
    func runTimer() async {
        while !Task.isCancelled {
            let now = ContinuousClock.now
            let (due, nextDue) = state.withLock { state -> ([ObjectKey], ContinuousClock.Instant?) in
                let due = state.delayed.filter { $0.value <= now }.map(\.key)
                for key in due { state.delayed[key] = nil }
                return (due, state.delayed.values.min())
            }
            for key in due { add(key) }
            await timer.wait(atMost: nextDue.map { $0 - ContinuousClock.now })
        }
    }

    package func shutDown() {
        let workers = state.withLock { state -> [CheckedContinuation<ObjectKey?, Never>] in
            state.isShutDown = true
            defer { state.idleWorkers = [:] }
            return Array(state.idleWorkers.values)
        }
        for worker in workers { worker.resume(returning: nil) }
    }

    private static func takeWorker(_ state: inout State) -> (CheckedContinuation<ObjectKey?, Never>, ObjectKey)? {
        guard let id = state.idleWorkers.keys.first, let worker = state.idleWorkers.removeValue(forKey: id) else {
            return nil
        }
        guard let key = state.queue.next() else {
            state.idleWorkers[id] = worker
            return nil
        }
        return (worker, key)
    }
}
