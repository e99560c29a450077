internal import KubeCore

/// How server-side apply sees the type at one place: a schema, or nil for values of unknown structure.
struct ApplyType {
    var schema: Schema?
    var isAtomic = false
    var isRoot = false

    enum Shape {
        /// Owned as one value.
        case leaf
        /// Owned by member.
        case map([String: JSON])
        /// Owned by element.
        case list([JSON])
    }

    init(root schema: Schema) {
        self.schema = schema
        isRoot = true
    }

    init(_ schema: Schema?, isAtomic: Bool = false) {
        self.schema = schema
        self.isAtomic = isAtomic || schema?.isAtomic ?? false
        // Arbitrary JSON of a custom resource is owned member by member.
        if let schema, schema.form == .any, schema.preservesUnknown { self.schema = nil }
    }

    /// Whether values of this type are owned as a whole, whatever they hold.
    func shape(_ value: JSON) -> Shape {
        if isAtomic { return .leaf }
        guard let schema else {
            if case .object(let members) = value { return .map(members) }
            return .leaf
        }
        switch (schema.form, value) {
        case (.object, .object(let members)), (.map, .object(let members)): return .map(members)
        case (.list, .array(let elements)) where schema.listType != .atomic: return .list(elements)
        default: return .leaf
        }
    }

    /// The member's type, and whether it is a named field and not a key of a map.
    func member(_ key: String) -> (type: ApplyType, isNamed: Bool) {
        guard let schema else { return (ApplyType(nil), false) }
        if schema.form == .map { return (ApplyType(schema.element), false) }
        if let field = schema.fields[key] {
            // The schema of a custom resource may restrict metadata but does not describe it.
            if key == "metadata", schema.isCustom, isRoot || schema.isEmbeddedResource {
                return (ApplyType(BuiltInSchemas.objectMeta), true)
            }
            return (ApplyType(field.schema, isAtomic: field.isAtomic), true)
        }
        if isRoot || schema.isEmbeddedResource {
            if key == "metadata" { return (ApplyType(BuiltInSchemas.objectMeta), true) }
            if key == "apiVersion" || key == "kind" { return (ApplyType(nil, isAtomic: true), true) }
        }
        return (ApplyType(nil), false)
    }

    var element: ApplyType { ApplyType(schema?.element) }

    /// The path step of a list's element; nil when it has none of the list's keys.
    func step(_ item: JSON) -> PathElement? {
        guard let schema else { return nil }
        guard schema.listType == .map else { return .value(item) }
        var key: [String: JSON] = [:]
        for name in schema.mapKeys {
            if let value = item[name], !value.isNull {
                key[name] = value
            } else if let value = schema.element?.fields[name]?.defaultValue {
                key[name] = value
            }
        }
        return key.isEmpty ? nil : .key(key)
    }

    func child(_ element: PathElement) -> ApplyType {
        switch element {
        case .field(let name): member(name).type
        default: self.element
        }
    }
}

extension ApplyType {
    /// The paths that an applied value sets.
    func fieldSet(_ value: JSON) -> FieldSet {
        var set = FieldSet()
        switch shape(value) {
        case .leaf: break
        case .map(let members):
            for (key, child) in members {
                let (type, isNamed) = member(key)
                let step = PathElement.field(key)
                var isMember = !isNamed || child.isNull
                switch type.shape(child) {
                case .leaf: isMember = true
                case .map(let inner):
                    if inner.isEmpty { isMember = true }
                    let below = type.fieldSet(child)
                    if !below.isEmpty { set.children[step] = below }
                case .list:
                    let below = type.fieldSet(child)
                    if !below.isEmpty { set.children[step] = below }
                }
                if isMember { set.members.insert(step) }
            }
        case .list(let elements):
            for item in elements {
                guard let step = step(item) else { continue }
                set.members.insert(step)
                let below = element.fieldSet(item)
                if !below.isEmpty { set.children[step] = set.children[step]?.union(below) ?? below }
            }
        }
        return set
    }

    /// What differs between two values.
    struct Comparison {
        var added = FieldSet()
        var modified = FieldSet()
        var removed = FieldSet()
        var isEmpty: Bool { added.isEmpty && modified.isEmpty && removed.isEmpty }
    }

    func compare(_ old: JSON, _ new: JSON) -> Comparison {
        var result = Comparison()
        if old == new { return result }
        switch (shape(old), shape(new)) {
        case (.map(let before), .map(let after)):
            for key in Set(before.keys).union(after.keys) {
                member(key).type.compare(before[key], after[key], at: .field(key), &result)
            }
        case (.list(let before), .list(let after)):
            let first = indexed(before)
            let second = indexed(after)
            for step in Set(first.keys).union(second.keys) {
                element.compare(first[step], second[step], at: step, &result)
            }
        default: break
        }
        return result
    }

    private func indexed(_ elements: [JSON]) -> [PathElement: JSON] {
        var result: [PathElement: JSON] = [:]
        for item in elements {
            if let step = step(item), result[step] == nil { result[step] = item }
        }
        return result
    }

    private func compare(_ old: JSON?, _ new: JSON?, at step: PathElement, _ result: inout Comparison) {
        if old == new { return }
        let before = old.map(shape) ?? .leaf
        let after = new.map(shape) ?? .leaf
        var isLeaf = true
        switch (before, after) {
        case (.map(let first), .map(let second)): isLeaf = first.isEmpty && second.isEmpty
        case (.map(let only), .leaf) where new == nil || new == .null: isLeaf = only.isEmpty
        case (.leaf, .map(let only)) where old == nil || old == .null: isLeaf = only.isEmpty
        case (.list(let first), .list(let second)): isLeaf = first.isEmpty && second.isEmpty
        case (.list(let only), .leaf) where new == nil || new == .null: isLeaf = only.isEmpty
        case (.leaf, .list(let only)) where old == nil || old == .null: isLeaf = only.isEmpty
        default: break
        }
        if old == nil {
            result.added.members.insert(step)
        } else if new == nil {
            result.removed.members.insert(step)
        } else if isLeaf {
            result.modified.members.insert(step)
        }
        guard !isLeaf else { return }
        let inner = compare(present(old) ?? empty(like: new), present(new) ?? empty(like: old))
        if !inner.added.isEmpty { result.added.children[step] = inner.added }
        if !inner.modified.isEmpty { result.modified.children[step] = inner.modified }
        if !inner.removed.isEmpty { result.removed.children[step] = inner.removed }
    }

    /// Null stands for an empty container.
    private func present(_ value: JSON?) -> JSON? { value == .null ? nil : value }

    private func empty(like other: JSON?) -> JSON {
        if case .array? = other { return .array([]) }
        return .object([:])
    }
}
