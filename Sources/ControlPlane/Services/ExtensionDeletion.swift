internal import ControlPlaneAPI
internal import KubeCore

/// What is left of an extension whose document is gone before its objects are: it tells the agent to remove them when it
/// returns.
struct ExtensionTombstone: Sendable {
    var document: Document

    static func key(_ id: String) -> String { "/tombstones" + id }

    var generation: Int { document.hidden["generation"]?.intValue ?? 0 }

    /// What the agent is told; nil for a document that cannot be read.
    var desired: DesiredExtension? {
        do { return try document.hidden["desired"]?.decode() } catch { return nil }
    }

    static func put(_ t: Transaction, _ record: ExtensionRecord) throws {
        var wanted = record.desired
        wanted.isDeleting = true
        wanted.isForced = true
        // Removing needs no secrets.
        wanted.protectedSettings = [:]
        wanted.generation += 1
        let hidden: [String: JSON] = ["desired": try JSON(encoding: wanted), "generation": JSON(wanted.generation)]
        var document = Document(
            kind: .extensionTombstone,
            id: key(record.document.id),
            parent: record.document.parent,
            name: record.name,
            body: .object([:]),
            hidden: .object(hidden)
        )
        try t.put(&document)
    }

    /// Takes away the one of the extension `id` and answers it.
    @discardableResult
    static func remove(_ t: Transaction, id: String) throws -> ExtensionTombstone? {
        guard let document = try t.find(key(id)) else { return nil }
        try t.remove(document.id)
        return ExtensionTombstone(document: document)
    }
}

extension ExtensionService {
    /// Seconds that an agent which answers may take for a forced deletion.
    static let forcedDeadline = 600.0

    enum Deletion: Sendable {
        case nothingThere
        /// The document is gone at once.
        case done
        /// Poll this operation.
        case started(String)
    }

    /// Marks for deletion; the agent removes the objects, then the document goes.
    ///
    /// Forced, the document of a cluster whose agent is silent goes at once, and a tombstone waits for the agent.
    func delete(id: String, flags: ExtensionFlags) async throws -> Deletion {
        let now = core.now
        return try await core.store.write { t in
            guard var record = try ExtensionRecord.find(t, id) else { return .nothingThere }
            if flags.isForced, try !ExtensionService.isAgentHeard(t, cluster: record.document.parent, now: now) {
                if flags.isPurging { record.document.hidden["isPurging"] = true }
                try ExtensionService.bury(t, record)
                return .done
            }
            guard record.isDeleting, record.state == "Deleting" else {
                return .started(
                    try ExtensionService.begin(t, &record, state: "Deleting", flags: flags, now: now)
                )
            }
            let before = record.document.hidden
            if flags.isForced, !record.isForced {
                record.document.hidden["isForced"] = true
                record.document.hidden["forcedAt"] = .double(now)
            }
            if flags.isPurging { record.document.hidden["isPurging"] = true }
            if record.document.hidden != before { try t.put(&record.document) }
            return .started(record.operation)
        }
    }

    static func isAgentHeard(_ t: Transaction, cluster: String, now: Double) throws -> Bool {
        guard let last = try ClusterHeartbeats.last(t, cluster: cluster) else { return false }
        return now - last < ClusterHeartbeats.offlineAfter
    }

    /// Removes the document while objects may be left on the cluster.
    static func bury(_ t: Transaction, _ record: ExtensionRecord) throws {
        try ExtensionTombstone.put(t, record)
        try t.remove(record.document.id)
        if record.isDeleting {
            try Operations.finish(t, id: record.operation, error: nil)
        } else {
            let error = ErrorDetail(
                code: "OperationPreempted",
                message: "Extension '\(record.name)' was deleted by force before this operation had ended."
            )
            try Operations.cancel(t, id: record.operation, error: error)
        }
    }

    /// Forgets everything about the extensions of a cluster that is no longer known.
    static func clusterGone(_ t: Transaction, cluster: String) throws {
        let error = ErrorDetail(code: "ClusterNotFound", message: "The cluster \(cluster) was deleted.")
        for document in try t.list(.extension, parent: cluster) {
            let record = ExtensionRecord(document)
            try Operations.finish(t, id: record.operation, error: record.isDeleting ? nil : error)
            try t.remove(document.id)
        }
        for document in try t.list(.extensionTombstone, parent: cluster) { try t.remove(document.id) }
        for document in try t.list(.agentRequest, parent: cluster) {
            try Operations.finish(t, id: document.name, error: error)
            try t.remove(document.id)
        }
    }
}
