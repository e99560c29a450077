package import KubeCore

/// Nodes and pods as a scheduler sees them, kept up to date change by change.
///
/// Placements that are decided but not yet confirmed by the API are assumed: they count at once, and are taken back when
/// binding fails.
package struct Cluster: Sendable {
    private(set) var nodes: [NodeState] = []
    private var positions: [String: Int] = [:]
    /// Pods that hold resources, assumed ones too.
    private(set) var placed: [ObjectKey: Placement] = [:]
    /// Placed pods with required anti-affinity; usually none.
    private(set) var repelling: Set<ObjectKey> = []
    /// Pods on nodes that are not known (yet).
    private var homeless: [String: Set<ObjectKey>] = [:]
    /// Where the search for a node starts, so that it does not always fill the first ones.
    var nextStart = 0

    struct Placement: Sendable {
        var pod: PodRequirements
        var node: String
        var isAssumed: Bool
    }

    package init() {}

    package var nodeCount: Int { nodes.count }

    func node(_ name: String) -> NodeState? { positions[name].map { nodes[$0] } }

    /// Sums over all nodes on which pods may be placed.
    var allocatable: Resources {
        nodes.reduce(into: Resources()) { sum, node in if !node.isUnschedulable { sum += node.allocatable } }
    }

    var used: Resources {
        nodes.reduce(into: Resources()) { sum, node in if !node.isUnschedulable { sum += node.used } }
    }

    /// True when the change can let a waiting pod fit.
    @discardableResult
    package mutating func upsertNode(_ node: KubeObject) -> Bool {
        if let position = positions[node.name] { return nodes[position].update(node) }
        var state = NodeState(name: node.name)
        _ = state.update(node)
        positions[node.name] = nodes.count
        for key in homeless.removeValue(forKey: node.name) ?? [] {
            if let placement = placed[key] { state.add(placement.pod) }
        }
        nodes.append(state)
        return true
    }

    package mutating func removeNode(_ name: String) {
        guard let position = positions.removeValue(forKey: name) else { return }
        nodes.swapAt(position, nodes.count - 1)
        nodes.removeLast()
        if position < nodes.count { positions[nodes[position].name] = position }
        let left = placed.filter { $0.value.node == name }.map(\.key)
        if !left.isEmpty { homeless[name] = Set(left) }
    }

    /// Takes the newest state of a pod.
    ///
    /// Returns true when it gave resources back.
    @discardableResult
    package mutating func upsertPod(_ pod: PodRequirements) -> Bool {
        guard pod.occupies, let node = pod.nodeName else {
            // An assumed placement is confirmed by a later event: the present one may be older than the decision.
            if let placement = placed[pod.key], placement.isAssumed, placement.pod.uid == pod.uid, !pod.isFinished {
                return false
            }
            return removePod(pod.key)
        }
        if let present = placed[pod.key] {
            if present.node == node, present.pod.uid == pod.uid, present.pod.signature == pod.signature {
                placed[pod.key] = Placement(pod: pod, node: node, isAssumed: false)
                return false
            }
            removePod(pod.key)
        }
        put(pod, on: node, isAssumed: false)
        return false
    }

    @discardableResult
    package mutating func removePod(_ key: ObjectKey) -> Bool {
        guard let placement = placed.removeValue(forKey: key) else { return false }
        repelling.remove(key)
        if let position = positions[placement.node] {
            nodes[position].remove(placement.pod)
        } else {
            homeless[placement.node]?.remove(key)
        }
        return true
    }

    /// Counts a decided placement.
    mutating func assume(_ pod: PodRequirements, on node: String) { put(pod, on: node, isAssumed: true) }

    /// Takes an assumed placement back; a confirmed one stays.
    mutating func forget(_ key: ObjectKey) {
        if placed[key]?.isAssumed == true { removePod(key) }
    }

    private mutating func put(_ pod: PodRequirements, on node: String, isAssumed: Bool) {
        placed[pod.key] = Placement(pod: pod, node: node, isAssumed: isAssumed)
        if !pod.antiAffinity.isEmpty { repelling.insert(pod.key) }
        if let position = positions[node] {
            nodes[position].add(pod)
        } else {
            homeless[node, default: []].insert(pod.key)
        }
    }
}
