internal import ControlPlaneAPI
internal import KubeCore

/// Questions about an extension to its cluster's agent; each answers the operation to poll.
extension ExtensionService {
    /// An extension as a question sees it: stored, or only described by the question's body.
    private struct Subject {
        var record: ExtensionRecord
        var exists: Bool
    }

    /// What would change; `operation` is `create` (the body is a PUT's) or `update` (a PATCH's).
    func preview(
        cluster: String,
        type: String,
        name: String,
        operation: String?,
        body: JSON,
        flags: ExtensionFlags
    ) async throws -> String {
        let core = core
        let id = ExtensionService.id(cluster: cluster, name: name)
        return try await core.store.write { t in
            let exists = try t.find(id) != nil
            let isUpdate: Bool
            switch operation?.lowercased() {
            case nil, "": isUpdate = exists && body["properties"]?["extensionType"] == nil
            case "create": isUpdate = false
            case "update": isUpdate = true
            case .some(let other):
                throw ARMError.invalid("operation", "operation '\(other)' cannot be previewed; use create or update.")
            }
            if isUpdate, !exists { _ = try ExtensionRecord.require(t, id) }
            let subject = try ExtensionService.subject(
                t,
                core,
                cluster: cluster,
                type: type,
                name: name,
                body: body,
                isUpdate: isUpdate,
                flags: flags
            )
            return try ExtensionService.ask(
                t,
                .preview,
                operation: exists ? "upgrade" : "install",
                subject.record,
                cluster,
                core.now
            )
        }
    }

    /// Health checks; without a body of the stored extension.
    func check(
        cluster: String,
        type: String,
        name: String,
        operation: String?,
        body: JSON,
        flags: ExtensionFlags
    ) async throws -> String {
        let core = core
        return try await core.store.write { t in
            let subject = try ExtensionService.subject(
                t,
                core,
                cluster: cluster,
                type: type,
                name: name,
                body: body,
                isUpdate: nil,
                flags: flags
            )
            let known = ["install", "upgrade", "rollback", "delete", "test"]
            let asked = operation?.lowercased() ?? ""
            let aliases = ["": subject.exists ? "upgrade" : "install", "create": "install", "update": "upgrade"]
            let chosen = aliases[asked] ?? asked
            guard known.contains(chosen) else {
                throw ARMError.invalid(
                    "operation",
                    "operation '\(asked)' has no checks; use one of \(known.joined(separator: ", "))."
                )
            }
            return try ExtensionService.ask(t, .check, operation: chosen, subject.record, cluster, core.now)
        }
    }

    /// `components` or `diagnose`; without a body of the stored extension.
    func inquire(
        _ kind: AgentRequest.Kind,
        cluster: String,
        type: String,
        name: String,
        body: JSON,
        flags: ExtensionFlags
    ) async throws -> String {
        let core = core
        return try await core.store.write { t in
            let subject = try ExtensionService.subject(
                t,
                core,
                cluster: cluster,
                type: type,
                name: name,
                body: body,
                isUpdate: nil,
                flags: flags
            )
            return try ExtensionService.ask(t, kind, operation: "test", subject.record, cluster, core.now)
        }
    }

    private static func ask(
        _ t: Transaction,
        _ kind: AgentRequest.Kind,
        operation: String,
        _ record: ExtensionRecord,
        _ cluster: String,
        _ now: Double
    ) throws -> String {
        try AgentRequests.ask(
            t,
            kind,
            operation: operation,
            desired: record.desired,
            cluster: cluster,
            resource: record.document.id,
            now: now
        )
    }

    /// Nothing of it is stored.
    ///
    /// `isUpdate` tells how to read the body; nil takes it for a PUT's when it names an extensionType.
    private static func subject(
        _ t: Transaction,
        _ core: Core,
        cluster: String,
        type: String,
        name: String,
        body: JSON,
        isUpdate: Bool?,
        flags: ExtensionFlags
    ) throws -> Subject {
        let id = ExtensionService.id(cluster: cluster, name: name)
        let properties = body["properties"] ?? .object([:])
        let hasBody = properties.objectValue?.isEmpty == false
        guard hasBody || isUpdate != nil else {
            return Subject(record: try ExtensionRecord.require(t, id), exists: true)
        }
        let old = try ExtensionRecord.find(t, id)
        let merges = isUpdate ?? (properties["extensionType"] == nil && old != nil)
        var wish: ExtensionWish
        if merges, let old {
            wish = old.wish
            try wish.merge(patch: properties)
            wish.allowsUnknownSettings = wish.allowsUnknownSettings || flags.allowsUnknown
        } else {
            try ExtensionBody.check(body, name: name)
            if old == nil { try ExtensionBody.checkName(name) }
            wish = try ExtensionWish(put: properties, old: old?.wish)
            wish.allowsUnknownSettings = flags.allowsUnknown
        }
        try resolveVersion(&wish, old: old, core)
        var record = old ?? ExtensionRecord(cluster: cluster, clusterType: type, name: name)
        record.wish = wish
        record.document.hidden["generation"] = JSON(record.generation + 1)
        let problems = core.configuration.validateExtension(record.desired)
        guard problems.isEmpty else { throw ARMError.invalid(object: "Extension '\(name)'", problems: problems) }
        return Subject(record: record, exists: old != nil)
    }
}
