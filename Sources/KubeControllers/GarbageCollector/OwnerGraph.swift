internal import KubeCore

/// Who owns whom, over all kinds; only metadata is kept.
///
/// A pure state: it says which objects to look at, and the shell asks the API before anything is deleted.
struct OwnerGraph: Sendable {
    struct Node: Sendable {
        var type: ResourceType
        var key: ObjectKey
        var uid: String
        var owners: [OwnerReference] = []
        var isTerminating = false
        var finalizers: Set<String> = []

        init(type: ResourceType, object: KubeObject) {
            self.type = type
            key = object.key
            uid = object.uid
            owners = object.ownerReferences
            isTerminating = object.isTerminating
            finalizers = Set(object.finalizers)
        }

        var waitsForDependents: Bool { isTerminating && finalizers.contains(OwnerGraph.foregroundFinalizer) }
        var orphansDependents: Bool { isTerminating && finalizers.contains(OwnerGraph.orphanFinalizer) }
    }

    static let foregroundFinalizer = "foregroundDeletion"
    static let orphanFinalizer = "orphan"

    private(set) var nodes: [String: Node] = [:]
    private var dependents: [String: Set<String>] = [:]

    /// Takes the newest state of an object; returns the uids to look at.
    mutating func upsert(_ type: ResourceType, _ object: KubeObject) -> Set<String> {
        let node = Node(type: type, object: object)
        guard !node.uid.isEmpty else { return [] }
        let old = nodes.updateValue(node, forKey: node.uid)
        var look: Set<String> = []
        let before = Set((old?.owners ?? []).map(\.uid))
        let after = Set(node.owners.map(\.uid))
        for owner in before.subtracting(after) {
            dependents[owner]?.remove(node.uid)
            if dependents[owner]?.isEmpty == true { dependents[owner] = nil }
            // An owner that waits for its dependents has one less.
            if nodes[owner]?.waitsForDependents == true { look.insert(owner) }
        }
        for owner in after { dependents[owner, default: []].insert(node.uid) }
        if old?.owners != node.owners, node.owners.contains(where: { needsLook($0, of: node) }) {
            look.insert(node.uid)
        }
        if node.waitsForDependents || node.orphansDependents { look.insert(node.uid) }
        if old == nil, let waiting = dependents[node.uid] {
            // Dependents may have been read before their owner.
            look.formUnion(waiting.filter { id in nodes[id].map { !isPlausible(owner: node, of: $0) } ?? false })
        }
        return look
    }

    /// Takes that an object is gone; returns the uids to look at.
    mutating func remove(uid: String) -> Set<String> {
        guard let node = nodes.removeValue(forKey: uid) else { return [] }
        var look = dependents[uid] ?? []
        for owner in node.owners {
            dependents[owner.uid]?.remove(uid)
            if dependents[owner.uid]?.isEmpty == true { dependents[owner.uid] = nil }
            if nodes[owner.uid]?.waitsForDependents == true { look.insert(owner.uid) }
        }
        return look
    }

    func dependents(of uid: String) -> [Node] { (dependents[uid] ?? []).compactMap { nodes[$0] } }

    func uids(of type: ResourceType) -> [String] {
        nodes.values.filter { $0.type.groupResource == type.groupResource }.map(\.uid)
    }

    /// An owner that is present, alive and where the reference can point is no reason to look.
    private func needsLook(_ reference: OwnerReference, of node: Node) -> Bool {
        guard let owner = nodes[reference.uid] else { return true }
        return owner.waitsForDependents || !isPlausible(owner: owner, of: node)
    }

    /// A namespaced owner owns only in its own namespace.
    private func isPlausible(owner: Node, of node: Node) -> Bool {
        guard let reference = node.owners.first(where: { $0.uid == owner.uid }) else { return true }
        return reference.kind == owner.type.kind && reference.name == owner.key.name
            && (owner.key.namespace == nil || owner.key.namespace == node.key.namespace)
    }
}

/// What to do with an object after its owners were looked up.
enum GarbageVerdict: Sendable, Equatable {
    case keep
    /// Remove these owner references; others still hold the object.
    case detach([String])
    case delete(DeleteOptions.Propagation)

    /// - `absent`: owners that do not exist (any more).
    /// - `waiting`: owners that are being deleted in the foreground.
    static func judge(
        _ object: KubeObject,
        present: [OwnerReference],
        absent: [OwnerReference],
        waiting: [OwnerReference],
        hasDependents: Bool
    ) -> GarbageVerdict {
        guard !(present.isEmpty && absent.isEmpty && waiting.isEmpty) else { return .keep }
        if !present.isEmpty {
            let gone = (absent + waiting).map(\.uid)
            return gone.isEmpty ? .keep : .detach(gone)
        }
        if object.isTerminating { return .keep }
        if !waiting.isEmpty, hasDependents { return .delete(.foreground) }
        if object.finalizers.contains(OwnerGraph.orphanFinalizer) { return .delete(.orphan) }
        if object.finalizers.contains(OwnerGraph.foregroundFinalizer) { return .delete(.foreground) }
        return .delete(.background)
    }
}
