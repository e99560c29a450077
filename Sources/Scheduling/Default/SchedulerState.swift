internal import KubeCore

/// What the default scheduler knows and decides; the shell feeds it changes and carries its decisions out.
struct SchedulerState: Sendable {
    enum Change: Sendable {
        case node(KubeObject)
        case nodeGone(String)
        case pod(KubeObject)
        case podGone(ObjectKey)
        case bound(ObjectKey)
        case bindFailed(ObjectKey)
    }

    enum Decision: Sendable {
        case bind(PodRequirements, node: String)
        case unschedulable(PodRequirements, Unavailability)
        case gated(PodRequirements)
    }

    let schedulerName: String
    private(set) var cluster = Cluster()
    private(set) var queue = SchedulingQueue()
    private var gated: Set<ObjectKey> = []
    private var newlyGated: [PodRequirements] = []
    /// Kinds of pods that did not fit since the last change of the cluster: their likes need not be tried.
    private var misfits: [Int: Unavailability] = [:]

    init(schedulerName: String) { self.schedulerName = schedulerName }

    mutating func apply(_ change: Change, now: Double) {
        switch change {
        case .node(let node): if cluster.upsertNode(node) { roomChanged() }
        case .nodeGone(let name):
            cluster.removeNode(name)
            roomChanged()
        case .pod(let object): apply(PodRequirements(object))
        case .podGone(let key):
            queue.remove(key)
            gated.remove(key)
            if cluster.removePod(key) { roomChanged() }
        case .bound(let key): queue.remove(key)
        case .bindFailed(let key):
            cluster.forget(key)
            queue.requeue(key, now: now)
            roomChanged()
        }
    }

    private mutating func apply(_ pod: PodRequirements) {
        let wasPlaced = cluster.placed[pod.key] != nil
        if cluster.upsertPod(pod) { roomChanged() }
        // A newly placed pod can be what others want to be near.
        if !wasPlaced, cluster.placed[pod.key] != nil { affinityChanged() }
        guard pod.schedulerName == schedulerName, pod.nodeName == nil, !pod.isFinished, !pod.isTerminating else {
            queue.remove(pod.key)
            gated.remove(pod.key)
            return
        }
        if pod.isGated {
            if gated.insert(pod.key).inserted { newlyGated.append(pod) }
            return
        }
        gated.remove(pod.key)
        if cluster.placed[pod.key]?.isAssumed == true { return }
        queue.upsert(pod)
    }

    private mutating func roomChanged() {
        misfits = [:]
        queue.noteChange()
    }

    private mutating func affinityChanged() {
        if queue.entries.values.contains(where: { $0.pod.dependsOnPods }) { queue.noteChange() }
    }

    /// Makes parked pods ready whose time has come; returns when to call again.
    mutating func wake(now: Double) -> Double? { queue.wake(now: now) }

    /// Decides about the next ready pod, or nil when none is ready.
    ///
    /// A placement is assumed at once.
    mutating func decide(now: Double) -> Decision? {
        if let pod = newlyGated.popLast() { return .gated(pod) }
        guard let entry = queue.next() else { return nil }
        let pod = entry.pod
        if !pod.dependsOnPods, let known = misfits[pod.signature] {
            queue.park(pod.key, now: now)
            return .unschedulable(pod, known)
        }
        switch cluster.place(pod, policy: .spread) {
        case .node(let node):
            cluster.assume(pod, on: node)
            return .bind(pod, node: node)
        case .unfit(let why):
            if !pod.dependsOnPods { misfits[pod.signature] = why }
            queue.park(pod.key, now: now)
            return .unschedulable(pod, why)
        }
    }
}
