internal import KubeCore

/// What a node's silence or illness means: conditions and taints of the node.
enum NodeLifecyclePlan {
    static let notReady = "node.kubernetes.io/not-ready"
    static let unreachable = "node.kubernetes.io/unreachable"
    static let unschedulable = "node.kubernetes.io/unschedulable"

    /// Taints that this controller sets and removes.
    private static let managed: Set<String> = [
        notReady, unreachable, unschedulable, "node.kubernetes.io/memory-pressure", "node.kubernetes.io/disk-pressure",
        "node.kubernetes.io/pid-pressure", "node.kubernetes.io/network-unavailable",
    ]

    private static let conditionTaints = [
        ("MemoryPressure", "node.kubernetes.io/memory-pressure"), ("DiskPressure", "node.kubernetes.io/disk-pressure"),
        ("PIDPressure", "node.kubernetes.io/pid-pressure"),
        ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ]

    /// `status.conditions` of a node that has not renewed its Lease; nil when nothing changes.
    static func silentConditions(of node: KubeObject, now: String) -> JSON? {
        var conditions = ConditionList(node["status", "conditions"])
        var isChanged = false
        for type in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"]
        where conditions.status(type) != "Unknown" {
            let wasReported = conditions[type] != nil
            conditions.set(
                type,
                "Unknown",
                reason: wasReported ? "NodeStatusUnknown" : "NodeStatusNeverUpdated",
                message: wasReported
                    ? "Kubelet stopped posting node status." : "Kubelet never posted node status.",
                now: now
            )
            isChanged = true
        }
        return isChanged ? conditions.json : .none
    }

    /// `spec.taints` that follow from the node's conditions; others are kept.
    ///
    /// nil when nothing changes.
    static func taints(of node: KubeObject, now: String) -> [JSON]? {
        let present = node["spec", "taints"]?.arrayValue ?? []
        var wanted: [(key: String, effect: String)] = []
        let conditions = ConditionList(node["status", "conditions"])
        switch conditions.status("Ready") {
        case "True": break
        case "Unknown": wanted += [(unreachable, "NoSchedule"), (unreachable, "NoExecute")]
        default: wanted += [(notReady, "NoSchedule"), (notReady, "NoExecute")]
        }
        for (condition, taint) in conditionTaints where conditions.isTrue(condition) {
            wanted.append((taint, "NoSchedule"))
        }
        if node["spec", "unschedulable"]?.boolValue == true { wanted.append((unschedulable, "NoSchedule")) }
        var result = present.filter { !managed.contains($0["key"]?.stringValue ?? "") }
        for (key, effect) in wanted {
            let old = present.first { $0["key"]?.stringValue == key && $0["effect"]?.stringValue == effect }
            var taint: [String: JSON] = ["key": .string(key), "effect": .string(effect)]
            taint["timeAdded"] = effect == "NoExecute" ? .string(now) : nil
            result.append(old ?? .object(taint))
        }
        return Set(result) == Set(present) ? nil : result
    }
}

/// When pods of a tainted node must go.
enum TaintEvictionPlan: Sendable, Equatable {
    case stay
    /// Seconds from now; zero or less means at once.
    case evict(after: Double)

    /// - `taints`: all taints of the pod's node.
    init(pod: KubeObject, taints: [JSON], now: Double) {
        let evicting = taints.filter { $0["effect"]?.stringValue == "NoExecute" }
        guard !evicting.isEmpty, pod.deletionTimestamp == nil else {
            self = .stay
            return
        }
        let tolerations = pod["spec", "tolerations"]?.arrayValue ?? []
        var deadline: Double?
        for taint in evicting {
            let tolerating = tolerations.filter { Self.tolerates($0, taint) }
            guard !tolerating.isEmpty else {
                self = .evict(after: 0)
                return
            }
            let limits = tolerating.compactMap { $0["tolerationSeconds"]?.intValue }
            guard limits.count == tolerating.count, let limit = limits.min() else { continue }
            let since = taint["timeAdded"]?.stringValue.flatMap { Timestamp.seconds($0) } ?? now
            let end = since + Double(max(limit, 0))
            deadline = min(deadline ?? end, end)
        }
        self = deadline.map { .evict(after: $0 - now) } ?? .stay
    }

    static func tolerates(_ toleration: JSON, _ taint: JSON) -> Bool {
        let effect = toleration["effect"]?.stringValue ?? ""
        if !effect.isEmpty, effect != taint["effect"]?.stringValue { return false }
        let key = toleration["key"]?.stringValue ?? ""
        let isExists = toleration["operator"]?.stringValue == "Exists"
        if key.isEmpty { return isExists }
        guard key == taint["key"]?.stringValue else { return false }
        return isExists || toleration["value"]?.stringValue ?? "" == taint["value"]?.stringValue ?? ""
    }
}
