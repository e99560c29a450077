internal import KubeCore

/// What remains in a namespace that is being deleted.
struct NamespaceContent: Sendable, Equatable {
    /// Objects left of each resource, by `groupResource`.
    var remaining: [String: Int] = [:]
    /// How many of them name each finalizer.
    var finalizers: [String: Int] = [:]
    /// What could not be listed or deleted.
    var failures: [String] = []
    /// Set when the kinds themselves could not be listed.
    var discoveryFailure: String?

    var isEmpty: Bool { remaining.isEmpty && failures.isEmpty && discoveryFailure == nil }

    /// `status` of the namespace, with upstream's conditions and texts.
    func status(of namespace: KubeObject, now: String) -> JSON {
        var conditions = ConditionList(namespace["status", "conditions"])
        func set(
            _ type: String,
            _ isTrue: Bool,
            _ badReason: String,
            _ bad: String,
            _ goodReason: String,
            _ good: String
        ) {
            conditions.set(
                type,
                isTrue ? "True" : "False",
                reason: isTrue ? badReason : goodReason,
                message: isTrue ? bad : good,
                now: now
            )
        }
        set(
            "NamespaceDeletionDiscoveryFailure",
            discoveryFailure != nil,
            "DiscoveryFailed",
            "Discovery failed for some groups: \(discoveryFailure ?? "")",
            "ResourcesDiscovered",
            "All resources successfully discovered"
        )
        set(
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "",
            "",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed"
        )
        set(
            "NamespaceDeletionContentFailure",
            !failures.isEmpty,
            "ContentDeletionFailed",
            "Failed to delete all resource types, \(failures.count) remaining: \(failures.joined(separator: ", "))",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization"
        )
        let kinds = remaining.sorted { $0.key < $1.key }.map { "\($0.key) has \($0.value) resource instances" }
        set(
            "NamespaceContentRemaining",
            !remaining.isEmpty,
            "SomeResourcesRemain",
            "Some resources are remaining: \(kinds.joined(separator: ", "))",
            "ContentRemoved",
            "All content successfully removed"
        )
        let holders = finalizers.sorted { $0.key < $1.key }.map { "\($0.key) in \($0.value) resource instances" }
        set(
            "NamespaceFinalizersRemaining",
            !finalizers.isEmpty,
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: \(holders.joined(separator: ", "))",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished"
        )
        var status = namespace["status"]?.objectValue ?? [:]
        status["phase"] = "Terminating"
        status["conditions"] = conditions.json
        return .object(status)
    }
}
