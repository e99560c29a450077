package import KubeCore

/// The decisions of a work queue: a key is handed out to one worker at a time; a key that arrives while it runs waits
/// and runs again afterwards; equal keys are handed out once.
///
/// Holds no clock and no task.
package struct WorkQueueState: Sendable {
    /// What `add` did.
    package enum Added: Sendable, Equatable {
        case queued
        /// It waits already.
        case alreadyQueued
        /// It runs now and will run again.
        case deferredUntilDone
    }

    private var waiting: [ObjectKey] = []
    private var head = 0
    private var waitingSet: Set<ObjectKey> = []
    private var running: Set<ObjectKey> = []
    private var dirty: Set<ObjectKey> = []
    private var failures: [ObjectKey: Int] = [:]

    package init() {}

    package var depth: Int { waiting.count - head }

    package mutating func add(_ key: ObjectKey) -> Added {
        if running.contains(key) {
            return dirty.insert(key).inserted ? .deferredUntilDone : .alreadyQueued
        }
        guard waitingSet.insert(key).inserted else { return .alreadyQueued }
        waiting.append(key)
        return .queued
    }

    /// The next key to run, or nil when none waits.
    package mutating func next() -> ObjectKey? {
        guard head < waiting.count else { return nil }
        let key = waiting[head]
        head += 1
        if head > 1024, head * 2 > waiting.count {
            waiting.removeFirst(head)
            head = 0
        }
        waitingSet.remove(key)
        running.insert(key)
        return key
    }

    /// Ends a run; true when the key was queued again because it arrived meanwhile.
    package mutating func done(_ key: ObjectKey) -> Bool {
        running.remove(key)
        guard dirty.remove(key) != nil else { return false }
        return add(key) == .queued
    }

    /// Notes a failure and returns how many there were in a row.
    package mutating func fail(_ key: ObjectKey) -> Int {
        failures[key, default: 0] += 1
        return failures[key] ?? 1
    }

    package mutating func forget(_ key: ObjectKey) { failures[key] = nil }
}
