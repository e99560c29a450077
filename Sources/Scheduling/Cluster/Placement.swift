internal import KubeCore

/// Where a pod goes, or why it cannot.
enum PlacementDecision: Sendable, Equatable {
    case node(String)
    /// Upstream's sentence: `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.`
    case unfit(Unavailability)
}

/// How many nodes refuse a pod for which reason.
struct Unavailability: Sendable, Equatable {
    var nodeCount: Int
    var counts: [Unfit: Int]

    var message: String {
        guard nodeCount > 0 else { return "no nodes available to schedule pods" }
        let reasons = counts.map { "\($0.value) \($0.key.text)" }.sorted()
        return "0/\(nodeCount) nodes are available: \(reasons.joined(separator: ", "))."
    }

    /// The resource that most nodes lack, if any.
    var scarceResource: String? {
        let resources = counts.compactMap { reason, count -> (String, Int)? in
            if case .insufficient(let name) = reason { (name, count) } else { nil }
        }
        return resources.max { ($0.1, $1.0) < ($1.1, $0.0) }?.0
    }
}

/// How nodes that fit compare.
enum ScoringPolicy: Sendable {
    /// The emptiest first.
    case spread
    /// The fullest first, so that large gangs find whole nodes.
    case pack
}

extension Cluster {
    /// Finds a node for `pod`; changes nothing but where the next search starts.
    ///
    /// - `candidates`: node positions to look at, as `staticCandidates` gave them; nil looks at all.
    mutating func place(
        _ pod: PodRequirements,
        policy: ScoringPolicy,
        candidates: [Int]? = nil
    ) -> PlacementDecision {
        let rules = TopologyRules(pod, in: self)
        let count = candidates?.count ?? nodes.count
        let enough = Self.sampleSize(count)
        var best: (position: Int, score: Int)?
        var found = 0
        var looked = 0
        while looked < count, found < enough {
            let index = (nextStart + looked) % count
            looked += 1
            let position = candidates?[index] ?? index
            if candidates == nil, nodes[position].staticVerdict(pod) != nil { continue }
            guard nodes[position].hasRoom(for: pod.requests), nodes[position].hasPorts(for: pod) else { continue }
            if !rules.isEmpty, rules.verdict(on: nodes[position]) != nil { continue }
            found += 1
            let score = nodes[position].score(pod, policy)
            if let present = best, !isBetter((position, score), than: present) { continue }
            best = (position, score)
        }
        if policy == .spread, count > 0 { nextStart = (nextStart + looked) % count }
        if let best { return .node(nodes[best.position].name) }
        return .unfit(explain(pod, rules))
    }

    private func isBetter(_ left: (position: Int, score: Int), than right: (position: Int, score: Int)) -> Bool {
        if left.score != right.score { return left.score > right.score }
        let (leftPods, rightPods) = (nodes[left.position].used.pods, nodes[right.position].used.pods)
        if leftPods != rightPods { return leftPods < rightPods }
        return nodes[left.position].name < nodes[right.position].name
    }

    /// How many fitting nodes are compared: all of a small cluster, a falling share of a large one.
    static func sampleSize(_ nodeCount: Int) -> Int {
        guard nodeCount > 100 else { return nodeCount }
        let percent = max(5, 50 - nodeCount / 125)
        return max(100, nodeCount * percent / 100)
    }

    /// Positions of nodes that no label, taint or affinity rules out.
    func staticCandidates(for pod: PodRequirements) -> [Int] {
        nodes.indices.filter { nodes[$0].staticVerdict(pod) == nil }
    }

    func explain(_ pod: PodRequirements, _ rules: TopologyRules? = nil) -> Unavailability {
        let rules = rules ?? TopologyRules(pod, in: self)
        var counts: [Unfit: Int] = [:]
        for node in nodes { for reason in node.verdicts(pod, rules) { counts[reason, default: 0] += 1 } }
        return Unavailability(nodeCount: nodes.count, counts: counts)
    }
}

extension NodeState {
    /// 0…100 for the share of cpu and memory left (or taken), plus preferences; spreads pods of one owner.
    func score(_ pod: PodRequirements, _ policy: ScoringPolicy) -> Int {
        let asked = NodeState.scored(pod.requests)
        let cpu = NodeState.share(scoredCPU + asked.cpu, of: allocatable.cpu)
        let memory = NodeState.share(scoredMemory + asked.memory, of: allocatable.memory)
        var score: Int
        switch policy {
        case .spread:
            score = 100 - (cpu + memory) / 2
            if let owner = pod.ownerUID, let count = owners[owner] { score -= 20 * min(count, 10) }
        case .pack:
            score = (cpu + memory) / 2
            // Nodes with devices that the pod does not ask for are kept for pods that do.
            for (name, amount) in allocatable.extended where amount > 0 && pod.requests.extended[name] == nil {
                score -= 50
            }
            for (name, amount) in pod.requests.extended {
                score += NodeState.share((used.extended[name] ?? 0) + amount, of: allocatable.extended[name] ?? 0)
            }
        }
        if !pod.nodes.preferred.isEmpty { score += pod.nodes.score(name: name, labels: labels) }
        if !taints.isEmpty {
            let disliked = taints.count { taint in
                taint.effect == "PreferNoSchedule" && !pod.tolerations.contains { $0.tolerates(taint) }
            }
            score -= 30 * disliked
        }
        return score
    }

    private static func share(_ used: Int, of total: Int) -> Int { total <= 0 ? 100 : min(100, used * 100 / total) }
}
