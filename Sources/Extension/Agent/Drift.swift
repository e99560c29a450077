internal import KubeCore

/// Who changed what on an object that the extension keeps.
///
/// Pure: reads it from the object as it was found, and as it is after it was applied.
struct Drift: Sendable, Equatable {
    /// Field manager, such as `kubectl-edit`; nil when the object does not tell.
    var manager: String?
    var changes: [ObjectDiff.Change]
    private var isSecret: Bool

    /// nil when nothing but the server's own fields differs.
    init?(found: KubeObject, restored: KubeObject) {
        changes = ObjectDiff.changes(ObjectDiff.content(restored), ObjectDiff.content(found))
        guard !changes.isEmpty else { return nil }
        isSecret = found.kind == "Secret"
        manager = Self.manager(of: changes, in: found)
    }

    /// The newest other manager that holds one of the changed fields, or else simply the newest other one.
    private static func manager(of changes: [ObjectDiff.Change], in object: KubeObject) -> String? {
        let entries = (object["metadata", "managedFields"]?.arrayValue ?? []).filter {
            $0["manager"]?.stringValue != ExtensionRenderer.fieldManager
                && ($0["subresource"]?.stringValue ?? "").isEmpty
        }
        let newestFirst = entries.sorted { ($0["time"]?.stringValue ?? "") > ($1["time"]?.stringValue ?? "") }
        let holder = newestFirst.first { entry in changes.contains { holds(entry, $0.path) } }
        return (holder ?? newestFirst.first)?["manager"]?.stringValue
    }

    /// Elements of lists are named by their keys there, so the path counts only up to the first list.
    private static func holds(_ entry: JSON, _ path: [String]) -> Bool {
        let keys = path.prefix { !$0.hasPrefix("[") }.map { "f:" + $0 }
        return entry["fieldsV1"]?[path: keys] != nil
    }

    /// `kubectl-edit changed spec.replicas to 5 (wanted: 1)`; what a Secret holds is not said.
    var summary: String {
        let list = changes.prefix(3).map { change in
            isSecret
                ? change.name
                : "\(change.name) \(Self.text(change.after, "removed", "to ")) (wanted: \(Self.text(change.before, "absent")))"
        }
        let more = changes.count > 3 ? " and \(changes.count - 3) more" : ""
        return (manager ?? "somebody") + " changed " + list.joined(separator: ", ") + more
    }

    private static func text(_ value: JSON?, _ missing: String, _ start: String = "") -> String {
        guard let value else { return missing }
        let text = value.stringValue ?? value.text
        return start + (text.count > 60 ? text.prefix(57) + "…" : text)
    }
}
