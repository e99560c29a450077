/// A JSON value, the form in which Kubernetes objects travel through the whole system without losing fields.
///
/// Integers that fit `Int64` stay integers, so `3` never becomes `3.0`. Objects do not keep the order of their keys; the
/// encoder sorts them, so equal values have equal bytes.
package enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])
}

extension JSON {
    package var isNull: Bool { if case .null = self { true } else { false } }

    package var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The integer, also when it was written as a whole floating-point number.
    package var intValue: Int? {
        switch self {
        case .int(let value): Int(value)
        case .double(let value): Int(exactly: value)
        default: nil
        }
    }

    package var doubleValue: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    package var stringValue: String? { if case .string(let value) = self { value } else { nil } }

    package var arrayValue: [JSON]? { if case .array(let value) = self { value } else { nil } }

    package var objectValue: [String: JSON]? { if case .object(let value) = self { value } else { nil } }

    /// The string-to-string map this object is, other members left out; nil when it is no object.
    package var stringMap: [String: String]? { objectValue?.compactMapValues(\.stringValue) }

    /// The strings of this array, other members left out; nil when it is no array.
    package var stringArray: [String]? { arrayValue?.compactMap(\.stringValue) }

    /// The member `key`, or nil when this is no object or has none.
    ///
    /// Assigning nil removes the member; assigning to a value that is no object makes it one.
    package subscript(key: String) -> JSON? {
        get { if case .object(let members) = self { members[key] } else { nil } }
        set {
            var members: [String: JSON] = [:]
            if case .object(let existing) = self {
                members = existing
                self = .null  // Gives up the other reference, so that the change below copies nothing.
            } else if newValue == nil {
                return
            }
            members[key] = newValue
            self = .object(members)
        }
    }

    /// The value below `path`, keys only.
    ///
    /// Assigning makes the objects on the way.
    package subscript(path first: String, _ rest: String...) -> JSON? {
        get { self[path: [first] + rest] }
        set { self[path: [first] + rest] = newValue }
    }

    package subscript(path path: [String]) -> JSON? {
        get {
            var current = self
            for key in path {
                guard let next = current[key] else { return nil }
                current = next
            }
            return current
        }
        set {
            guard let first = path.first else {
                if let newValue { self = newValue }
                return
            }
            guard path.count > 1 else {
                self[first] = newValue
                return
            }
            if newValue == nil, self[first] == nil { return }
            var child = self[first] ?? .object([:])
            self[first] = nil
            child[path: Array(path.dropFirst())] = newValue
            self[first] = child
        }
    }

    package subscript(index: Int) -> JSON? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(floatLiteral value: Double) { self = .double(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Dictionary(elements) { _, last in last })
    }
}

extension JSON {
    package init(_ value: String) { self = .string(value) }
    package init(_ value: Int) { self = .int(Int64(value)) }
    package init(_ value: Bool) { self = .bool(value) }
    package init(_ value: [String: String]) { self = .object(value.mapValues(JSON.string)) }
    package init(_ value: [String]) { self = .array(value.map(JSON.string)) }
}
