internal import KubeCore

/// Why a node does not take a pod, in upstream's words.
enum Unfit: Sendable, Hashable {
    case unschedulable
    case taint(Taint)
    case nodeAffinity
    case ports
    case insufficient(String)
    case tooManyPods
    case podAffinity
    case podAntiAffinity
    case existingAntiAffinity
    case spread
    case missingTopologyLabel

    var text: String {
        switch self {
        case .unschedulable: "node(s) were unschedulable"
        case .taint(let taint): "node(s) had untolerated taint {\(taint.key): \(taint.value)}"
        case .nodeAffinity: "node(s) didn't match Pod's node affinity/selector"
        case .ports: "node(s) didn't have free ports for the requested pod ports"
        case .insufficient(let name): "Insufficient \(name)"
        case .tooManyPods: "Too many pods"
        case .podAffinity: "node(s) didn't match pod affinity rules"
        case .podAntiAffinity: "node(s) didn't match pod anti-affinity rules"
        case .existingAntiAffinity: "node(s) didn't satisfy existing pods anti-affinity rules"
        case .spread: "node(s) didn't match pod topology spread constraints"
        case .missingTopologyLabel:
            "node(s) didn't match pod topology spread constraints (missing required label)"
        }
    }
}

/// Rules that depend on where other pods are, worked out once for a pod and then asked for each node.
struct TopologyRules: Sendable {
    /// (key, value) pairs in which the pod must not be placed.
    private var forbidden: Set<Domain> = []
    private var forbiddenByOthers: Set<Domain> = []
    /// For each affinity term the domains that have a match; nil when the term is met anywhere.
    private var required: [(key: String, values: Set<String>?)] = []
    private var spread: [(term: SpreadTerm, counts: [String: Int], minimum: Int, countsSelf: Bool)] = []

    private struct Domain: Hashable {
        var key: String
        var value: String
    }

    let isEmpty: Bool

    init(_ pod: PodRequirements, in cluster: Cluster) {
        isEmpty = !pod.dependsOnPods && cluster.repelling.isEmpty
        guard !isEmpty else { return }
        for term in pod.antiAffinity {
            for placement in cluster.placed.values where term.selects(placement.pod) {
                if let value = cluster.node(placement.node)?.labels[term.topologyKey] {
                    forbidden.insert(Domain(key: term.topologyKey, value: value))
                }
            }
        }
        for key in cluster.repelling {
            guard let placement = cluster.placed[key], let node = cluster.node(placement.node) else { continue }
            for term in placement.pod.antiAffinity where term.selects(pod) {
                if let value = node.labels[term.topologyKey] {
                    forbiddenByOthers.insert(Domain(key: term.topologyKey, value: value))
                }
            }
        }
        for term in pod.affinity {
            var values: Set<String> = []
            for placement in cluster.placed.values where term.selects(placement.pod) {
                if let value = cluster.node(placement.node)?.labels[term.topologyKey] { values.insert(value) }
            }
            // The first pod of a group that wants to be near its own kind may go anywhere.
            let isFirst = values.isEmpty && term.selects(pod)
            required.append((term.topologyKey, isFirst ? nil : values))
        }
        for term in pod.spread { spread.append(Self.count(term, pod, cluster)) }
    }

    private static func count(
        _ term: SpreadTerm,
        _ pod: PodRequirements,
        _ cluster: Cluster
    ) -> (term: SpreadTerm, counts: [String: Int], minimum: Int, countsSelf: Bool) {
        var counts: [String: Int] = [:]
        for node in cluster.nodes where pod.nodes.allows(name: node.name, labels: node.labels) {
            if let value = node.labels[term.topologyKey] { counts[value, default: 0] += 0 }
        }
        for placement in cluster.placed.values
        where placement.pod.key.namespace == pod.key.namespace && term.selector.matches(placement.pod.labels) {
            guard let value = cluster.node(placement.node)?.labels[term.topologyKey], counts[value] != nil else {
                continue
            }
            counts[value, default: 0] += 1
        }
        return (term, counts, counts.values.min() ?? 0, term.selector.matches(pod.labels))
    }

    func verdict(on node: NodeState) -> Unfit? {
        for rule in spread {
            guard let value = node.labels[rule.term.topologyKey] else { return .missingTopologyLabel }
            let count = (rule.counts[value] ?? 0) + (rule.countsSelf ? 1 : 0)
            if count - rule.minimum > rule.term.maxSkew { return .spread }
        }
        for (key, values) in required {
            guard let value = node.labels[key] else { return .podAffinity }
            if let values, !values.contains(value) { return .podAffinity }
        }
        for domain in forbidden where node.labels[domain.key] == domain.value { return .podAntiAffinity }
        for domain in forbiddenByOthers where node.labels[domain.key] == domain.value { return .existingAntiAffinity }
        return nil
    }
}

extension NodeState {
    /// The first rule by which this node does not take `pod`, or nil; resources and ports excluded.
    func staticVerdict(_ pod: PodRequirements) -> Unfit? {
        let unschedulableTolerated = pod.tolerations.contains {
            ($0.key.isEmpty || $0.key == "node.kubernetes.io/unschedulable") && $0.isExists
                && ($0.effect.isEmpty || $0.effect == "NoSchedule")
        }
        if isUnschedulable, !unschedulableTolerated { return .unschedulable }
        for taint in taints where taint.effect == "NoSchedule" || taint.effect == "NoExecute" {
            if !pod.tolerations.contains(where: { $0.tolerates(taint) }) { return .taint(taint) }
        }
        return pod.nodes.allows(name: name, labels: labels) ? nil : .nodeAffinity
    }

    /// Every reason why this node does not take `pod`.
    func verdicts(_ pod: PodRequirements, _ rules: TopologyRules) -> [Unfit] {
        if let verdict = staticVerdict(pod) { return [verdict] }
        if !hasPorts(for: pod) { return [.ports] }
        if !hasRoom(for: pod.requests) {
            var result: [Unfit] = used.pods + 1 > allocatable.pods ? [.tooManyPods] : []
            result += pod.requests.shortages(in: free).filter { $0 != "pods" }.map { .insufficient($0) }
            return result
        }
        return rules.isEmpty ? [] : rules.verdict(on: self).map { [$0] } ?? []
    }
}
