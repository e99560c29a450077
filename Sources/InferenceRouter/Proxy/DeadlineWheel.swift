/// Something with a deadline that moves often and is reached seldom.
protocol DeadlineHolder: AnyObject {
    /// When to call `deadlineReached`, in nanoseconds; 0 = never.
    var deadline: UInt64 { get }
    /// The tick at which the wheel looks at it next; owned by the wheel. 0 = not in the wheel.
    var wheelTick: UInt64 { get set }
    func deadlineReached(now: UInt64)
}

/// Coarse timers for many holders: setting a deadline costs nothing when the holder is in the wheel already.
///
/// The wheel looks at a holder when its remembered tick comes and moves it on if the deadline has moved. So a connection that
/// serves thousands of requests, each with a deadline of five seconds, is touched once in five seconds.
struct DeadlineWheel<Holder: DeadlineHolder> {
    static var tickNanoseconds: UInt64 { 10_000_000 }
    private static var slotCount: UInt64 { 2048 }

    private var slots: [ContiguousArray<Holder>]
    /// The next tick to look at.
    private var cursor: UInt64
    private(set) var count = 0

    init(now: UInt64) {
        slots = Array(repeating: [], count: Int(DeadlineWheel.slotCount))
        cursor = now / DeadlineWheel.tickNanoseconds
    }

    /// Makes sure that the wheel looks at the holder no later than its deadline.
    ///
    /// - Returns: the tick of a new entry, which may need an earlier wake-up; nil when nothing had to be done.
    mutating func schedule(_ holder: Holder) -> UInt64? {
        let deadline = holder.deadline
        guard deadline > 0 else { return nil }
        let tick = min(
            max(deadline / DeadlineWheel.tickNanoseconds + 1, cursor),
            cursor + DeadlineWheel.slotCount - 1
        )
        guard holder.wheelTick == 0 || tick < holder.wheelTick else { return nil }
        holder.wheelTick = tick
        slots[Int(tick % DeadlineWheel.slotCount)].append(holder)
        count += 1
        return tick
    }

    /// Looks at everything whose tick has come.
    ///
    /// - Returns: the holders whose deadline has passed; they are out of the wheel.
    mutating func advance(now: UInt64) -> [Holder] {
        let last = now / DeadlineWheel.tickNanoseconds
        var due: [Holder] = []
        while cursor <= last && count > 0 {
            let tick = cursor
            let slot = Int(tick % DeadlineWheel.slotCount)
            cursor += 1
            guard !slots[slot].isEmpty else { continue }
            let holders = slots[slot]
            slots[slot] = []
            count -= holders.count
            for holder in holders where holder.wheelTick == tick {
                holder.wheelTick = 0
                let deadline = holder.deadline
                if deadline == 0 { continue }
                if deadline <= now { due.append(holder) } else { _ = schedule(holder) }
            }
        }
        cursor = max(cursor, last + 1)
        return due
    }

    /// The next tick that has an entry.
    var nextTick: UInt64? {
        guard count > 0 else { return nil }
        var tick = cursor
        while slots[Int(tick % DeadlineWheel.slotCount)].isEmpty { tick += 1 }
        return tick
    }
}
