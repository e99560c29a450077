internal import DequeModule

/// Which backend takes a request of one deployment, and who waits for one.
///
/// Holds no clock, lock or socket. The rule: never more than `limit` requests on a backend; the one with the fewest takes the
/// next, found by a scan of all, ties broken by a rotating start; when all are full, requests wait in one queue and a backend
/// that becomes free takes its head. A request is committed to a backend only at the moment it can start there.
struct BalancerState<Waiter> {
    /// A backend as the caller describes it.
    ///
    /// The same `id` keeps its key, its count and its place.
    struct Member: Sendable, Hashable {
        var id: String
        var address: String
        var port: Int
        /// Ready and not terminating.
        var isAvailable: Bool
    }

    struct Entry {
        let key: UInt64
        var member: Member
        var inFlight = 0
        var isRemoved = false
        /// Available and not removed: the one flag that the scan reads.
        var isOpen: Bool
        var failures = 0
        /// Takes nothing before this time, in nanoseconds of the caller's clock.
        var heldUntil: UInt64 = 0

        init(key: UInt64, member: Member) {
            self.key = key
            self.member = member
            isOpen = member.isAvailable
        }
    }

    struct Queued {
        let ticket: UInt64
        let waiter: Waiter
        /// Backends that failed this request already.
        let excluded: [UInt64]
    }

    /// A queued request that may start now; its slot is taken.
    struct Grant {
        let ticket: UInt64
        let waiter: Waiter
        let key: UInt64
    }

    enum Acquired: Hashable {
        /// Start on the backend with this key; give it back with `release`.
        case slot(UInt64)
        /// Wait in the queue.
        case busy
        /// This request has tried every backend that there is.
        case exhausted
    }

    private(set) var entries: ContiguousArray<Entry> = []
    private(set) var queue: Deque<Queued> = []
    private var limit: Int
    private var queueLimit: Int
    private var rotation = 0
    private var nextKey: UInt64
    private let keyStride: UInt64
    /// Smoothed time on a backend, for the estimate of a wait.
    private(set) var meanServiceNanoseconds: UInt64 = 0

    /// Keys are `firstKey`, `firstKey + keyStride`, …, so that several deployments share a key space.
    init(limit: Int, queueLimit: Int, firstKey: UInt64 = 1, keyStride: UInt64 = 1) {
        self.limit = max(1, limit)
        self.queueLimit = max(0, queueLimit)
        nextKey = firstKey
        self.keyStride = keyStride
    }

    /// Takes a slot on the least loaded backend that may take one.
    mutating func acquire(now: UInt64, excluding excluded: [UInt64] = []) -> Acquired {
        let count = entries.count
        guard count > 0 else { return .busy }
        var best = -1
        var bestLoad = limit
        var hasCandidate = excluded.isEmpty
        rotation = rotation + 1 < count ? rotation + 1 : 0
        var index = rotation
        for _ in 0..<count {
            let load = entries[index].inFlight
            if entries[index].isOpen && (load < bestLoad || !hasCandidate) {
                if excluded.isEmpty || !excluded.contains(entries[index].key) {
                    hasCandidate = true
                    if load < bestLoad && entries[index].heldUntil <= now {
                        best = index
                        bestLoad = load
                        if load == 0 { break }
                    }
                }
            }
            index = index + 1 < count ? index + 1 : 0
        }
        if best >= 0 {
            entries[best].inFlight += 1
            return .slot(entries[best].key)
        }
        return hasCandidate ? .busy : .exhausted
    }

    /// Puts a request in the queue; false when the queue is full.
    mutating func enqueue(_ waiter: Waiter, ticket: UInt64, excluding excluded: [UInt64] = []) -> Bool {
        guard queue.count < queueLimit else { return false }
        queue.append(Queued(ticket: ticket, waiter: waiter, excluded: excluded))
        return true
    }

    /// Takes a request out of the queue; false when it is not there (any more).
    mutating func cancel(ticket: UInt64) -> Bool {
        guard let index = queue.firstIndex(where: { $0.ticket == ticket }) else { return false }
        queue.remove(at: index)
        return true
    }

    /// Gives a slot back and starts whoever waited for it.
    mutating func release(_ key: UInt64, now: UInt64) -> Grant? {
        guard let index = index(of: key) else { return nil }
        entries[index].inFlight -= 1
        if entries[index].isRemoved && entries[index].inFlight == 0 {
            entries.remove(at: index)
            return nil
        }
        return queue.isEmpty ? nil : grant(at: index, now: now)
    }

    /// Notes how long a request took on a backend, which answered: it is well.
    mutating func noteServed(_ key: UInt64, nanoseconds: UInt64) {
        meanServiceNanoseconds =
            meanServiceNanoseconds == 0
            ? nanoseconds : meanServiceNanoseconds - meanServiceNanoseconds / 8 + nanoseconds / 8
        if let index = index(of: key), entries[index].failures > 0 {
            entries[index].failures = 0
            entries[index].heldUntil = 0
        }
    }

    /// Notes that a backend did not accept a connection: it takes nothing for a while, longer each time.
    ///
    /// - Returns: when the hold ends; call `grants` then.
    mutating func hold(_ key: UInt64, now: UInt64) -> UInt64 {
        guard let index = index(of: key) else { return now }
        entries[index].failures = min(entries[index].failures + 1, 5)
        let milliseconds = UInt64(125) << UInt64(entries[index].failures)
        entries[index].heldUntil = now + milliseconds * 1_000_000
        return entries[index].heldUntil
    }

    /// Starts as many queued requests as there is room for.
    mutating func grants(now: UInt64) -> [Grant] {
        var grants: [Grant] = []
        while !queue.isEmpty {
            var started: Grant?
            for position in queue.indices {
                guard case .slot(let key) = acquire(now: now, excluding: queue[position].excluded) else { continue }
                let queued = queue.remove(at: position)
                started = Grant(ticket: queued.ticket, waiter: queued.waiter, key: key)
                break
            }
            guard let started else { break }
            grants.append(started)
        }
        return grants
    }

    /// Takes over the current backends and limits; counts of backends that stay are kept.
    mutating func update(_ members: [Member], limit: Int, queueLimit: Int, now: UInt64) -> [Grant] {
        self.limit = max(1, limit)
        self.queueLimit = max(0, queueLimit)
        var known: [String: Member] = [:]
        for member in members { known[member.id] = member }
        for index in entries.indices {
            let old = entries[index].member
            if let member = known[old.id], member.address == old.address, member.port == old.port {
                if member.isAvailable && !old.isAvailable {
                    // A probe has just found it ready: what was learnt before does not count any more.
                    entries[index].failures = 0
                    entries[index].heldUntil = 0
                }
                entries[index].member = member
                entries[index].isRemoved = false
                entries[index].isOpen = member.isAvailable
                known[old.id] = nil
            } else {
                entries[index].isRemoved = true
                entries[index].isOpen = false
            }
        }
        entries.removeAll { $0.isRemoved && $0.inFlight == 0 }
        for member in members where known[member.id] != nil {
            known[member.id] = nil
            entries.append(Entry(key: nextKey, member: member))
            nextKey += keyStride
        }
        return grants(now: now)
    }

    /// The backend with this key.
    func entry(_ key: UInt64) -> Entry? { entries.first { $0.key == key } }

    var inFlight: Int { entries.reduce(0) { $0 + $1.inFlight } }
    var available: Int { entries.reduce(0) { $0 + ($1.isOpen ? 1 : 0) } }

    /// Whole seconds, at least one, after which a request that finds the queue as it is may start.
    var retryAfterSeconds: Int {
        let slots = UInt64(max(1, available * limit))
        let nanoseconds = UInt64(queue.count + 1) * max(meanServiceNanoseconds, 1_000_000) / slots
        return Int(min(60, max(1, (nanoseconds + 999_999_999) / 1_000_000_000)))
    }

    private func index(of key: UInt64) -> Int? {
        for index in entries.indices where entries[index].key == key { return index }
        return nil
    }

    private mutating func grant(at index: Int, now: UInt64) -> Grant? {
        let key = entries[index].key
        guard entries[index].isOpen, entries[index].inFlight < limit, entries[index].heldUntil <= now,
            let position = queue.firstIndex(where: { !$0.excluded.contains(key) })
        else { return nil }
        let queued = queue.remove(at: position)
        entries[index].inFlight += 1
        return Grant(ticket: queued.ticket, waiter: queued.waiter, key: key)
    }
}
