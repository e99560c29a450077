/// The recent changes of one resource in the order of their revisions, bounded by age, count and bytes.
struct ChangeRing {
    struct Limits: Sendable {
        /// Nanoseconds a change is kept whatever the count, while the hard bounds allow.
        var minimumAge: UInt64 = 80_000_000_000
        /// Nanoseconds after which a change goes.
        var maximumAge: UInt64 = 300_000_000_000
        /// Changes kept beyond the minimum age.
        var count = 2_000
        var hardCount = 60_000
        var hardBytes = 64 << 20
    }

    private struct Slot {
        var change: StoreChange
        var time: UInt64
    }

    private var slots: [Slot] = []
    private var head = 0
    private var byteCount = 0
    /// The revision of the last change that was dropped: reading after it or later misses nothing.
    private(set) var floor: Int64

    init(floor: Int64) { self.floor = floor }

    var count: Int { slots.count - head }
    var last: Int64? { count > 0 ? slots[slots.count - 1].change.revision : nil }

    mutating func append(_ change: StoreChange, time: UInt64) {
        slots.append(Slot(change: change, time: time))
        byteCount += change.object.bytes.count
    }

    /// Drops what the limits no longer allow.
    mutating func trim(_ limits: Limits, now: UInt64) {
        while count > 0 {
            let first = slots[head]
            let age = now > first.time ? now - first.time : 0
            let isTooMuch = count > limits.hardCount || byteCount > limits.hardBytes
            let isOld = age > limits.maximumAge || (age > limits.minimumAge && count > limits.count)
            guard isTooMuch || isOld else { break }
            floor = first.change.revision
            byteCount -= first.change.object.bytes.count
            head += 1
        }
        if head > 64, head * 2 > slots.count {
            slots.removeFirst(head)
            head = 0
        }
    }

    /// Up to `limit` changes after `revision`.
    func changes(after revision: Int64, limit: Int = .max) -> [StoreChange] {
        let start = index(after: revision)
        let end = limit < slots.count - start ? start + limit : slots.count
        return slots[start..<end].map(\.change)
    }

    func hasChanges(after revision: Int64) -> Bool { (last ?? 0) > revision }

    private func index(after revision: Int64) -> Int {
        var low = head
        var high = slots.count
        while low < high {
            let middle = (low + high) / 2
            if slots[middle].change.revision <= revision { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
