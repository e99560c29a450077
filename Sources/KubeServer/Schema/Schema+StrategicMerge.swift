package import KubeCore

extension Schema {
    /// Applies a strategic merge patch with its directives (`$patch`, `$retainKeys`, `$setElementOrder/…`,
    /// `$deleteFromPrimitiveList/…`).
    ///
    /// - Throws: `APIError` 400 for a malformed directive, 422 for a list element without its merge key.
    package func strategicMerge(_ current: JSON, patch: JSON) throws(APIError) -> JSON {
        guard case .object(let changes) = patch else {
            throw APIError.badRequest("error decoding patch: a strategic merge patch must be an object")
        }
        return try StrategicMerge.mergeObjects(current.objectValue ?? [:], changes, self)
    }
}

private enum StrategicMerge {
    static let directive = "$patch"
    static let retainKeys = "$retainKeys"
    static let order = "$setElementOrder/"
    static let deletion = "$deleteFromPrimitiveList/"

    static func mergeObjects(
        _ original: [String: JSON],
        _ patch: [String: JSON],
        _ schema: Schema?
    ) throws(APIError) -> JSON {
        var patch = patch
        var result = original
        if let command = patch.removeValue(forKey: directive) {
            switch command {
            case "replace": return withoutDirectives(.object(patch))
            case "delete": return [:]
            case "merge": break
            default: throw APIError.badRequest("Unknown patch type \(command.text) in map")
            }
        }
        if let keys = patch.removeValue(forKey: retainKeys) {
            guard let kept = keys.stringArray else {
                throw APIError.badRequest("\(retainKeys) must be a list of field names, not \(keys.text)")
            }
            result = result.filter { kept.contains($0.key) }
        }
        for (key, value) in patch where key.hasPrefix(deletion) {
            let name = String(key.dropFirst(deletion.count))
            guard case .array(let removed) = value else { throw APIError.badRequest("\(key) must be a list") }
            if case .array(let elements)? = result[name] {
                result[name] = .array(elements.filter { !removed.contains($0) })
            }
        }
        for (key, value) in patch where !key.hasPrefix("$") {
            if value.isNull {
                result[key] = nil
            } else if let old = result[key] {
                result[key] = try merge(old, value, schema?.strategicField(key))
            } else {
                result[key] = withoutDirectives(value)
            }
        }
        for (key, value) in patch where key.hasPrefix(order) {
            let name = String(key.dropFirst(order.count))
            guard case .array(let wanted) = value else { throw APIError.badRequest("\(key) must be a list") }
            guard case .array(let merged)? = result[name] else { continue }
            let mergeKey = schema?.strategicField(name)?.patchMergeKey
            result[name] = .array(
                sorted(merged, patchOrder: wanted, serverOrder: original[name]?.arrayValue ?? [], mergeKey)
            )
        }
        return .object(result)
    }

    private static func merge(_ old: JSON, _ new: JSON, _ field: Schema.Field?) throws(APIError) -> JSON {
        switch (old, new) {
        case (.object(let before), .object(let changes)):
            return try mergeObjects(before, changes, field?.schema)
        case (.array(let before), .array(let changes)):
            guard let field, field.patchStrategy.contains(.merge) else { return withoutDirectives(new) }
            return .array(try mergeLists(before, changes, field))
        default: return withoutDirectives(new)
        }
    }

    private static func mergeLists(
        _ original: [JSON],
        _ patch: [JSON],
        _ field: Schema.Field
    ) throws(APIError) -> [JSON] {
        guard let mergeKey = field.patchMergeKey else {
            var merged = original
            for item in patch where !merged.contains(item) { merged.append(item) }
            return sorted(merged, patchOrder: patch, serverOrder: original, nil)
        }
        if patch.contains(where: { $0[directive] == "replace" }) {
            return patch.filter { $0[directive] != "replace" }.map(withoutDirectives)
        }
        var merged = original
        for item in patch {
            guard let key = item[mergeKey] else {
                throw APIError(
                    code: 422,
                    reason: .invalid,
                    message: "map: \(item.text) does not contain declared merge key: \(mergeKey)"
                )
            }
            if item[directive] == "delete" {
                merged.removeAll { $0[mergeKey] == key }
            } else if let index = merged.firstIndex(where: { $0[mergeKey] == key }) {
                merged[index] = try mergeObjects(
                    merged[index].objectValue ?? [:],
                    item.objectValue ?? [:],
                    field.schema.element
                )
            } else {
                merged.append(withoutDirectives(item))
            }
        }
        return sorted(merged, patchOrder: patch, serverOrder: original, mergeKey)
    }

    /// Elements of the patch in its order, the others where they were; new ones come before what follows them.
    private static func sorted(
        _ list: [JSON],
        patchOrder: [JSON],
        serverOrder: [JSON],
        _ mergeKey: String?
    ) -> [JSON] {
        func identity(_ item: JSON) -> JSON { mergeKey.flatMap { item[$0] } ?? item }
        func positions(_ order: [JSON]) -> [JSON: Int] {
            Dictionary(order.enumerated().map { (identity($1), $0) }) { first, _ in first }
        }
        let inPatch = positions(patchOrder)
        let onServer = positions(serverOrder)
        let fromPatch = list.filter { inPatch[identity($0)] != nil }
            .sorted { (inPatch[identity($0)] ?? 0) < (inPatch[identity($1)] ?? 0) }
        var others = list.filter { inPatch[identity($0)] == nil }[...]
        var result: [JSON] = []
        for item in fromPatch {
            if let position = onServer[identity(item)] {
                while let other = others.first, let place = onServer[identity(other)], place < position {
                    result.append(other)
                    others.removeFirst()
                }
            }
            result.append(item)
        }
        return result + others
    }

    /// What a patch means where nothing was before.
    static func withoutDirectives(_ value: JSON) -> JSON {
        switch value {
        case .object(let members):
            var result: [String: JSON] = [:]
            for (key, child) in members where !child.isNull {
                if key == directive || key == retainKeys || key.hasPrefix(order) || key.hasPrefix(deletion) { continue }
                result[key] = withoutDirectives(child)
            }
            return .object(result)
        case .array(let elements):
            return .array(elements.filter { $0[directive] != "delete" }.map(withoutDirectives))
        default: return value
        }
    }
}

extension Schema {
    fileprivate func strategicField(_ key: String) -> Field? {
        if form == .map, let element { return Field(name: key, schema: element) }
        return fields[key]
    }
}
