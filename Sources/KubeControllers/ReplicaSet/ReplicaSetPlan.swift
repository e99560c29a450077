internal import KubeCore

/// What a ReplicaSet needs, decided from it and the pods it manages.
struct ReplicaSetPlan: Sendable, Equatable {
    var podsToCreate = 0
    var podsToDelete: [KubeObject] = []

    /// - `pods`: managed pods, in any state.
    init(replicaSet: KubeObject, pods: [KubeObject], now: Double) {
        guard !replicaSet.isTerminating else { return }
        let active = pods.filter { PodFacts($0).isActive }
        let wanted = replicaSet["spec", "replicas"]?.intValue ?? 1
        if active.count < wanted {
            podsToCreate = wanted - active.count
        } else if active.count > wanted {
            podsToDelete = Array(PodDeletionOrder.sorted(active, now: now).prefix(active.count - wanted))
        }
    }

    /// `status` for what is there now.
    ///
    /// - `failure`: why pods could not be created or deleted; nil when all went well.
    static func status(
        of replicaSet: KubeObject,
        pods: [KubeObject],
        failure: (reason: String, message: String)?,
        now: Double
    ) -> JSON {
        let active = pods.filter { PodFacts($0).isActive }
        let templateLabels = replicaSet["spec", "template", "metadata", "labels"]?.stringMap ?? [:]
        let selector = LabelSelector(matching: templateLabels)
        let minReady = replicaSet["spec", "minReadySeconds"]?.intValue ?? 0
        var conditions = ConditionList(replicaSet["status", "conditions"])
        if let failure {
            conditions.set(
                "ReplicaFailure",
                "True",
                reason: failure.reason,
                message: failure.message,
                now: Timestamp.text(seconds: now)
            )
        } else {
            conditions.remove("ReplicaFailure")
        }
        var status = replicaSet["status"]?.objectValue ?? [:]
        status["replicas"] = JSON(active.count)
        status["fullyLabeledReplicas"] = nonZero(active.count { selector.matches($0.labels) })
        status["readyReplicas"] = nonZero(active.count { PodFacts($0).isReady })
        status["availableReplicas"] = nonZero(
            active.count { PodFacts($0).isAvailable(minReadySeconds: minReady, now: now) }
        )
        status["observedGeneration"] = JSON(replicaSet.generation)
        status["conditions"] = conditions.items.isEmpty ? .none : conditions.json
        return .object(status)
    }

    /// Upstream leaves zero counts out.
    static func nonZero(_ count: Int) -> JSON? { count == 0 ? .none : JSON(count) }
}

/// The order in which surplus pods go.
///
/// Source: upstream's `ActivePodsWithRanks`.
enum PodDeletionOrder {
    private struct Rank: Comparable {
        var values: [Double]
        static func < (left: Rank, right: Rank) -> Bool { left.values.lexicographicallyPrecedes(right.values) }
    }

    /// The pod to delete first comes first.
    static func sorted(_ pods: [KubeObject], now: Double) -> [KubeObject] {
        var perNode: [String: Int] = [:]
        for pod in pods { if let node = PodFacts(pod).nodeName { perNode[node, default: 0] += 1 } }
        let ranked = pods.map { pod in (pod, rank(pod, perNode: perNode, now: now)) }
        return ranked.sorted { $0.1 == $1.1 ? $0.0.name < $1.0.name : $0.1 < $1.1 }.map(\.0)
    }

    private static func rank(_ pod: KubeObject, perNode: [String: Int], now: Double) -> Rank {
        let facts = PodFacts(pod)
        let phases = ["Pending": 0.0, "Unknown": 1.0]
        let cost = pod.annotations["controller.kubernetes.io/pod-deletion-cost"].flatMap { Double($0) } ?? 0
        let neighbours = facts.nodeName.map { perNode[$0] ?? 0 } ?? 0
        // Less time ready or alive goes first; on a logarithmic scale, so that small differences decide nothing.
        let readyFor = facts.readySince.map { magnitude(now - $0) } ?? -1
        let created = pod.creationTimestamp.flatMap { Timestamp.seconds($0) } ?? now
        return Rank(values: [
            facts.nodeName == nil ? 0 : 1, phases[facts.phase] ?? 2, facts.isReady ? 1 : 0, cost, -Double(neighbours),
            readyFor, -Double(facts.restartCount), magnitude(now - created),
        ])
    }

    private static func magnitude(_ seconds: Double) -> Double {
        var rest = max(0, seconds)
        var steps = 0.0
        while rest >= 1 {
            rest /= 2
            steps += 1
        }
        return steps
    }
}
