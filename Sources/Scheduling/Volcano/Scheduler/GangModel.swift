internal import KubeCore

/// A queue as the gang scheduler sees it.
struct GangQueue: Sendable, Equatable {
    var name: String
    var weight: Int
    var priority: Int
    /// nil when unlimited.
    var capability: Resources?
    var capabilityNames: Set<String>
    var isOpen: Bool

    init(_ queue: KubeObject) {
        name = queue.name
        weight = max(queue["spec", "weight"]?.intValue ?? 1, 1)
        priority = queue["spec", "priority"]?.intValue ?? 0
        let limits = queue["spec", "capability"]?.objectValue ?? [:]
        capabilityNames = Set(limits.keys)
        capability = limits.isEmpty ? nil : Resources(.object(limits))
        let state = queue["status", "state"]?.stringValue ?? ""
        isOpen = state.isEmpty || state == "Open"
    }

    /// Resources that `asked` on top of `held` would take beyond the capability.
    func excess(of asked: Resources, over held: Resources) -> [String] {
        guard let capability else { return [] }
        return capabilityNames.sorted().filter { asked[$0] > 0 && held[$0] + asked[$0] > capability[$0] }
    }
}

/// A PodGroup and its pods.
///
/// A pod of no group is a group of its own, without an object.
struct Gang: Sendable {
    enum Place: Sendable, Equatable {
        case waiting
        /// Has a node, decided here or written in the API.
        case placed
        /// Being deleted: holds its resources, but the gang cannot count on it.
        case leaving
        case succeeded
        case failed
        /// Has scheduling gates.
        case gated
    }

    struct Member: Sendable {
        var pod: PodRequirements
        var place: Place
        var isRunning: Bool
        var task: String
    }

    let key: ObjectKey
    /// nil for a pod of no group.
    var object: KubeObject?
    private(set) var members: [ObjectKey: Member] = [:]
    private(set) var waiting: Set<ObjectKey> = []
    private(set) var counts: [Place: Int] = [:]
    private(set) var runningCount = 0
    /// Pods that count for the minimum, by task.
    private(set) var readyPerTask: [String: Int] = [:]
    private(set) var existingPerTask: [String: Int] = [:]
    /// Requests of placed pods.
    private(set) var held = Resources()
    /// Requests of waiting pods.
    private(set) var wanted = Resources()
    private(set) var queue = VolcanoNames.defaultQueue
    private(set) var minMember = 1
    private(set) var minTaskMember: [String: Int] = [:]
    private(set) var minResources = Resources()
    private(set) var classPriority = 0
    var phase = "Pending"
    private(set) var created = 0.0
    /// Changes with every member and every change of the object.
    private(set) var version = 0
    /// (own version, cluster's room) of the last try that failed: trying again would fail again.
    var lastTry: (version: Int, room: Int)?
    var waitingInfo = WaitingInfo()

    init(key: ObjectKey) { self.key = key }

    mutating func take(_ group: KubeObject, priority: Int) {
        let spec = group["spec"]
        // A status written here comes back as an event, and is no news.
        if object?["spec"] != spec || classPriority != priority { version += 1 }
        object = group
        let name = spec?["queue"]?.stringValue ?? ""
        queue = name.isEmpty ? VolcanoNames.defaultQueue : name
        minMember = spec?["minMember"]?.intValue ?? 1
        minTaskMember = (spec?["minTaskMember"]?.objectValue ?? [:]).compactMapValues(\.intValue)
        minResources = Resources(spec?["minResources"])
        minResources.pods = 0
        classPriority = priority
        let text = group["status", "phase"]?.stringValue ?? ""
        phase = text.isEmpty ? "Pending" : text
        created = group.creationTimestamp.flatMap { Timestamp.seconds($0) } ?? 0
    }

    mutating func set(_ member: Member?, for key: ObjectKey) {
        if let old = members[key] { account(old, key, -1) }
        members[key] = member
        if let member {
            account(member, key, 1)
            if object == nil { created = member.pod.created }
        }
        version += 1
    }

    private mutating func account(_ member: Member, _ key: ObjectKey, _ sign: Int) {
        counts[member.place, default: 0] += sign
        existingPerTask[member.task, default: 0] += sign
        if member.isRunning { runningCount += sign }
        switch member.place {
        case .waiting:
            if sign > 0 { waiting.insert(key) } else { waiting.remove(key) }
            if sign > 0 { wanted += member.pod.requests } else { wanted -= member.pod.requests }
        case .placed, .leaving:
            if sign > 0 { held += member.pod.requests } else { held -= member.pod.requests }
        default: break
        }
        if member.place == .placed || member.place == .succeeded { readyPerTask[member.task, default: 0] += sign }
    }

    func count(_ place: Place) -> Int { counts[place] ?? 0 }
    /// Pods that have a place or are done well.
    var readyCount: Int { count(.placed) + count(.succeeded) }
    var isAdmitted: Bool { object == nil || phase != "Pending" }
    var priority: Int {
        guard classPriority == 0 else { return classPriority }
        return members.values.first?.pod.priority ?? 0
    }
    var name: String { object?.labels[VolcanoNames.jobName] ?? key.name }

    /// The gang's minimum is met when `extra` pods per task are placed too.
    func isReady(withExtra extra: [String: Int] = [:]) -> Bool {
        guard readyCount + extra.values.reduce(0, +) >= minMember else { return false }
        return minTaskMember.allSatisfy { task, minimum in
            (readyPerTask[task] ?? 0) + (extra[task] ?? 0) >= minimum
        }
    }

    /// Why the gang could not start even in an empty cluster: too few pods exist.
    var missingPods: Explanation? {
        let existing = count(.waiting) + readyCount
        if existing < minMember {
            let gated = count(.gated)
            let more = gated > 0 ? " (\(gated) more are held back by scheduling gates)" : ""
            return Explanation(
                reason: "NotEnoughTasks",
                sentence: "\(existing) of the \(minMember) pods that must start together exist\(more): "
                    + "wait for the others to be created, or see why they are not"
            )
        }
        for (task, minimum) in minTaskMember.sorted(by: { $0.key < $1.key }) {
            let present = existingPerTask[task] ?? 0
            if present < minimum {
                return Explanation(
                    reason: "NotEnoughPodsOfTask",
                    sentence: "\(present) of the \(minimum) pods of task \(task) that must start together exist: "
                        + "wait for the others to be created, or see why they are not"
                )
            }
        }
        return nil
    }
}

/// What was said about a gang's waiting, and when.
struct WaitingInfo: Sendable {
    /// nil while it does not wait.
    var explanation: Explanation?
    /// When it began to wait.
    var since: Double?
    /// What the PodGroup says, and since when.
    var written: Explanation?
    var writtenAt = -Double.infinity
    /// When its pods were last told.
    var podsToldAt = -Double.infinity
    var toldPods: Set<ObjectKey> = []

    /// Short waits are not worth a write, and changes of detail no more than one a second.
    static let firstDelay = 0.3
    static let interval = 1.0
    static let podInterval = 10.0

    /// When the explanation should be written; nil when there is nothing new.
    var due: Double? {
        guard let explanation, let since, explanation != written else { return nil }
        return max(since + Self.firstDelay, writtenAt + Self.interval)
    }
}

/// Why a gang waits, in parts: the condition's reason and one sentence for people.
struct Explanation: Sendable, Equatable {
    var reason: String
    var sentence: String
}

/// Orders of work; the shell writes them.
struct GangOrders: Sendable {
    struct Telling: Sendable {
        var pods: [PodRequirements]
        var sentence: String
    }

    var bind: [(pod: PodRequirements, node: String)] = []
    /// PodGroups with the status they should have.
    var statuses: [(group: KubeObject, status: JSON)] = []
    var tell: [Telling] = []
    /// When to look again although nothing changed.
    var recheck: Double?
}
