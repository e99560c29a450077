internal import KubeCore

/// What differs between two JSON values, leaf by leaf.
enum ObjectDiff {
    struct Change: Sendable, Hashable {
        /// Keys and list positions from the root; positions are written `[0]`.
        var path: [String]
        var before: JSON?
        var after: JSON?

        /// `spec.template.spec.containers[0].image`; keys with dots stand in brackets.
        var name: String {
            path.reduce(into: "") { text, part in
                if part.hasPrefix("[") {
                    text += part
                } else if part.contains(".") || part.contains("/") {
                    text += "[" + part + "]"
                } else {
                    text += (text.isEmpty ? "" : ".") + part
                }
            }
        }
    }

    static func changes(_ before: JSON?, _ after: JSON?) -> [Change] {
        var changes: [Change] = []
        collect(before, after, [], &changes)
        return changes
    }

    private static func collect(_ before: JSON?, _ after: JSON?, _ path: [String], _ changes: inout [Change]) {
        guard before != after else { return }
        let oldMembers = before?.objectValue
        let newMembers = after?.objectValue
        if oldMembers != nil || newMembers != nil, isMembersOrNothing(before), isMembersOrNothing(after) {
            let keys = Set((oldMembers ?? [:]).keys).union((newMembers ?? [:]).keys)
            if keys.isEmpty { changes.append(Change(path: path, before: before, after: after)) }
            for key in keys.sorted() { collect(oldMembers?[key], newMembers?[key], path + [key], &changes) }
            return
        }
        let oldElements = before?.arrayValue
        let newElements = after?.arrayValue
        let isList = (before == nil || oldElements != nil) && (after == nil || newElements != nil)
        if isList, let most = [oldElements?.count, newElements?.count].compactMap({ $0 }).max(), most > 0 {
            for index in 0..<most {
                collect(before?[index], after?[index], path + ["[\(index)]"], &changes)
            }
            return
        }
        changes.append(Change(path: path, before: before, after: after))
    }

    private static func isMembersOrNothing(_ value: JSON?) -> Bool { value == nil || value?.objectValue != nil }

    /// The object without what servers keep of their own accord.
    static func content(_ object: KubeObject) -> JSON {
        var json = object.json
        json["status"] = nil
        for key in ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"] {
            json[path: "metadata", key] = nil
        }
        // Counts up with each rollout, by itself.
        json[path: "metadata", "annotations", "deployment.kubernetes.io/revision"] = nil
        if json[path: "metadata", "annotations"]?.objectValue?.isEmpty == true {
            json[path: "metadata", "annotations"] = nil
        }
        return json
    }
}
