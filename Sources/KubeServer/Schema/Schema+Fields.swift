package import KubeCore

extension Schema {
    /// Dotted paths of fields that the type does not have, for strict field validation.
    package func unknownFields(_ value: JSON) -> [String] {
        var found: [String] = []
        collectUnknown(value, "", isRoot: true, &found)
        return found.sorted()
    }

    private func collectUnknown(_ value: JSON, _ path: String, isRoot: Bool, _ found: inout [String]) {
        switch (form, value) {
        case (.object, .object(let members)):
            for (key, child) in members {
                let childPath = path.isEmpty ? key : path + "." + key
                if let schema = memberSchema(key, isRoot: isRoot) {
                    schema.collectUnknown(child, childPath, isRoot: false, &found)
                } else if !acceptsUnknown(key, isRoot: isRoot) {
                    found.append(childPath)
                }
            }
        case (.map, .object(let members)):
            for (key, child) in members { element?.collectUnknown(child, path + "." + key, isRoot: false, &found) }
        case (.list, .array(let elements)):
            for (index, child) in elements.enumerated() {
                element?.collectUnknown(child, "\(path)[\(index)]", isRoot: false, &found)
            }
        default: break
        }
    }

    /// apiVersion and kind belong to every object.
    private func acceptsUnknown(_ key: String, isRoot: Bool) -> Bool {
        preservesUnknown || ((isRoot || isEmbeddedResource) && (key == "apiVersion" || key == "kind"))
    }

    /// The type of a member; nil when it is not described.
    ///
    /// The schema of a custom resource may restrict metadata but does not describe it: that is the same for every object.
    private func memberSchema(_ key: String, isRoot: Bool) -> Schema? {
        if key == "metadata", isCustom, isRoot || isEmbeddedResource { return BuiltInSchemas.objectMeta }
        return fields[key]?.schema
    }

    /// Drops unknown fields and, for built-in kinds, the nulls that mean "not set".
    package func prune(_ value: inout JSON) {
        if let pruned = pruned(value, isRoot: true) { value = pruned }
    }

    /// nil when nothing changes, so that the common case copies nothing.
    private func pruned(_ value: JSON, isRoot: Bool) -> JSON? {
        switch (form, value) {
        case (.object, .object(let members)):
            return changed(members) { key, child in
                guard let schema = memberSchema(key, isRoot: isRoot) else {
                    return acceptsUnknown(key, isRoot: isRoot) ? .keep : .remove
                }
                if child.isNull, !isCustom { return .remove }
                return schema.pruned(child, isRoot: false).map(Change.replace) ?? .keep
            }
        case (.map, .object(let members)):
            guard let element else { return nil }
            return changed(members) { _, child in
                if child.isNull, !isCustom, element.form != .any { return .remove }
                return element.pruned(child, isRoot: false).map(Change.replace) ?? .keep
            }
        case (.list, .array(let elements)):
            guard let element, element.form != .string else { return nil }
            return changed(elements) { element.pruned($0, isRoot: false) }
        default: return nil
        }
    }

    private enum Change {
        case keep, remove
        case replace(JSON)
    }

    private func changed(_ members: [String: JSON], _ body: (String, JSON) -> Change) -> JSON? {
        var result: [String: JSON]?
        for (key, child) in members {
            switch body(key, child) {
            case .keep: continue
            case .remove:
                if result == nil { result = members }
                result?.removeValue(forKey: key)
            case .replace(let new):
                if result == nil { result = members }
                result?[key] = new
            }
        }
        return result.map(JSON.object)
    }

    private func changed(_ elements: [JSON], _ body: (JSON) -> JSON?) -> JSON? {
        var result: [JSON]?
        for (index, child) in elements.enumerated() {
            guard let new = body(child) else { continue }
            if result == nil { result = elements }
            result?[index] = new
        }
        return result.map(JSON.array)
    }
}

extension Schema {
    /// Fills in defaults, drops nulls that mean "not set" and writes quantities and times in their canonical form.
    package func applyDefaults(_ value: inout JSON) {
        if let result = defaulted(value, isRoot: true) { value = result }
    }

    private func defaulted(_ value: JSON, isRoot: Bool = false) -> JSON? {
        switch (form, value) {
        case (.object, .object(let members)): return defaultedObject(members, isRoot: isRoot)
        case (.map, .object(let members)):
            guard let element else { return nil }
            return changed(members) { _, child in
                if child.isNull, !element.isNullable, element.form != .any { return .remove }
                return element.defaulted(child).map(Change.replace) ?? .keep
            }
        case (.list, .array(let elements)):
            guard let element else { return nil }
            return changed(elements) { element.defaulted($0) }
        default: return canonical(value)
        }
    }

    private func defaultedObject(_ members: [String: JSON], isRoot: Bool) -> JSON? {
        var result: [String: JSON]?
        for (key, child) in members {
            guard let schema = memberSchema(key, isRoot: isRoot) else { continue }
            if child.isNull {
                if schema.isNullable || schema.format == .rawJSON { continue }
                if result == nil { result = members }
                result?.removeValue(forKey: key)
            } else if let new = schema.defaulted(child) {
                if result == nil { result = members }
                result?[key] = new
            }
        }
        for (key, value) in defaultedFields where members[key] == nil || result.map({ $0[key] == nil }) ?? false {
            if result == nil { result = members }
            result?[key] = fields[key]?.schema.defaulted(value) ?? value
        }
        guard let defaulter else { return result.map(JSON.object) }
        var members = result ?? members
        defaulter(&members)
        return .object(members)
    }

    /// The canonical form of a scalar, or nil when it has it already or is no such value.
    private func canonical(_ value: JSON) -> JSON? {
        let text: String?
        switch (format, value) {
        case (.quantity, .string), (.quantity, .int), (.quantity, .double): text = Quantity.canonical(value)
        case (.time, .string(let time)): text = Timestamp.canonical(time)
        case (.microTime, .string(let time)): text = Timestamp.canonicalMicro(time)
        default: return nil
        }
        guard let text, value != .string(text) else { return nil }
        return .string(text)
    }
}
