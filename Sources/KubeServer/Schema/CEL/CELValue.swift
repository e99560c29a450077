internal import Foundation
internal import KubeCore

/// Why an expression has no value.
struct CELError: Error {
    var message: String
    /// Ends the evaluation whatever stands around it.
    var isFatal = false

    static func noSuchKey(_ key: String) -> CELError { CELError(message: "no such key: " + key) }
    static func noOverload(_ name: String) -> CELError { CELError(message: "no such overload: \(name)") }
}

/// A value of a CEL expression.
indirect enum CELValue: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    case double(Double)
    case string(String)
    case bytes([UInt8])
    case list([CELValue])
    case map([(key: CELValue, value: CELValue)])
    /// An object or list of a custom resource, converted as it is looked into.
    case node(JSON, Constraint?)
    /// Microseconds since 1970.
    case timestamp(Int)
    /// Nanoseconds.
    case duration(Int64)
    case quantity(Quantity)
    case type(String)
    case optional(CELValue?)
    /// A named format (`format.dns1123Label()`).
    case format(String)

    /// A custom resource's value under its schema.
    init(_ json: JSON, _ constraint: Constraint?) {
        switch json {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .int(let value): self = constraint?.type == .number ? .double(Double(value)) : .int(value)
        case .double(let value):
            if constraint?.type == .integer, let whole = Int64(exactly: value) {
                self = .int(whole)
            } else {
                self = .double(value)
            }
        case .string(let text): self = CELValue.string(text, format: constraint?.format)
        case .array, .object: self = .node(json, constraint)
        }
    }

    private static func string(_ text: String, format: String?) -> CELValue {
        switch format {
        case "date-time":
            if let time = Timestamp.microseconds(text) { return .timestamp(time) }
        case "date":
            if let time = Timestamp.microseconds(text + "T00:00:00Z") { return .timestamp(time) }
        case "duration":
            if let nanoseconds = GoDuration.nanoseconds(text) { return .duration(nanoseconds) }
        case "byte":
            if let data = Data(base64Encoded: text) { return .bytes(Array(data)) }
        default: break
        }
        return .string(text)
    }

    /// The elements, when this is a list.
    var elements: [CELValue]? {
        switch self {
        case .list(let values): return values
        case .node(.array(let values), let constraint): return values.map { CELValue($0, constraint?.items) }
        default: return nil
        }
    }

    /// The entries in order of their keys, when this is a map or an object.
    var entries: [(key: CELValue, value: CELValue)]? {
        switch self {
        case .map(let entries): return entries
        case .node(.object(let members), let constraint):
            return members.sorted { $0.key < $1.key }.map { key, value in
                (.string(key), CELValue(value, constraint?.properties[key] ?? constraint?.additional))
            }
        default: return nil
        }
    }

    var typeName: String {
        switch self {
        case .null: "null_type"
        case .bool: "bool"
        case .int: "int"
        case .uint: "uint"
        case .double: "double"
        case .string: "string"
        case .bytes: "bytes"
        case .list, .node(.array, _): "list"
        case .map, .node: "map"
        case .timestamp: "google.protobuf.Timestamp"
        case .duration: "google.protobuf.Duration"
        case .quantity: "kubernetes.Quantity"
        case .type: "type"
        case .optional: "optional_type"
        case .format: "kubernetes.NamedFormat"
        }
    }

    /// The member of an object or map; nil when it has none.
    func member(_ key: String) throws(CELError) -> CELValue? {
        switch self {
        case .node(.object(let members), let constraint):
            guard let value = members[key] else { return nil }
            // A null in an object is an unset field, unless the schema lets it be null.
            let inner = constraint?.properties[key] ?? constraint?.additional
            if value.isNull, let inner, !inner.isNullable { return nil }
            return CELValue(value, inner)
        case .map(let entries): return entries.first { $0.key == .string(key) }?.value
        case .optional(let value): return try value?.member(key)
        default: throw CELError(message: "type '\(typeName)' does not support field selection")
        }
    }

    func index(_ key: CELValue) throws(CELError) -> CELValue? {
        if case .optional(let value) = self { return try value?.index(key) }
        if let elements {
            guard let position = key.wholeNumber else { throw .noOverload("_[_]") }
            return elements.indices.contains(position) ? elements[position] : nil
        }
        if case .string(let name) = key { return try member(name) }
        guard let entries else { throw .noOverload("_[_]") }
        return entries.first { $0.key == key }?.value
    }

    var wholeNumber: Int? {
        switch self {
        case .int(let value): Int(value)
        case .uint(let value): Int(exactly: value)
        case .double(let value): Int(exactly: value)
        default: nil
        }
    }

    private var number: Double? {
        switch self {
        case .int(let value): Double(value)
        case .uint(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// nil when the two cannot be ordered.
    func compared(to other: CELValue) -> Int? {
        func order<T: Comparable>(_ left: T, _ right: T) -> Int { left < right ? -1 : left == right ? 0 : 1 }
        switch (self, other) {
        case (.int(let left), .int(let right)): return order(left, right)
        case (.uint(let left), .uint(let right)): return order(left, right)
        case (.string(let left), .string(let right)): return order(left, right)
        case (.timestamp(let left), .timestamp(let right)): return order(left, right)
        case (.duration(let left), .duration(let right)): return order(left, right)
        case (.quantity(let left), .quantity(let right)): return order(left, right)
        case (.bool(let left), .bool(let right)): return order(left ? 1 : 0, right ? 1 : 0)
        case (.bytes(let left), .bytes(let right)):
            return left == right ? 0 : left.lexicographicallyPrecedes(right) ? -1 : 1
        default:
            guard let left = number, let right = other.number else { return nil }
            return order(left, right)
        }
    }
}

extension CELValue: Equatable {
    static func == (left: CELValue, right: CELValue) -> Bool {
        switch (left, right) {
        case (.null, .null): return true
        case (.type(let first), .type(let second)): return first == second
        case (.optional(let first), .optional(let second)): return first == second
        default: break
        }
        if let first = left.elements, let second = right.elements {
            guard first.count == second.count else { return false }
            // Lists of type set and map have no order.
            if left.isUnordered || right.isUnordered {
                return first.allSatisfy(second.contains) && second.allSatisfy(first.contains)
            }
            return zip(first, second).allSatisfy { $0 == $1 }
        }
        if let first = left.entries, let second = right.entries {
            return first.count == second.count
                && first.allSatisfy { entry in second.contains { $0.key == entry.key && $0.value == entry.value } }
        }
        return left.compared(to: right) == 0
    }

    private var isUnordered: Bool {
        if case .node(.array, let constraint?) = self { return constraint.listType != .atomic }
        return false
    }
}
