internal import KubeCore

/// Pods that wait for a node: ready to be tried, or parked until something changes.
///
/// Pure: time is handed in as seconds on any steady clock.
struct SchedulingQueue: Sendable {
    struct Entry: Sendable {
        var pod: PodRequirements
        var attempts = 0
        var state = State.ready
        var order: Int
    }

    enum State: Sendable, Equatable {
        case ready
        case inFlight
        /// Did not fit; a change of the cluster makes it ready, not before the back-off is over.
        case parked(notBefore: Double, changed: Bool)
    }

    /// A parked pod is tried again after this time even when nothing seems to have changed.
    static let flushInterval = 60.0

    private(set) var entries: [ObjectKey: Entry] = [:]
    /// Ready keys, the next one last.
    private var ready: [ObjectKey] = []
    private var isSorted = true
    private var counter = 0

    var waitingCount: Int { entries.count }

    /// Adds a pod or takes its newer state.
    mutating func upsert(_ pod: PodRequirements) {
        if var entry = entries[pod.key], entry.pod.uid == pod.uid {
            let isSame = entry.pod.signature == pod.signature && entry.pod.priority == pod.priority
            entry.pod = pod
            entries[pod.key] = entry
            // A changed pod may fit now; an update of its status only is no reason to try.
            if !isSame, case .parked = entry.state { makeReady(pod.key) }
            return
        }
        remove(pod.key)
        counter += 1
        entries[pod.key] = Entry(pod: pod, order: counter)
        ready.append(pod.key)
        isSorted = false
    }

    mutating func remove(_ key: ObjectKey) { entries[key] = nil }

    /// The ready pod with the highest priority, oldest first; it is in flight until `park`, `requeue` or `remove`.
    mutating func next() -> Entry? {
        if !isSorted {
            // Removed pods leave their keys behind; a sort drops them.
            let present = ready.compactMap { entries[$0] }.filter { $0.state == .ready }
            ready = present.sorted { Self.precedes($1, $0) }.map(\.pod.key)
            isSorted = true
        }
        while let key = ready.popLast() {
            guard var entry = entries[key], entry.state == .ready else { continue }
            entry.state = .inFlight
            entry.attempts += 1
            entries[key] = entry
            return entry
        }
        return nil
    }

    private static func precedes(_ left: Entry, _ right: Entry) -> Bool {
        if left.pod.priority != right.pod.priority { return left.pod.priority > right.pod.priority }
        return left.order < right.order
    }

    /// The pod did not fit.
    mutating func park(_ key: ObjectKey, now: Double) {
        guard var entry = entries[key] else { return }
        let delay = min(0.2 * Double(1 << min(entry.attempts - 1, 10)), 10)
        entry.state = .parked(notBefore: now + delay, changed: false)
        entries[key] = entry
    }

    /// Binding failed: try again soon.
    mutating func requeue(_ key: ObjectKey, now: Double) {
        guard var entry = entries[key] else { return }
        let delay = min(0.1 * Double(1 << min(entry.attempts - 1, 10)), 10)
        entry.state = .parked(notBefore: now + delay, changed: true)
        entries[key] = entry
    }

    /// The cluster changed so that parked pods may fit.
    mutating func noteChange() {
        for (key, entry) in entries {
            if case .parked(let notBefore, false) = entry.state {
                entries[key]?.state = .parked(notBefore: notBefore, changed: true)
            }
        }
    }

    /// Makes parked pods ready whose time has come; returns when to call again.
    mutating func wake(now: Double) -> Double? {
        var next: Double?
        for (key, entry) in entries {
            guard case .parked(let notBefore, let changed) = entry.state else { continue }
            let due = changed ? notBefore : notBefore + Self.flushInterval
            if due <= now {
                makeReady(key)
            } else {
                next = min(next ?? due, due)
            }
        }
        return next
    }

    private mutating func makeReady(_ key: ObjectKey) {
        entries[key]?.state = .ready
        ready.append(key)
        isSorted = false
    }
}
