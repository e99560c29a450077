internal import KubeCore
internal import KubeStore

/// The admission that is part of the server, around what a kind's strategy does.
extension Registry {
    /// Everything that changes an object, in upstream's order; also run again on what a webhook changed.
    func builtInMutation(
        _ given: KubeObject,
        old: KubeObject?,
        _ resource: Resource,
        _ context: StrategyContext
    ) async throws -> KubeObject {
        var object = given
        if context.type == .pods, old == nil, context.subresource == nil {
            LimitRanges(store).applyDefaults(&object)
        }
        try await resource.strategy.admit(&object, old: old, context)
        return object
    }

    /// Everything built in that may refuse a write; `object` is nil on delete.
    func builtInValidation(
        _ object: KubeObject?,
        old: KubeObject?,
        _ resource: Resource,
        _ context: StrategyContext
    ) async throws {
        try NodeRestriction.check(object, old: old, context)
        guard let object else { return }
        try LimitRanges(store).check(object, old: old, context)
        try PodSecurity(store).check(object, old: old, context)
        try OwnerReferenceAdmission.check(object, old: old, context)
    }
}
