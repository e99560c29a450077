internal import ControlPlaneAPI
internal import KubeCore

/// Wanted extensions: what users ask for becomes a generation, which the cluster's agent then brings about.
///
/// Each request is one transaction; nothing is kept elsewhere.
struct ExtensionService: Sendable {
    let core: Core

    /// What came of a request that changes an extension.
    struct Outcome: Sendable {
        var record: ExtensionRecord
        var isNew = false
        /// nil when there is nothing to wait for.
        var operation: String?
    }

    /// `…/providers/Microsoft.KubernetesConfiguration/extensions/NAME` of a cluster.
    static func id(cluster: String, name: String) -> String {
        cluster + "/providers/Microsoft.KubernetesConfiguration/extensions/" + name
    }

    /// Stores what a PUT wants.
    ///
    /// What is there already is not made again: an equal PUT changes nothing, unless the extension had failed.
    func put(
        cluster: String,
        type: String,
        target: ClusterTarget,
        name: String,
        body: JSON,
        flags: ExtensionFlags
    ) async throws -> Outcome {
        let (core, now) = (core, core.now)
        let properties = body["properties"] ?? .object([:])
        try ExtensionBody.check(body, name: name)
        let id = ExtensionService.id(cluster: cluster, name: name)
        return try await core.store.write { t in
            let old = try ExtensionRecord.find(t, id)
            if old == nil { try ExtensionBody.checkName(name) }
            // A cluster that was deleted since its address was read would leave an extension that nobody removes.
            if core.clusters.entry(resourceID: cluster)?.isEmbedded != true, try t.find(cluster) == nil {
                throw ARMError.resourceNotFound("Cluster", ARMName.last(cluster))
            }
            if old != nil, flags.mustBeNew {
                throw ARMError(
                    412,
                    "PreconditionFailed",
                    "Extension '\(name)' exists already and If-None-Match: * was sent; update it, or leave the header out."
                )
            }
            try ExtensionService.refuseSecondInstall(t, target: target, id: id)
            // A deletion that failed may be taken back by wanting the extension again.
            if let old, old.isDeleting, old.state != "Failed" { throw ExtensionService.isBeingDeleted(old) }
            var wish = try ExtensionWish(put: properties, old: old?.wish)
            wish.allowsUnknownSettings = flags.allowsUnknown
            try ExtensionService.resolveVersion(&wish, old: old, core)
            var record = old ?? ExtensionRecord(cluster: cluster, clusterType: type, name: name)
            ExtensionBody.apply(body, clusterType: type, to: &record)
            return try ExtensionService.store(t, old: old, &record, wish: wish, flags: flags, core, now: now)
        }
    }

    /// Merges a PATCH; settings by key.
    func patch(id: String, body: JSON, flags: ExtensionFlags) async throws -> Outcome {
        let (core, now) = (core, core.now)
        return try await core.store.write { t in
            var record = try ExtensionRecord.require(t, id)
            if record.isDeleting { throw ExtensionService.isBeingDeleted(record) }
            var wish = record.wish
            try wish.merge(patch: body["properties"] ?? .object([:]))
            wish.allowsUnknownSettings = wish.allowsUnknownSettings || flags.allowsUnknown
            try ExtensionService.resolveVersion(&wish, old: record, core)
            return try ExtensionService.store(t, old: record, &record, wish: wish, flags: flags, core, now: now)
        }
    }

    /// Takes a revision's settings and version as a new generation.
    ///
    /// `revision` is a number of `revisions`; nil is the newest one that differs from what is wanted now.
    func rollback(id: String, revision: Int?, flags: ExtensionFlags) async throws -> Outcome {
        let now = core.now
        return try await core.store.write { t in
            var record = try ExtensionRecord.require(t, id)
            if record.isDeleting { throw ExtensionService.isBeingDeleted(record) }
            let known = record.revisions.map { String($0.generation) }
            let found =
                revision.map { number in record.revisions.first { $0.generation == number } } ?? record.previousRevision
            guard let found else {
                let which = revision.map { "Revision \($0)" } ?? "An earlier revision"
                throw ARMError(
                    409,
                    "RevisionNotFound",
                    "\(which) of extension '\(record.name)' is not there to go back to; kept are \(known.isEmpty ? "none" : known.joined(separator: ", ")). Revisions are kept for generations that became ready, the last \(ExtensionRevision.limit).",
                    target: "revision"
                )
            }
            guard found.wish != record.wish || record.state == "Failed" else {
                return Outcome(record: record, operation: record.isBusy ? record.operation : nil)
            }
            record.wish = ExtensionService.wish(of: found, from: record.wish)
            let operation = try ExtensionService.begin(t, &record, state: "Updating", flags: flags, now: now)
            return Outcome(record: record, operation: operation)
        }
    }

    /// A revision's wish; going back to another version pins it, as the next upgrade would undo it at once.
    static func wish(of revision: ExtensionRevision, from present: ExtensionWish) -> ExtensionWish {
        var wish = revision.wish
        guard let target = wish.targetVersion, target != present.targetVersion else { return wish }
        wish.mode = .none
        wish.version = target
        return wish
    }

    // MARK: Parts

    private static func store(
        _ t: Transaction,
        old: ExtensionRecord?,
        _ record: inout ExtensionRecord,
        wish: ExtensionWish,
        flags: ExtensionFlags,
        _ core: Core,
        now: Double
    ) throws -> Outcome {
        record.wish = wish
        let problems = core.configuration.validateExtension(record.desired)
        guard problems.isEmpty else {
            throw ARMError.invalid(object: "Extension '\(record.name)'", problems: problems)
        }
        if let old, old.wish == wish, !old.isDeleting, old.state == "Succeeded" || old.isBusy {
            if record.document.body != old.document.body { try t.put(&record.document) }
            return Outcome(record: record, operation: old.isBusy ? old.operation : nil)
        }
        let state = old == nil || old?.succeededGeneration == 0 ? "Creating" : "Updating"
        let operation = try begin(t, &record, state: state, flags: flags, now: now)
        return Outcome(record: record, isNew: old == nil, operation: operation)
    }

    /// Raises the generation, starts an operation in the place of any that is going on, and stores the document.
    @discardableResult
    static func begin(
        _ t: Transaction,
        _ record: inout ExtensionRecord,
        state: String,
        flags: ExtensionFlags = ExtensionFlags(),
        now: Double
    ) throws -> String {
        let isDeleting = state == "Deleting"
        let operation = RandomText.uuid()
        let preempted = ErrorDetail(
            code: "OperationPreempted",
            message:
                "A later request \(isDeleting ? "deletes" : "changes") extension '\(record.name)'; follow its operation \(operation)."
        )
        try Operations.cancel(t, id: record.operation, error: preempted)
        var generation = record.generation
        if generation == 0, let buried = try ExtensionTombstone.remove(t, id: record.document.id) {
            // Reports about the one before must not be taken for ours.
            generation = buried.generation
        }
        record.state = state
        record.document[property: "errorInfo"] = nil
        record.document.hidden["generation"] = JSON(generation + 1)
        record.document.hidden["operation"] = .string(operation)
        record.document.hidden["wantedAt"] = .double(now)
        record.document.hidden["remarks"] = nil
        record.document.hidden["isDeleting"] = .bool(isDeleting)
        record.document.hidden["isAtomic"] = .bool(flags.isAtomic && !isDeleting)
        record.document.hidden["isForced"] = .bool(flags.isForced && isDeleting)
        record.document.hidden["forcedAt"] = flags.isForced && isDeleting ? .double(now) : nil
        record.document.hidden["isPurging"] = .bool(flags.isPurging && isDeleting)
        try t.put(&record.document)
        try Operations.start(t, id: operation, resource: record.document.id)
        return operation
    }

    static func resolveVersion(_ wish: inout ExtensionWish, old: ExtensionRecord?, _ core: Core) throws(ARMError) {
        let versions = ExtensionVersions(core.configuration)
        wish.releaseTrain = try versions.train(wish.releaseTrain)
        let target = try versions.resolve(
            mode: wish.mode,
            version: wish.version,
            train: wish.releaseTrain,
            installed: old?.installedVersion
        )
        wish.targetVersion = target?.version
        wish.image = target?.image
    }

    static func isBeingDeleted(_ record: ExtensionRecord) -> ARMError {
        ARMError.conflict(
            "OperationInProgress",
            "Extension '\(record.name)' of cluster '\(record.cluster)' is being deleted; wait until it is gone (operation \(record.operation)), or delete it with force if the cluster is gone."
        )
    }

    /// One cluster takes one extension, under whichever resource types it is known.
    static func refuseSecondInstall(_ t: Transaction, target: ClusterTarget, id: String) throws {
        for other in try t.listAll(.extension) where other.key != id.lowercased() && target.holds(other.id) {
            let record = ExtensionRecord(other)
            throw ARMError.conflict(
                "ExtensionAlreadyExists",
                record.isDeleting
                    ? "Cluster '\(target.name)' still has the extension '\(other.name)' of this type, which is being deleted; wait until it is gone (\(other.id))."
                    : "Cluster '\(target.name)' already has the extension '\(other.name)' of this type; update or delete that one (\(other.id))."
            )
        }
    }
}
