internal import KubeCore
internal import KubeRuntime

/// Which objects a controller's owner manages, takes over, or lets go.
struct Ownership: Sendable, Equatable {
    /// Managed and matching.
    var kept: [KubeObject] = []
    /// Matching orphans.
    var adopted: [KubeObject] = []
    /// Managed but no longer matching.
    var released: [KubeObject] = []

    init(owner: KubeObject, selector: LabelSelector, owned: [KubeObject], orphans: [KubeObject]) {
        for object in owned {
            if selector.matches(object.labels) || owner.isTerminating {
                kept.append(object)
            } else {
                released.append(object)
            }
        }
        guard !owner.isTerminating, !selector.isEmpty else { return }
        adopted = orphans.filter { !$0.isTerminating && selector.matches($0.labels) }
    }
}

extension ControllerContext {
    /// Carries an `Ownership` out and returns what the owner manages afterwards.
    ///
    /// Before it adopts, the owner is read afresh: a deleted and re-made owner of the same name must not take objects.
    func claim(
        _ type: ResourceType,
        ownerType: ResourceType,
        owner: KubeObject,
        selector: LabelSelector,
        owned: [KubeObject],
        orphans: [KubeObject]
    ) async throws -> [KubeObject] {
        let ownership = Ownership(owner: owner, selector: selector, owned: owned, orphans: orphans)
        var result = ownership.kept
        for object in ownership.released {
            let gone: JSON = ["$patch": "delete", "uid": .string(owner.uid)]
            let metadata: JSON = ["uid": .string(object.uid), "ownerReferences": .array([gone])]
            do {
                try await api.patch(type, object.key, .strategic(["metadata": metadata]))
            } catch let error as APIError where error.isNotFound || error.reason == .invalid {
                continue
            }
        }
        guard !ownership.adopted.isEmpty else { return result }
        let live = try await api.find(ownerType, namespace: owner.namespace, name: owner.name)
        guard let live, live.uid == owner.uid, !live.isTerminating else { return result }
        for object in ownership.adopted {
            let metadata: JSON = [
                "uid": .string(object.uid), "ownerReferences": .array([owner.controllerReference().json]),
            ]
            do {
                result.append(try await api.patch(type, object.key, .strategic(["metadata": metadata])))
            } catch let error as APIError where error.isNotFound || error.isConflict || error.reason == .invalid {
                continue
            }
        }
        return result
    }
}
