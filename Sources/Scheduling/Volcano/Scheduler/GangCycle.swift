internal import KubeCore

extension GangState {
    /// One pass: admit gangs to their queues, place those that fit as a whole, and explain the others.
    ///
    /// - `now`: seconds on a steady clock.
    mutating func cycle(now: Double, timestamp: String) -> GangOrders {
        var orders = GangOrders()
        if !open.isEmpty {
            var books = QueueBooks(self)
            admit(&books, now: now)
            allocate(&books, &orders, now: now)
        }
        writeStatuses(&orders, now: now, timestamp: timestamp)
        return orders
    }

    // MARK: enqueue

    private mutating func admit(_ books: inout QueueBooks, now: Double) {
        let pending = open.compactMap { gangs[$0] }.filter { !$0.isAdmitted }
        guard !pending.isEmpty else { return }
        let total = cluster.allocatable
        // Slightly more than there is may queue, so that pods exist by the time room is free.
        let limit = total.scaled(by: 1.2)
        var claimed = cluster.used + books.reserved
        claimed.pods = 0
        for gang in pending.sorted(by: { books.precedes($0, $1) }) {
            guard let queue = queues[gang.queue], queue.isOpen else {
                wait(gang.key, now, "QueueNotOpen", queueSentence(gang.queue))
                continue
            }
            let asked = gang.minResources
            if let resource = queue.excess(of: asked, over: books.claimed(gang.queue)).first {
                let sentence = WaitingSentence.queueLimit(
                    queue,
                    resource: resource,
                    asked: asked[resource],
                    held: books.claimed(gang.queue)[resource],
                    holders: holders(ofQueue: gang.queue, resource)
                )
                wait(gang.key, now, "NotEnoughResources", sentence)
                continue
            }
            if let resource = (claimed + asked).shortages(in: limit).first(where: { asked[$0] > 0 }) {
                let sentence = WaitingSentence.clusterFull(
                    resource: resource,
                    asked: asked[resource],
                    cluster: cluster,
                    gang: gang
                )
                wait(gang.key, now, "NotEnoughResources", sentence)
                continue
            }
            gangs[gang.key]?.phase = "Inqueue"
            touched.insert(gang.key)
            claimed += asked
            books.reserve(asked, in: gang.queue)
            if gang.waiting.isEmpty {
                // Its pods are only made now.
                open.remove(gang.key)
                settle(gang.key)
            }
        }
    }

    private func queueSentence(_ name: String) -> String {
        queues[name] == nil
            ? "queue \(name) does not exist: create it or use another queue"
            : "queue \(name) is closed: open it or use another queue"
    }

    func holders(ofQueue queue: String, _ resource: String) -> [(name: String, amount: Int)] {
        gangs.values.filter { $0.queue == queue && $0.held[resource] > 0 }
            .map { (name: "\($0.key.namespace ?? "")/\($0.name)", amount: $0.held[resource]) }
            .sorted { ($1.amount, $0.name) < ($0.amount, $1.name) }
    }

    // MARK: allocate

    private mutating func allocate(_ books: inout QueueBooks, _ orders: inout GangOrders, now: Double) {
        var ready = open.compactMap { gangs[$0] }.filter { gang in
            guard gang.isAdmitted, !gang.waiting.isEmpty else { return false }
            guard let last = gang.lastTry else { return true }
            return last.version != gang.version || last.room != room
        }.sorted { books.precedes($1, $0) }
        guard !ready.isEmpty else { return }
        // Queues with waiting gangs take turns: the one with the smallest part of its share goes first.
        var lines: [String: [Gang]] = [:]
        while let gang = ready.popLast() { lines[gang.queue, default: []].append(gang) }
        for queue in lines.keys { lines[queue]?.reverse() }
        books.divide(cluster.allocatable, waiting: open.compactMap { gangs[$0] }.filter(\.isAdmitted))
        while let queue = lines.keys.min(by: { books.turn($0) < books.turn($1) }) {
            guard let gang = lines[queue]?.popLast() else {
                lines[queue] = nil
                continue
            }
            if let usage = books.overuse(by: gang, others: lines.keys.contains { $0 != queue }) {
                let known = queues[queue].map { WaitingSentence.queueShare($0, usage: usage) }
                wait(gang.key, now, "NotEnoughResources", known ?? queueSentence(queue))
                continue
            }
            tryGang(gang.key, &books, &orders, now: now)
        }
    }

    /// Places all waiting pods of a gang that fit; keeps that only when the gang's minimum is met by it.
    private mutating func tryGang(
        _ key: ObjectKey,
        _ books: inout QueueBooks,
        _ orders: inout GangOrders,
        now: Double
    ) {
        guard let gang = gangs[key] else { return }
        func fail(_ reason: String, _ sentence: String) {
            gangs[key]?.lastTry = (gang.version, room)
            wait(key, now, reason, sentence)
        }
        guard let queue = queues[gang.queue] else { return fail("QueueNotOpen", queueSentence(gang.queue)) }
        if let missing = gang.missingPods { return fail(missing.reason, missing.sentence) }
        var trial = Trial()
        let members = gang.waiting.compactMap { gang.members[$0] }.sorted(by: Self.precedes)
        for member in members {
            let pod = member.pod
            if trial.misfits[pod.signature] != nil {
                trial.missing += 1
                continue
            }
            if let resource = queue.excess(of: pod.requests, over: books.held(gang.queue) + trial.taken).first {
                trial.misfits[pod.signature] = .queue(resource)
                trial.first = trial.first ?? (pod, .queue(resource))
                trial.missing += 1
                continue
            }
            switch placeOne(pod) {
            case .node(let node):
                cluster.assume(pod, on: node)
                trial.placed.append((pod, node))
                trial.extra[member.task, default: 0] += 1
                trial.taken += pod.requests
            case .unfit(let why):
                if !pod.dependsOnPods { trial.misfits[pod.signature] = .nodes(why) }
                trial.first = trial.first ?? (pod, .nodes(why))
                trial.missing += 1
            }
        }
        let isReady = gang.isReady(withExtra: trial.extra)
        if !isReady { for (pod, _) in trial.placed { cluster.forget(pod.key) } }
        if isReady, !trial.placed.isEmpty {
            for (pod, node) in trial.placed {
                orders.bind.append((pod, node))
                place(pod, of: key)
            }
            books.take(trial.taken, in: gang.queue)
        }
        guard let (pod, why) = trial.first else { return settle(key) }
        let missing = isReady ? trial.missing : max(1, trial.missing)
        let sentence: String
        switch why {
        case .queue(let resource):
            sentence = WaitingSentence.queueLimit(
                queue,
                resource: resource,
                asked: pod.requests[resource] * missing,
                held: books.held(gang.queue)[resource],
                holders: holders(ofQueue: gang.queue, resource)
            )
        case .nodes(let why):
            sentence = WaitingSentence.noRoom(gang, missing: missing, pod: pod, why: why, cluster: cluster)
        }
        let version = gangs[key]?.version ?? gang.version
        gangs[key]?.lastTry = (version, room)
        wait(key, now, "NotEnoughResources", sentence)
    }

    private struct Trial {
        enum Obstacle {
            case queue(String)
            case nodes(Unavailability)
        }

        var placed: [(PodRequirements, String)] = []
        var extra: [String: Int] = [:]
        var taken = Resources()
        var missing = 0
        var misfits: [Int: Obstacle] = [:]
        var first: (PodRequirements, Obstacle)?
    }

    private mutating func placeOne(_ pod: PodRequirements) -> PlacementDecision {
        let positions: [Int]
        if let known = candidates[pod.signature] {
            positions = known
        } else {
            positions = cluster.staticCandidates(for: pod)
            candidates[pod.signature] = positions
        }
        return cluster.place(pod, policy: .pack, candidates: positions)
    }

    /// Within a gang: priority, task, then index (shorter names first, so that 10 comes after 9).
    private static func precedes(_ left: Gang.Member, _ right: Gang.Member) -> Bool {
        if left.pod.priority != right.pod.priority { return left.pod.priority > right.pod.priority }
        if left.task != right.task { return left.task < right.task }
        let (leftName, rightName) = (left.pod.key.name, right.pod.key.name)
        if leftName.utf8.count != rightName.utf8.count { return leftName.utf8.count < rightName.utf8.count }
        return leftName < rightName
    }

    private mutating func wait(_ key: ObjectKey, _ now: Double, _ reason: String, _ sentence: String) {
        guard gangs[key] != nil else { return }
        gangs[key]?.waitingInfo.explanation = Explanation(reason: reason, sentence: sentence)
        if gangs[key]?.waitingInfo.since == nil { gangs[key]?.waitingInfo.since = now }
        touched.insert(key)
    }

    private mutating func settle(_ key: ObjectKey) {
        gangs[key]?.waitingInfo.explanation = nil
        gangs[key]?.waitingInfo.since = nil
    }
}

/// What queues hold, have promised, and may hold; made anew for each cycle.
struct QueueBooks: Sendable {
    private let queues: [String: GangQueue]
    private var heldByQueue: [String: Resources] = [:]
    private var reservedByQueue: [String: Resources] = [:]
    private var shares: [String: Resources] = [:]
    /// Minimums of admitted gangs that are not placed yet.
    private(set) var reserved = Resources()

    init(_ state: GangState) {
        queues = state.queues
        for gang in state.gangs.values {
            if !gang.held.isZero { heldByQueue[gang.queue, default: Resources()] += gang.held }
            guard gang.object != nil, gang.phase == "Inqueue", !gang.isReady() else { continue }
            reserve(gang.minResources, in: gang.queue)
        }
    }

    func held(_ queue: String) -> Resources { heldByQueue[queue] ?? Resources() }
    func claimed(_ queue: String) -> Resources { held(queue) + (reservedByQueue[queue] ?? Resources()) }

    mutating func reserve(_ resources: Resources, in queue: String) {
        reservedByQueue[queue, default: Resources()] += resources
        reserved += resources
    }

    mutating func take(_ resources: Resources, in queue: String) {
        heldByQueue[queue, default: Resources()] += resources
    }

    mutating func divide(_ total: Resources, waiting: [Gang]) {
        var wanted = heldByQueue
        for gang in waiting { wanted[gang.queue, default: Resources()] += gang.wanted }
        shares = QueueShares.divide(
            total,
            among: wanted.map { name, resources in
                let queue = queues[name]
                return QueueShares.Claim(
                    name: name,
                    weight: queue?.weight ?? 1,
                    wanted: resources,
                    capability: queue?.capability,
                    capabilityNames: queue?.capabilityNames ?? []
                )
            }
        )
    }

    private func usage(_ queue: String) -> Double {
        QueueShares.usage(held(queue), of: shares[queue] ?? Resources())
    }

    /// The queue with the smallest goes next.
    func turn(_ queue: String) -> (Int, Double, String) { (-(queues[queue]?.priority ?? 0), usage(queue), queue) }

    /// How much of its share the gang's queue holds, when it is all of it and others wait; else nil.
    func overuse(by gang: Gang, others: Bool) -> Double? {
        guard others, let share = shares[gang.queue] else { return nil }
        let held = held(gang.queue)
        let isOver = gang.wanted.names.contains { name in
            name != "pods" && held[name] > 0 && held[name] >= share[name]
        }
        return isOver ? usage(gang.queue) : nil
    }

    /// Higher priority first, then older.
    func precedes(_ left: Gang, _ right: Gang) -> Bool {
        if left.priority != right.priority { return left.priority > right.priority }
        if left.created != right.created { return left.created < right.created }
        return left.key.description < right.key.description
    }
}
