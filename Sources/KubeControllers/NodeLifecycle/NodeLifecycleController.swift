internal import KubeCore
internal import KubeRuntime
internal import Synchronization

/// Marks nodes that stopped renewing their Lease, taints them, and evicts pods that do not tolerate that (any longer).
struct NodeLifecycleController: Sendable {
    let context: ControllerContext
    /// A node silent for longer counts as lost.
    var gracePeriod: Duration = .seconds(40)
    private let renewals = LeaseRenewals()

    init(context: ControllerContext, gracePeriod: Duration) {
        self.context = context
        self.gracePeriod = gracePeriod
    }

    func makeController() -> Controller {
        let controller = Controller(name: "node-lifecycle", workers: 2, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        let renewals = self.renewals
        informers.nodeLeases.onEvent { event in
            renewals.note(event.object.name, event.object["spec", "renewTime"]?.stringValue ?? "")
        }
        controller.watch(informers.nodes)
        // A renewal of a node in order is the normal case, every ten seconds: no reason to look.
        controller.watch(informers.nodeLeases) { event in
            let key = ObjectKey(name: event.object.name)
            guard let node = informers.nodes.get(key) else { return [] }
            return node.condition("Ready")?["status"]?.stringValue == "Unknown" ? [key] : []
        }
        controller.watch(informers.pods) { event in
            guard case .added(let pod) = event, let node = PodFacts(pod).nodeName else {
                if case .updated(let old, let new) = event, PodFacts(old).nodeName == nil,
                    let node = PodFacts(new).nodeName
                {
                    return [ObjectKey(name: node)]
                }
                return []
            }
            return [ObjectKey(name: node)]
        }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard var node = context.informers.nodes.get(key), !node.isTerminating else { return .settled }
        renewals.start(key.name)
        let silence = renewals.silence(of: key.name)
        if silence >= gracePeriod, let conditions = NodeLifecyclePlan.silentConditions(of: node, now: context.timestamp)
        {
            node["status", "conditions"] = conditions
            node = try await context.api.updateStatus(.nodes, node)
            await context.events.record(
                .normal,
                reason: "NodeNotReady",
                "Node \(node.name) status is now: NodeNotReady",
                about: node
            )
            try await markPodsNotReady(on: node.name)
        }
        if let taints = NodeLifecyclePlan.taints(of: node, now: context.timestamp) {
            node["spec", "taints"] = taints.isEmpty ? nil : .array(taints)
            node = try await context.api.update(.nodes, node)
        }
        let nextEviction = try await evict(from: node)
        let nextSilence = silence < gracePeriod ? gracePeriod - silence + .milliseconds(200) : gracePeriod
        return .recheck(after: min(nextEviction ?? nextSilence, nextSilence))
    }

    /// Pods of a lost node serve nobody, whatever their last report said.
    private func markPodsNotReady(on node: String) async throws {
        for pod in context.informers.pods.list(index: SharedInformers.nodeIndex, value: node)
        where PodFacts(pod).isReady {
            var conditions = ConditionList(pod["status", "conditions"])
            let present = conditions["Ready"]
            conditions.set(
                "Ready",
                "False",
                reason: present?["reason"]?.stringValue ?? "",
                message: present?["message"]?.stringValue ?? "",
                now: context.timestamp
            )
            var changed = pod
            changed["status", "conditions"] = conditions.json
            do {
                try await context.api.updateStatus(.pods, changed)
            } catch let error as APIError where error.isNotFound || error.isConflict {
                continue
            }
        }
    }

    /// Time until the next eviction, or nil.
    private func evict(from node: KubeObject) async throws -> Duration? {
        let taints = node["spec", "taints"]?.arrayValue ?? []
        guard taints.contains(where: { $0["effect"]?.stringValue == "NoExecute" }) else { return nil }
        var next: Duration?
        for pod in context.informers.pods.list(index: SharedInformers.nodeIndex, value: node.name) {
            guard case .evict(let seconds) = TaintEvictionPlan(pod: pod, taints: taints, now: context.now()) else {
                continue
            }
            if seconds > 0 {
                let wait = Duration.milliseconds(Int(seconds * 1000) + 50)
                next = min(next ?? wait, wait)
                continue
            }
            await context.events.record(
                .normal,
                reason: "TaintManagerEviction",
                "Marking for deletion Pod \(pod.key)",
                about: pod
            )
            try await context.api.deleteIfPresent(.pods, pod.key, options: DeleteOptions(preconditionUID: pod.uid))
        }
        return next
    }
}

/// When each node's Lease was last seen to change, by this process's clock: clocks of nodes need not agree with it.
private final class LeaseRenewals: Sendable {
    private struct Entry {
        var text: String
        var seen: ContinuousClock.Instant
    }

    private let entries = Mutex<[String: Entry]>([:])

    func note(_ node: String, _ renewTime: String) {
        entries.withLock { entries in
            if entries[node]?.text != renewTime { entries[node] = Entry(text: renewTime, seen: .now) }
        }
    }

    /// A node without any Lease is silent from the first look.
    func start(_ node: String) {
        entries.withLock { entries in
            if entries[node] == nil { entries[node] = Entry(text: "", seen: .now) }
        }
    }

    func silence(of node: String) -> Duration {
        entries.withLock { entries in entries[node].map { ContinuousClock.now - $0.seen } ?? .zero }
    }
}
