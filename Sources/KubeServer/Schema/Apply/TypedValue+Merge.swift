internal import KubeCore

extension ApplyType {
    /// `applied` laid over `live`: its values win, everything else stays.
    func merge(_ live: JSON?, _ applied: JSON?) -> JSON {
        guard let applied else { return live ?? .null }
        guard let live else { return applied }
        switch (shape(live), shape(applied)) {
        case (.map(var members), .map(let changes)):
            for (key, change) in changes { members[key] = member(key).type.merge(members[key], change) }
            return .object(members)
        case (.list(let before), .list(let changes)): return .array(mergeLists(before, changes))
        default: return applied
        }
    }

    /// Elements keep the order of `applied` where both have them; the others keep their place among the live ones.
    ///
    /// Source: structured-merge-diff's `mergeListItems`.
    private func mergeLists(_ live: [JSON], _ applied: [JSON]) -> [JSON] {
        let left = live.map { step($0) }
        let right = applied.map { step($0) }
        var leftItems: [PathElement: JSON] = [:]
        for (step, item) in zip(left, live) {
            if let step, leftItems[step] == nil { leftItems[step] = item }
        }
        var rightItems: [PathElement: JSON] = [:]
        for (step, item) in zip(right, applied) {
            if let step { rightItems[step] = item }
        }
        var shared = right.compactMap { step in step.flatMap { leftItems[$0] == nil ? nil : $0 } }[...]
        var nextShared = shared.popFirst()
        var merged: Set<PathElement> = []
        var result: [JSON] = []
        var l = 0
        var r = 0
        while l < left.count || r < right.count {
            if l < left.count, r < right.count {
                if let step = left[l], left[l] == right[r] {
                    merged.insert(step)
                    result.append(element.merge(leftItems[step], rightItems[step]))
                    l += 1
                    r += 1
                    nextShared = shared.popFirst()
                    continue
                }
                if let step = left[l], rightItems[step] != nil, let wanted = nextShared, wanted != step {
                    l += 1
                    continue
                }
            }
            if l < left.count {
                guard let step = left[l], rightItems[step] != nil else {
                    result.append(live[l])
                    l += 1
                    continue
                }
                if merged.contains(step) {
                    l += 1
                    continue
                }
            }
            if r < right.count {
                if let step = right[r] {
                    merged.insert(step)
                    result.append(element.merge(leftItems[step], rightItems[step]))
                    if nextShared == step { nextShared = shared.popFirst() }
                } else {
                    result.append(applied[r])
                }
                r += 1
            } else if l < left.count {
                l += 1
            }
        }
        return result
    }

    /// Without the members and elements that are in `set`; what becomes empty by it goes too (nil).
    func remove(_ set: FieldSet, from value: JSON) -> JSON? {
        switch shape(value) {
        case .leaf: return value
        case .map(var members):
            if members.isEmpty { return value }
            for (key, child) in members {
                let step = PathElement.field(key)
                if set.contains(step) {
                    members[key] = nil
                } else if let below = set.children[step] {
                    members[key] = member(key).type.remove(below, from: child)
                }
            }
            return members.isEmpty ? nil : .object(members)
        case .list(let elements):
            if elements.isEmpty { return value }
            let rest = elements.compactMap { item -> JSON? in
                guard let step = step(item) else { return item }
                if set.contains(step) { return nil }
                guard let below = set.children[step] else { return item }
                return element.remove(below, from: item)
            }
            return rest.isEmpty ? nil : .array(rest)
        }
    }

    /// `set` with every named field that has something below it made a member.
    func namingParents(_ set: FieldSet) -> FieldSet {
        var result = set
        for (step, child) in set.children {
            if case .field(let name) = step, schema?.form == .object || isRoot, member(name).isNamed {
                result.members.insert(step)
            }
            result.children[step] = self.child(step).namingParents(child)
        }
        return result
    }

    /// The first element that a list of type map or set has twice, for messages; nil when there is none.
    func duplicate(_ value: JSON, path: String = "") -> String? {
        switch shape(value) {
        case .leaf: return nil
        case .map(let members):
            for (key, child) in members {
                if let found = member(key).type.duplicate(child, path: path + "." + key) { return found }
            }
        case .list(let elements):
            var seen: Set<PathElement> = []
            for item in elements {
                guard let step = step(item) else {
                    let keys = (schema?.mapKeys ?? []).joined(separator: ", ")
                    return "\(path): element has none of the keys [\(keys)]"
                }
                guard seen.insert(step).inserted else { return "\(path): duplicate entries for key \(step.display)" }
                if let found = element.duplicate(item, path: path + step.display) { return found }
            }
        }
        return nil
    }

    /// The value of a freshly made object: upstream's plain structs are there, pointers are not.
    static func emptyObject(_ schema: Schema) -> JSON {
        if schema.isCustom { return ["metadata": [:]] }
        return emptyMessage(schema, depth: 0)
    }

    private static func emptyMessage(_ schema: Schema, depth: Int) -> JSON {
        var members: [String: JSON] = [:]
        for field in schema.fields.values where !field.isPointer {
            if field.schema.form == .object, depth < 8 {
                members[field.name] = emptyMessage(field.schema, depth: depth + 1)
            } else if field.isRequired, field.schema.form == .list || field.schema.form == .map {
                members[field.name] = .null
            }
        }
        return .object(members)
    }
}
