internal import KubeCore

/// Which nodes a DaemonSet runs on, and what its pods there need.
struct DaemonSetPlan: Sendable, Equatable {
    /// Nodes that need a new pod.
    var create: [String] = []
    var delete: [KubeObject] = []
    var desired = 0
    var current = 0
    var misscheduled = 0
    var ready = 0
    var available = 0
    var updated = 0

    static let hashLabel = "controller-revision-hash"

    /// - `pods`: managed pods, in any state.
    /// - `hash`: of the present template.
    init(daemonSet: KubeObject, nodes: [KubeObject], pods: [KubeObject], hash: String, now: Double) {
        guard !daemonSet.isTerminating else { return }
        let minReady = daemonSet["spec", "minReadySeconds"]?.intValue ?? 0
        var byNode: [String: [KubeObject]] = [:]
        var nowhere: [KubeObject] = []
        for pod in pods {
            if let node = Self.target(of: pod) { byNode[node, default: []].append(pod) } else { nowhere.append(pod) }
        }
        delete += nowhere.filter { !$0.isTerminating }
        var outdated: [KubeObject] = []
        var unavailable = 0
        for node in nodes.sorted(by: { $0.name < $1.name }) {
            let own = byNode.removeValue(forKey: node.name) ?? []
            let (shouldRun, shouldContinue) = Self.eligibility(of: node, for: daemonSet)
            let alive = own.filter { !$0.isTerminating }
            guard shouldRun || (shouldContinue && !alive.isEmpty) else {
                if !alive.isEmpty { misscheduled += 1 }
                if !shouldContinue { delete += alive }
                continue
            }
            desired += 1
            // A finished pod is replaced; of several the oldest stays.
            let finished = alive.filter { PodFacts($0).isFinished }
            delete += finished
            let active = alive.filter { !PodFacts($0).isFinished }
                .sorted { ($0.creationTimestamp ?? "", $0.name) < ($1.creationTimestamp ?? "", $1.name) }
            delete += active.dropFirst()
            guard let pod = active.first else {
                if own.isEmpty { create.append(node.name) }
                unavailable += 1
                continue
            }
            current += 1
            let facts = PodFacts(pod)
            if facts.isReady { ready += 1 }
            let isAvailable = facts.isAvailable(minReadySeconds: minReady, now: now)
            if isAvailable { available += 1 } else { unavailable += 1 }
            if pod.labels[Self.hashLabel] == hash { updated += 1 } else { outdated.append(pod) }
        }
        // Pods of nodes that are gone.
        for pod in byNode.values.joined() where !pod.isTerminating { delete.append(pod) }
        roll(outdated, unavailable: unavailable, daemonSet: daemonSet, minReady: minReady, now: now)
    }

    /// Replaces outdated pods, as many at a time as may be unavailable; those that serve nobody anyway first.
    private mutating func roll(
        _ outdated: [KubeObject],
        unavailable: Int,
        daemonSet: KubeObject,
        minReady: Int,
        now: Double
    ) {
        guard daemonSet["spec", "updateStrategy", "type"]?.stringValue != "OnDelete" else { return }
        let rolling = daemonSet["spec", "updateStrategy", "rollingUpdate"]
        let limit = max(1, IntOrPercent.resolve(rolling?["maxUnavailable"] ?? 1, of: desired, roundingUp: true) ?? 1)
        var budget = limit - unavailable
        for pod in outdated {
            if !PodFacts(pod).isAvailable(minReadySeconds: minReady, now: now) {
                delete.append(pod)
            } else if budget > 0 {
                budget -= 1
                delete.append(pod)
            }
        }
    }

    /// The node for which a pod was made: where it is, or where its affinity sends it.
    static func target(of pod: KubeObject) -> String? {
        if let node = PodFacts(pod).nodeName { return node }
        let terms = pod["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]?[
            "nodeSelectorTerms"
        ]
        for term in terms?.arrayValue ?? [] {
            for field in term["matchFields"]?.arrayValue ?? [] where field["key"]?.stringValue == "metadata.name" {
                return field["values"]?[0]?.stringValue
            }
        }
        return nil
    }

    /// (a pod should be made, a pod that is there may stay).
    static func eligibility(of node: KubeObject, for daemonSet: KubeObject) -> (Bool, Bool) {
        let spec = daemonSet["spec", "template", "spec"]
        if let name = spec?["nodeName"]?.stringValue, !name.isEmpty, name != node.name { return (false, false) }
        guard matches(node, spec) else { return (false, false) }
        let tolerations = (spec?["tolerations"]?.arrayValue ?? []) + self.tolerations(spec)
        var shouldRun = true
        var shouldContinue = true
        for taint in node["spec", "taints"]?.arrayValue ?? []
        where !tolerations.contains(where: { TaintEvictionPlan.tolerates($0, taint) }) {
            switch taint["effect"]?.stringValue {
            case "NoExecute":
                shouldRun = false
                shouldContinue = false
            case "NoSchedule": shouldRun = false
            default: continue
            }
        }
        return (shouldRun, shouldContinue)
    }

    private static func matches(_ node: KubeObject, _ spec: JSON?) -> Bool {
        let labels = node.labels
        guard (spec?["nodeSelector"]?.stringMap ?? [:]).allSatisfy({ labels[$0.key] == $0.value }) else { return false }
        let required = spec?["affinity"]?["nodeAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"]
        guard let terms = required?["nodeSelectorTerms"]?.arrayValue else { return true }
        return terms.contains { term in
            let expressions = term["matchExpressions"]?.arrayValue ?? []
            let fields = term["matchFields"]?.arrayValue ?? []
            guard !(expressions.isEmpty && fields.isEmpty) else { return false }
            func hold(_ list: [JSON], _ values: [String: String]) -> Bool {
                list.allSatisfy { expression in
                    guard let requirement = try? LabelSelector.requirement(expression) else { return false }
                    return LabelSelector([requirement]).matches(values)
                }
            }
            return hold(expressions, labels) && hold(fields, ["metadata.name": node.name])
        }
    }

    /// Tolerations that every daemon pod gets: it belongs to its node whatever state that is in.
    static func tolerations(_ spec: JSON?) -> [JSON] {
        var list: [JSON] = []
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            list.append(["key": .string(key), "operator": "Exists", "effect": "NoExecute"])
        }
        var quiet = ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"]
        if spec?["hostNetwork"]?.boolValue == true { quiet.append("network-unavailable") }
        for name in quiet {
            list.append(["key": .string("node.kubernetes.io/" + name), "operator": "Exists", "effect": "NoSchedule"])
        }
        return list
    }

    /// The pod for a node, bound there by affinity so that the scheduler still checks that it fits.
    static func pod(_ daemonSet: KubeObject, node: String, hash: String) -> KubeObject {
        var pod = PodTemplate.pod(
            from: daemonSet["spec", "template"],
            owner: daemonSet,
            labels: [hashLabel: hash]
        )
        let field: JSON = ["key": "metadata.name", "operator": "In", "values": .array([.string(node)])]
        let path = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]
        var terms = pod.json[path: path]?["nodeSelectorTerms"]?.arrayValue ?? []
        if terms.isEmpty { terms = [.object([:])] }
        for index in terms.indices { terms[index]["matchFields"] = .array([field]) }
        pod.json[path: path] = ["nodeSelectorTerms": .array(terms)]
        let spec = pod["spec"]
        let present = spec?["tolerations"]?.arrayValue ?? []
        pod["spec", "tolerations"] = .array(present + tolerations(spec).filter { !present.contains($0) })
        return pod
    }

    func status(of daemonSet: KubeObject) -> JSON {
        var status = daemonSet["status"]?.objectValue ?? [:]
        status["observedGeneration"] = JSON(daemonSet.generation)
        status["desiredNumberScheduled"] = JSON(desired)
        status["currentNumberScheduled"] = JSON(current)
        status["numberMisscheduled"] = JSON(misscheduled)
        status["numberReady"] = JSON(ready)
        status["updatedNumberScheduled"] = ReplicaSetPlan.nonZero(updated)
        status["numberAvailable"] = ReplicaSetPlan.nonZero(available)
        status["numberUnavailable"] = ReplicaSetPlan.nonZero(max(0, desired - available))
        return .object(status)
    }
}
