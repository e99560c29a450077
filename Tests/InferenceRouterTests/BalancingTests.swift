import Testing

@testable import InferenceRouter

@Suite struct WeightedScheduleTests {
    @Test(
        "Each run of a hundred requests is divided exactly",
        arguments: [[90, 10], [50, 50], [33, 67], [1, 99], [100, 0], [20, 30, 50], [0, 0, 100]]
    )
    func exact(_ weights: [Int]) {
        let schedule = WeightedSchedule(weights: weights)
        for start in [0, 17, 99, 12_345] {
            var counts = [Int](repeating: 0, count: weights.count)
            for number in 0..<100 {
                if let choice = schedule.choice(UInt64(start + number)) { counts[choice] += 1 }
            }
            #expect(counts == weights)
        }
    }

    @Test("A small share is spread, not bunched")
    func spread() {
        let schedule = WeightedSchedule(weights: [90, 10])
        var last = -1
        var widest = 0
        for number in 0..<200 where schedule.choice(UInt64(number)) == 1 {
            if last >= 0 { widest = max(widest, number - last) }
            last = number
        }
        #expect(widest == 10)
    }

    @Test("Nothing is chosen without weight")
    func empty() {
        #expect(WeightedSchedule(weights: [0, 0]).choice(3) == nil)
        #expect(WeightedSchedule(weights: []).choice(3) == nil)
        #expect(WeightedSchedule(weights: [-5, 0]).choice(3) == nil)
    }
}

@Suite struct BalancerStateTests {
    typealias State = BalancerState<Int>

    private func state(_ ids: [String], limit: Int = 1, queue: Int = 10) -> State {
        var state = State(limit: limit, queueLimit: queue)
        _ = state.update(ids.map { member($0) }, limit: limit, queueLimit: queue, now: 0)
        return state
    }

    private func member(_ id: String, available: Bool = true) -> State.Member {
        State.Member(id: id, address: "10.0.0.1", port: 5001, isAvailable: available)
    }

    private func slot(_ acquired: State.Acquired) -> UInt64? { if case .slot(let key) = acquired { key } else { nil } }

    private func take(_ state: inout State, now: UInt64 = 0, excluding excluded: [UInt64] = []) throws -> UInt64 {
        let acquired = state.acquire(now: now, excluding: excluded)
        return try #require(slot(acquired))
    }

    @Test("No backend ever has more requests than the limit")
    func limit() {
        var state = state(["a", "b"], limit: 2)
        let keys = (0..<4).compactMap { _ in slot(state.acquire(now: 0)) }
        #expect(keys.count == 4)
        #expect(state.entries.allSatisfy { $0.inFlight == 2 })
        let acquired1 = state.acquire(now: 0)
        #expect(acquired1 == .busy)
    }

    @Test("The least loaded backend takes the next request")
    func leastLoaded() throws {
        var state = state(["a", "b", "c"], limit: 5)
        let first = try take(&state, now: 0)
        let second = try take(&state, now: 0)
        let third = try take(&state, now: 0)
        #expect(Set([first, second, third]).count == 3)
        _ = state.release(second, now: 0)
        let fourth = slot(state.acquire(now: 0))
        #expect(fourth == second)
    }

    @Test("Ties rotate, so that an idle deployment uses all of its backends")
    func rotation() {
        var state = state(["a", "b", "c"])
        var used: [UInt64: Int] = [:]
        for _ in 0..<30 {
            guard let key = slot(state.acquire(now: 0)) else { continue }
            used[key, default: 0] += 1
            _ = state.release(key, now: 0)
        }
        #expect(used.values.allSatisfy { $0 == 10 })
        #expect(used.count == 3)
    }

    @Test("A freed backend takes the head of the queue")
    func queue() throws {
        var state = state(["a"])
        let key = try take(&state, now: 0)
        let isFirstQueued = state.enqueue(1, ticket: 11)
        let isSecondQueued = state.enqueue(2, ticket: 12)
        #expect(isFirstQueued && isSecondQueued)
        let grant = state.release(key, now: 0)
        #expect(grant?.ticket == 11)
        #expect(grant?.waiter == 1)
        #expect(grant?.key == key)
        let busy = state.acquire(now: 0)
        #expect(busy == .busy)
        let isCancelled = state.cancel(ticket: 12)
        #expect(isCancelled)
        let isCancelledAgain = state.cancel(ticket: 12)
        #expect(!isCancelledAgain)
        let none = state.release(key, now: 0)
        #expect(none == nil)
    }

    @Test("A full queue takes nobody")
    func fullQueue() {
        var state = state([], queue: 1)
        let acquired2 = state.acquire(now: 0)
        #expect(acquired2 == .busy)
        let first = state.enqueue(1, ticket: 1)
        let second = state.enqueue(2, ticket: 2)
        #expect(first && !second)
    }

    @Test("A backend that refuses connections takes nothing until its hold ends, each time longer")
    func hold() throws {
        var state = state(["a", "b"])
        let failed = try take(&state, now: 0)
        let until = state.hold(failed, now: 0)
        _ = state.release(failed, now: 0)
        let next = try take(&state, now: 1)
        #expect(next != failed)
        let acquired3 = state.acquire(now: 1)
        #expect(acquired3 == .busy)
        let again = slot(state.acquire(now: until))
        #expect(again == failed)
        let longer = state.hold(failed, now: until)
        #expect(longer - until == 2 * until)
        state.noteServed(failed, nanoseconds: 5)
        #expect(state.entry(failed)?.failures == 0)
    }

    @Test("A retry never goes to a backend that was tried")
    func exclusion() throws {
        var state = state(["a", "b"])
        let first = try take(&state, now: 0)
        _ = state.release(first, now: 0)
        let second = try take(&state, excluding: [first])
        #expect(second != first)
        // The other one is busy: wait for it, although the tried one is free.
        let acquired4 = state.acquire(now: 0, excluding: [first])
        #expect(acquired4 == .busy)
        let acquired5 = state.acquire(now: 0, excluding: [first, second])
        #expect(acquired5 == .exhausted)
        let isQueued = state.enqueue(7, ticket: 7, excluding: [first])
        #expect(isQueued)
        let early = state.grants(now: 0)
        #expect(early.isEmpty)
        let grant = state.release(second, now: 0)
        #expect(grant?.key == second)
    }

    @Test("A removed backend keeps its count until its requests end, and takes no new ones")
    func removal() throws {
        var state = state(["a", "b"])
        let first = try take(&state, now: 0)
        let id = try #require(state.entry(first)?.member.id)
        let others = ["a", "b"].filter { $0 != id }.map { member($0) }
        _ = state.update(others, limit: 1, queueLimit: 10, now: 0)
        #expect(state.entries.count == 2)
        #expect(state.available == 1)
        let second = slot(state.acquire(now: 0))
        #expect(second != first)
        let acquired6 = state.acquire(now: 0)
        #expect(acquired6 == .busy)
        _ = state.release(first, now: 0)
        #expect(state.entries.count == 1)
    }

    @Test("A backend that becomes ready starts those who wait")
    func arrival() {
        var state = state([])
        for ticket in 1...3 { _ = state.enqueue(Int(ticket), ticket: UInt64(ticket)) }
        let grants = state.update(
            [member("a"), member("b"), member("c", available: false)],
            limit: 1,
            queueLimit: 10,
            now: 0
        )
        #expect(grants.map(\.ticket) == [1, 2])
        let more = state.update([member("a"), member("b"), member("c")], limit: 1, queueLimit: 10, now: 0)
        #expect(more.map(\.ticket) == [3])
        #expect(state.inFlight == 3)
    }

    @Test("Keys stay with a backend, and a new pod on an old address is another backend")
    func keys() {
        var state = state(["a"])
        let before = state.entries[0].key
        _ = state.update([member("a")], limit: 1, queueLimit: 10, now: 0)
        #expect(state.entries[0].key == before)
        _ = state.update([member("z")], limit: 1, queueLimit: 10, now: 0)
        #expect(state.entries[0].key != before)
    }

    @Test("Random use never exceeds a limit and never loses a slot")
    func randomUse() {
        var generator = SplitMix(state: 7)
        var state = state(["a", "b", "c"], limit: 2, queue: 5)
        var held: [UInt64] = []
        var queued: Set<UInt64> = []
        var ticket: UInt64 = 0
        for step in 0..<20_000 {
            switch generator.next() % 6 {
            case 0, 1, 2:
                switch state.acquire(now: UInt64(step)) {
                case .slot(let key): held.append(key)
                case .busy:
                    ticket += 1
                    if state.enqueue(0, ticket: ticket) { queued.insert(ticket) }
                case .exhausted: Issue.record("nothing was excluded")
                }
            case 3, 4:
                guard !held.isEmpty else { continue }
                let key = held.remove(at: Int(generator.next() % UInt64(held.count)))
                if let grant = state.release(key, now: UInt64(step)) {
                    held.append(grant.key)
                    queued.remove(grant.ticket)
                }
            default:
                let ids = ["a", "b", "c", "d"].filter { _ in generator.next() % 3 > 0 }
                for grant in state.update(ids.map { member($0) }, limit: 2, queueLimit: 5, now: UInt64(step)) {
                    held.append(grant.key)
                    queued.remove(grant.ticket)
                }
            }
            #expect(state.inFlight == held.count)
            #expect(state.queue.count == queued.count)
            #expect(state.entries.allSatisfy { $0.inFlight <= 2 })
        }
    }
}

@Suite struct DeadlineWheelTests {
    final class Holder: DeadlineHolder {
        var deadline: UInt64
        var wheelTick: UInt64 = 0
        init(_ deadline: UInt64) { self.deadline = deadline }
        func deadlineReached(now: UInt64) {}
    }

    private let tick = DeadlineWheel<Holder>.tickNanoseconds

    @Test("A holder comes due once its deadline has passed, not before")
    func due() {
        var wheel = DeadlineWheel<Holder>(now: 0)
        let holder = Holder(10 * tick + 5)
        _ = wheel.schedule(holder)
        let due1 = wheel.advance(now: 10 * tick)
        #expect(due1.isEmpty)
        let due2 = wheel.advance(now: 11 * tick)
        #expect(due2.count == 1)
        #expect(wheel.count == 0)
        #expect(wheel.nextTick == nil)
    }

    @Test("A deadline that moves later needs no new entry; one that moves earlier does")
    func moves() {
        var wheel = DeadlineWheel<Holder>(now: 0)
        let holder = Holder(10 * tick)
        let first = wheel.schedule(holder)
        #expect(first == 11)
        holder.deadline = 50 * tick
        let second = wheel.schedule(holder)
        #expect(second == nil)
        let due3 = wheel.advance(now: 20 * tick)
        #expect(due3.isEmpty)
        #expect(wheel.nextTick == 51)
        holder.deadline = 30 * tick
        let third = wheel.schedule(holder)
        #expect(third == 31)
        let due4 = wheel.advance(now: 31 * tick)
        #expect(due4.count == 1)
        let due5 = wheel.advance(now: 60 * tick)
        #expect(due5.isEmpty)
    }

    @Test("Far deadlines are carried round")
    func far() {
        var wheel = DeadlineWheel<Holder>(now: 0)
        let holder = Holder(10_000 * tick)
        _ = wheel.schedule(holder)
        var now: UInt64 = 0
        var due = 0
        while now < 10_002 * tick {
            now += 100 * tick
            due += wheel.advance(now: now).count
        }
        #expect(due == 1)
    }

    @Test("A cleared deadline leaves the wheel")
    func cleared() {
        var wheel = DeadlineWheel<Holder>(now: 0)
        let holder = Holder(5 * tick)
        _ = wheel.schedule(holder)
        holder.deadline = 0
        let due6 = wheel.advance(now: 100 * tick)
        #expect(due6.isEmpty)
        #expect(holder.wheelTick == 0)
        holder.deadline = 200 * tick
        let again = wheel.schedule(holder)
        #expect(again != nil)
    }
}
