package import KubeCore

/// Server-side apply: who owns which field of an object.
///
/// Source: structured-merge-diff's `merge.Updater` and the field manager of the API server library.
package struct ManagedFields {
    /// Applies `applied` over `live` on behalf of `manager`; nil `live` makes the object.
    ///
    /// - Throws: 409 with `FieldManagerConflict` causes when another manager owns a changed field and `force` is off.
    package static func apply(
        live: KubeObject?,
        applied: KubeObject,
        manager: String,
        force: Bool,
        subresource: String?,
        apiVersion: String,
        now: String,
        schema: Schema
    ) throws(APIError) -> KubeObject {
        guard (applied["metadata", "managedFields"]?.arrayValue ?? []).isEmpty else {
            throw APIError.badRequest("metadata.managedFields must be nil")
        }
        let type = ApplyType(root: schema)
        var config = applied.json
        config["metadata"]?["managedFields"] = nil
        if let duplicate = type.duplicate(config) {
            throw APIError.badRequest(
                "failed to create typed patch object (\(applied.key); \(apiVersion), Kind=\(applied.kind)): \(duplicate)"
            )
        }
        let request = Request(
            manager: manager,
            subresource: subresource ?? "",
            apiVersion: apiVersion,
            now: now,
            type: type
        )
        do {
            return withLastApplied(try request.apply(live: live, config: config, force: force), config, live, manager)
        } catch {
            // kubectl's move from client-side to server-side apply may take what the annotation says it set itself.
            guard manager == kubectl, !force, let live, let text = live.annotations[lastApplied],
                let previous = try? JSON(parsing: text)
            else { throw error.apiError }
            let allowed = type.fieldSet(previous)
            let rest = error.conflicts.compactMapValues { set in
                let left = set.subtracting(allowed)
                return left.isEmpty ? nil : left
            }
            guard rest.isEmpty else { throw ApplyConflict(conflicts: rest).apiError }
            do {
                return withLastApplied(
                    try request.apply(live: live, config: config, force: true),
                    config,
                    live,
                    manager
                )
            } catch {
                throw error.apiError
            }
        }
    }

    /// Records that `manager` wrote the differences between `live` and `updated` without apply.
    ///
    /// `updated` may carry managedFields of its own: one empty entry clears them, absent ones are taken from `live`.
    package static func update(
        live: KubeObject?,
        updated: KubeObject,
        manager: String,
        subresource: String?,
        apiVersion: String,
        now: String,
        schema: Schema
    ) -> KubeObject {
        let entries = updated["metadata", "managedFields"]?.arrayValue ?? []
        if subresource == nil, entries.count == 1, entries[0] == .object([:]) {
            var result = updated
            result["metadata", "managedFields"] = nil
            return result
        }
        let own = Managers(entries)
        let managers = subresource != nil || own.isEmpty ? Managers(live) : own
        let request = Request(
            manager: manager,
            subresource: subresource ?? "",
            apiVersion: apiVersion,
            now: now,
            type: ApplyType(root: schema)
        )
        return request.update(live: live, updated: updated, managers: managers)
    }

    private static let kubectl = "kubectl"
    private static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

    /// Keeps the annotation of client-side apply current, so that a user may go back to it.
    private static func withLastApplied(
        _ object: KubeObject,
        _ config: JSON,
        _ live: KubeObject?,
        _ manager: String
    ) -> KubeObject {
        guard manager == kubectl, live?.annotations[lastApplied] != nil else { return object }
        var copy = config
        copy["metadata"]?["annotations"]?[lastApplied] = nil
        var result = object
        result["metadata", "annotations", lastApplied] = .string(copy.text + "\n")
        return result
    }
}

/// Fields that other managers own, by manager.
struct ApplyConflict: Error {
    var conflicts: [Managers.Identity: FieldSet]

    var apiError: APIError {
        var causes: [APIError.Cause] = []
        for (identity, set) in conflicts.sorted(by: { $0.key.manager < $1.key.manager }) {
            let message = "conflict with " + identity.description
            for path in set.paths {
                causes.append(APIError.Cause(reason: "FieldManagerConflict", message: message, field: path))
            }
        }
        let count = "\(causes.count) conflict" + (causes.count == 1 ? "" : "s")
        return APIError(code: 409, reason: .conflict, message: "Apply failed with \(count): \(text)", causes: causes)
    }

    private var text: String {
        let parts = conflicts.sorted { $0.key.manager < $1.key.manager }.map { identity, set in
            let paths = set.paths
            if paths.count == 1 { return "conflict with \(identity.description): \(paths[0])" }
            return "conflicts with \(identity.description):\n" + paths.map { "- " + $0 }.joined(separator: "\n")
        }
        return parts.joined(separator: "\n")
    }
}
