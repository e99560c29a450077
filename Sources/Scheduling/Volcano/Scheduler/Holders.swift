internal import KubeCore

extension Cluster {
    /// Who holds most of a resource: name and amount, largest first.
    func holders(of resource: String, excluding gang: ObjectKey) -> [(name: String, amount: Int)] {
        var amounts: [String: Int] = [:]
        for placement in placed.values {
            let amount = placement.pod.requests[resource]
            guard amount > 0 else { continue }
            let namespace = placement.pod.key.namespace ?? ""
            if let group = placement.pod.groupName, ObjectKey(namespace: namespace, name: group) == gang { continue }
            amounts["\(namespace)/\(placement.pod.holderName)", default: 0] += amount
        }
        return amounts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { (name: $0.key, amount: $0.value) }
    }
}

extension PodRequirements {
    /// The workload as a user knows it.
    var holderName: String { labels[VolcanoNames.jobName] ?? labels["app"] ?? key.name }
}

/// Sentences about waiting: the scarce thing, who has it, what to do.
enum WaitingSentence {
    static func holders(_ list: [(name: String, amount: Int)], _ resource: String) -> String {
        guard !list.isEmpty else { return "" }
        let top = list.prefix(3).map { "\($0.name) (\(Resources.text($0.amount, of: resource)))" }
        let rest = list.count > 3 ? " and \(list.count - 3) more" : ""
        return "held by " + top.joined(separator: ", ") + rest
    }

    /// Some pods of a gang do not fit.
    static func noRoom(
        _ gang: Gang,
        missing: Int,
        pod: PodRequirements,
        why: Unavailability,
        cluster: Cluster
    ) -> String {
        let pods = missing == 1 ? "1 pod" : "\(missing) pods"
        guard why.nodeCount > 0 else {
            return "\(pods) cannot start because the cluster has no nodes: add a node"
        }
        guard let resource = why.scarceResource else {
            let reasons = why.counts.sorted { ($1.value, $0.key.text) < ($0.value, $1.key.text) }
                .map { "\($0.value) \($0.key.text)" }.joined(separator: ", ")
            return "\(pods) cannot be placed on any of \(why.nodeCount) nodes (\(reasons)): "
                + "change the pod's node selector, tolerations or ports, or the nodes"
        }
        let asked = Resources.text(pod.requests[resource], of: resource)
        let largest = cluster.nodes.map { $0.allocatable[resource] }.max() ?? 0
        if pod.requests[resource] > largest {
            let most = Resources.text(largest, of: resource)
            return largest == 0
                ? "each pod asks for \(asked) \(resource), which no node has: add a node that has it or ask without it"
                : "each pod asks for \(asked) \(resource), but the largest node has \(most): ask for less or add a larger node"
        }
        let total = cluster.allocatable[resource]
        let free = max(0, total - cluster.used[resource])
        let needed = Resources.text(pod.requests[resource] * missing, of: resource)
        let holding = holders(cluster.holders(of: resource, excluding: gang.key), resource)
        let who = holding.isEmpty ? "" : ", the rest \(holding)"
        return "\(pods) more need \(needed) \(resource), but only \(Resources.text(free, of: resource)) of "
            + "\(Resources.text(total, of: resource)) is free on \(why.nodeCount) nodes\(who): "
            + "wait for them, stop one, or add a node"
    }

    static func queueLimit(
        _ queue: GangQueue,
        resource: String,
        asked: Int,
        held: Int,
        holders list: [(name: String, amount: Int)]
    ) -> String {
        let limit = Resources.text(queue.capability?[resource] ?? 0, of: resource)
        let who = holders(list, resource)
        let holding = who.isEmpty ? "" : " (\(who))"
        return
            "it needs \(Resources.text(asked, of: resource)) \(resource), but queue \(queue.name) may hold \(limit) and "
            + "holds \(Resources.text(held, of: resource))\(holding): wait, raise the queue's capability, or use another queue"
    }

    static func clusterFull(resource: String, asked: Int, cluster: Cluster, gang: Gang) -> String {
        let total = cluster.allocatable[resource]
        if asked > total {
            return "it needs \(Resources.text(asked, of: resource)) \(resource), but the whole cluster has "
                + "\(Resources.text(total, of: resource)): ask for less or add nodes"
        }
        let holding = holders(cluster.holders(of: resource, excluding: gang.key), resource)
        let who = holding.isEmpty ? "" : ", \(holding)"
        return "it needs \(Resources.text(asked, of: resource)) \(resource), but of "
            + "\(Resources.text(total, of: resource)) in the cluster \(Resources.text(cluster.used[resource], of: resource)) "
            + "is taken\(who): wait for them, stop one, or add a node"
    }

    static func queueShare(_ queue: GangQueue, usage: Double) -> String {
        "queue \(queue.name) already holds its share of the cluster while other queues wait: "
            + "wait, or raise the queue's weight"
    }
}
