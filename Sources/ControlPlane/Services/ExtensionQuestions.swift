internal import ControlPlaneAPI
internal import KubeCore

/// A question about an extension: a stored one, or what the body describes.
struct ExtensionQuestion: Sendable {
    var cluster: String
    var type: String
    var name: String
    var operation: String?
    var body: JSON
    var flags = ExtensionFlags()

    var id: String { ExtensionService.id(cluster: cluster, name: name) }
}

/// Questions about an extension to its cluster's agent; each answers the operation to poll.
extension ExtensionService {
    /// An extension as a question sees it: stored, or only described by the question's body.
    private struct Subject {
        var record: ExtensionRecord
        var exists: Bool
    }

    /// What would change; `operation` is `create` (the body is a PUT's) or `update` (a PATCH's).
    func preview(_ question: ExtensionQuestion) async throws -> String {
        let core = core
        let id = question.id
        return try await core.store.write { t in
            let exists = try t.find(id) != nil
            let isUpdate: Bool
            switch question.operation?.lowercased() {
            case nil, "": isUpdate = exists && question.body["properties"]?["extensionType"] == nil
            case "create": isUpdate = false
            case "update": isUpdate = true
            case .some(let other):
                throw ARMError.invalid("operation", "operation '\(other)' cannot be previewed; use create or update.")
            }
            if isUpdate, !exists { _ = try ExtensionRecord.require(t, id) }
            let subject = try ExtensionService.subject(t, core, question, isUpdate: isUpdate)
            return try ExtensionService.ask(
                t,
                .preview,
                operation: exists ? "upgrade" : "install",
                subject.record,
                question.cluster,
                core.now
            )
        }
    }

    /// Health checks; without a body of the stored extension.
    func check(_ question: ExtensionQuestion) async throws -> String {
        let core = core
        return try await core.store.write { t in
            let subject = try ExtensionService.subject(t, core, question, isUpdate: nil)
            let known = ["install", "upgrade", "rollback", "delete", "test"]
            let asked = question.operation?.lowercased() ?? ""
            let aliases = ["": subject.exists ? "upgrade" : "install", "create": "install", "update": "upgrade"]
            let chosen = aliases[asked] ?? asked
            guard known.contains(chosen) else {
                throw ARMError.invalid(
                    "operation",
                    "operation '\(asked)' has no checks; use one of \(known.joined(separator: ", "))."
                )
            }
            return try ExtensionService.ask(t, .check, operation: chosen, subject.record, question.cluster, core.now)
        }
    }

    /// `components` or `diagnose`; without a body of the stored extension.
    func inquire(_ kind: AgentRequest.Kind, _ question: ExtensionQuestion) async throws -> String {
        let core = core
        return try await core.store.write { t in
            let subject = try ExtensionService.subject(t, core, question, isUpdate: nil)
            return try ExtensionService.ask(t, kind, operation: "test", subject.record, question.cluster, core.now)
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
        _ question: ExtensionQuestion,
        isUpdate: Bool?
    ) throws -> Subject {
        let (id, name) = (question.id, question.name)
        let properties = question.body["properties"] ?? .object([:])
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
            wish.allowsUnknownSettings = wish.allowsUnknownSettings || question.flags.allowsUnknown
        } else {
            try ExtensionBody.check(question.body, name: name)
            if old == nil { try ExtensionBody.checkName(name) }
            wish = try ExtensionWish(put: properties, old: old?.wish)
            wish.allowsUnknownSettings = question.flags.allowsUnknown
        }
        try resolveVersion(&wish, old: old, core)
        var record = old ?? ExtensionRecord(cluster: question.cluster, clusterType: question.type, name: name)
        record.wish = wish
        record.document.hidden["generation"] = JSON(record.generation + 1)
        let problems = core.configuration.validateExtension(record.desired)
        guard problems.isEmpty else { throw ARMError.invalid(object: "Extension '\(name)'", problems: problems) }
        return Subject(record: record, exists: old != nil)
    }
}
