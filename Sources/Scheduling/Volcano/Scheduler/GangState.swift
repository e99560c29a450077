internal import KubeCore

/// What the gang scheduler knows and decides: queues, PodGroups and their pods on top of the cluster.
///
/// Kept up to date change by change; a cycle only looks at gangs that wait and for which something changed since the last try.
struct GangState: Sendable {
    enum Change: Sendable {
        case node(KubeObject)
        case nodeGone(String)
        case pod(KubeObject)
        case podGone(ObjectKey)
        case group(KubeObject)
        case groupGone(ObjectKey)
        case queue(KubeObject)
        case queueGone(String)
        case priorityClass(KubeObject)
        case bindFailed(ObjectKey)
        case statusFailed(ObjectKey)
    }

    let schedulerName: String
    var cluster = Cluster()
    var gangs: [ObjectKey: Gang] = [:]
    private(set) var queues: [String: GangQueue] = [:]
    private var priorities: [String: Int] = [:]
    /// Gang of each pod.
    private var memberships: [ObjectKey: ObjectKey] = [:]
    /// Gangs with waiting pods, or not admitted yet.
    var open: Set<ObjectKey> = []
    /// Gangs whose status may have changed.
    var touched: Set<ObjectKey> = []
    /// Grows whenever a pod may fit that did not before.
    var room = 0
    /// Nodes that labels and taints leave for a kind of pod.
    var candidates: [Int: [Int]] = [:]

    init(schedulerName: String) { self.schedulerName = schedulerName }

    mutating func apply(_ change: Change) {
        switch change {
        case .node(let node): if cluster.upsertNode(node) { nodesChanged() }
        case .nodeGone(let name):
            cluster.removeNode(name)
            nodesChanged()
        case .pod(let object): apply(object)
        case .podGone(let key):
            if cluster.removePod(key) { room += 1 }
            leave(key)
        case .group(let object): apply(group: object)
        case .groupGone(let key):
            gangs[key]?.object = nil
            drop(key)
        case .queue(let object):
            queues[object.name] = GangQueue(object)
            room += 1
        case .queueGone(let name):
            queues[name] = nil
            room += 1
        case .priorityClass(let object): priorities[object.name] = object["value"]?.intValue ?? 0
        case .bindFailed(let key): unplace(key)
        case .statusFailed(let key):
            // What the API has is not known any more: write it again.
            gangs[key]?.object?["status"] = nil
            touched.insert(key)
        }
    }

    private mutating func nodesChanged() {
        candidates = [:]
        room += 1
    }

    private mutating func apply(group object: KubeObject) {
        let value = priorities[object["spec", "priorityClassName"]?.stringValue ?? ""] ?? 0
        gangs[object.key, default: Gang(key: object.key)].take(object, priority: value)
        touched.insert(object.key)
        review(object.key)
    }

    private mutating func apply(_ object: KubeObject) {
        let pod = PodRequirements(object)
        if cluster.upsertPod(pod) { room += 1 }
        guard pod.schedulerName == schedulerName else { return }
        let key = pod.groupName.map { ObjectKey(namespace: pod.key.namespace, name: $0) } ?? pod.key
        if let old = memberships[pod.key], old != key { leave(pod.key) }
        let isAssumed = cluster.placed[pod.key]?.isAssumed == true
        let place: Gang.Place
        switch PodFacts(object).phase {
        case "Succeeded": place = .succeeded
        case "Failed": place = .failed
        default:
            if pod.nodeName != nil || isAssumed {
                place = pod.isTerminating ? .leaving : .placed
            } else if pod.isTerminating {
                return leave(pod.key)
            } else {
                place = pod.isGated ? .gated : .waiting
            }
        }
        if let present = gangs[key]?.members[pod.key], present.pod.uid == pod.uid, present.place == place,
            present.isRunning == (PodFacts(object).phase == "Running"), present.pod.signature == pod.signature
        {
            return
        }
        memberships[pod.key] = key
        let member = Gang.Member(
            pod: pod,
            place: place,
            isRunning: PodFacts(object).phase == "Running",
            task: object.annotations[VolcanoNames.taskSpec] ?? ""
        )
        gangs[key, default: Gang(key: key)].set(member, for: pod.key)
        touched.insert(key)
        review(key)
    }

    private mutating func leave(_ pod: ObjectKey) {
        guard let key = memberships.removeValue(forKey: pod) else { return }
        gangs[key]?.set(nil, for: pod)
        touched.insert(key)
        drop(key)
    }

    private mutating func drop(_ key: ObjectKey) {
        if let gang = gangs[key], gang.object == nil, gang.members.isEmpty {
            gangs[key] = nil
            open.remove(key)
            touched.remove(key)
        } else {
            review(key)
        }
    }

    private mutating func review(_ key: ObjectKey) {
        guard let gang = gangs[key] else { return }
        if !gang.waiting.isEmpty || (gang.object != nil && gang.phase == "Pending") {
            open.insert(key)
        } else {
            open.remove(key)
            gangs[key]?.waitingInfo.explanation = nil
            gangs[key]?.waitingInfo.since = nil
        }
    }

    /// A decided placement, counted at once.
    mutating func place(_ pod: PodRequirements, of gang: ObjectKey) {
        guard var member = gangs[gang]?.members[pod.key] else { return }
        member.place = .placed
        gangs[gang]?.set(member, for: pod.key)
        touched.insert(gang)
        review(gang)
    }

    private mutating func unplace(_ pod: ObjectKey) {
        cluster.forget(pod)
        room += 1
        // The failed request may have been carried out all the same.
        guard cluster.placed[pod] == nil else { return }
        guard let key = memberships[pod], var member = gangs[key]?.members[pod], member.pod.nodeName == nil else {
            return
        }
        member.place = .waiting
        gangs[key]?.set(member, for: pod)
        touched.insert(key)
        review(key)
    }
}
