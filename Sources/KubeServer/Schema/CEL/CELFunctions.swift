internal import Foundation
internal import KubeCore

/// The functions of CEL and of the Kubernetes and string libraries that rules may call, with their argument counts.
enum CELFunctions {
    static let namespaces: Set<String> = ["optional", "sets", "math", "format"]

    static let typeNames: Set<String> = [
        "bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type",
    ]

    static let globals: [String: ClosedRange<Int>] = fixedGlobals.merging(
        NamedFormat.all.map { ("format." + $0, 0...0) }
    ) { first, _ in first }

    private static let fixedGlobals: [String: ClosedRange<Int>] = [
        "size": 1...1, "int": 1...1, "uint": 1...1, "double": 1...1, "string": 1...1, "bytes": 1...1, "bool": 1...1,
        "type": 1...1, "dyn": 1...1, "duration": 1...1, "timestamp": 1...1, "matches": 2...2, "quantity": 1...1,
        "isQuantity": 1...1, "isURL": 1...1, "isIP": 1...1, "isCIDR": 1...1, "optional.of": 1...1,
        "optional.none": 0...0, "optional.ofNonZeroValue": 1...1, "sets.contains": 2...2, "sets.equivalent": 2...2,
        "sets.intersects": 2...2, "math.greatest": 1...20, "math.least": 1...20, "format.named": 1...1,
    ]

    static let methods: [String: ClosedRange<Int>] = [
        "size": 0...0, "contains": 1...1, "startsWith": 1...1, "endsWith": 1...1, "matches": 1...1, "charAt": 1...1,
        "indexOf": 1...2, "lastIndexOf": 1...2, "lowerAscii": 0...0, "upperAscii": 0...0, "replace": 2...3,
        "split": 1...2, "join": 0...1, "substring": 1...2, "trim": 0...0, "format": 1...1, "find": 1...1,
        "findAll": 1...2, "isSorted": 0...0, "sum": 0...0, "min": 0...0, "max": 0...0, "hasValue": 0...0,
        "validate": 1...1,
        "value": 0...0, "orValue": 1...1, "or": 1...1, "isGreaterThan": 1...1, "isLessThan": 1...1, "compareTo": 1...1,
        "add": 1...1, "sub": 1...1, "asInteger": 0...0, "asApproximateFloat": 0...0, "isInteger": 0...0, "sign": 0...0,
        "getFullYear": 0...0, "getMonth": 0...0, "getDate": 0...0, "getDayOfMonth": 0...0, "getHours": 0...0,
        "getMinutes": 0...0, "getSeconds": 0...0, "getMilliseconds": 0...0,
    ]

    static func call(
        _ name: String,
        _ target: CELValue?,
        _ arguments: [CELValue],
        _ evaluator: inout CELEvaluator
    ) throws(CELError) -> CELValue {
        guard let target else { return try global(name, arguments, &evaluator) }
        try evaluator.spend((target.elements?.count ?? 0) + target.textLength / 10)
        if case .optional(let value) = target { return try optional(name, value, arguments) }
        if name == "size" { return try size(target) }
        switch target {
        case .string(let text): return try CELStrings.call(name, text, arguments, &evaluator)
        case .quantity(let quantity): return try self.quantity(name, quantity, arguments)
        case .timestamp(let time): return try date(name, time)
        case .format(let format):
            guard name == "validate", case .string(let text)? = arguments.first else { throw .noOverload(name) }
            return .optional(NamedFormat.problem(format, text).map { .list([.string($0)]) })
        case .duration(let nanoseconds): return try self.duration(name, nanoseconds)
        default: break
        }
        guard let elements = target.elements else { throw .noOverload(name) }
        return try list(name, elements, arguments)
    }

    private static func size(_ value: CELValue) throws(CELError) -> CELValue {
        switch value {
        case .string(let text): return .int(Int64(text.unicodeScalars.count))
        case .bytes(let bytes): return .int(Int64(bytes.count))
        default:
            guard let count = value.elements?.count ?? value.entries?.count else { throw .noOverload("size") }
            return .int(Int64(count))
        }
    }

    private static func global(
        _ name: String,
        _ arguments: [CELValue],
        _ evaluator: inout CELEvaluator
    ) throws(CELError) -> CELValue {
        if name == "optional.none" { return .optional(nil) }
        if name.hasPrefix("format."), arguments.isEmpty { return .format(String(name.dropFirst("format.".count))) }
        guard let first = arguments.first else { throw .noOverload(name) }
        switch name {
        case "size": return try size(first)
        case "dyn": return first
        case "type": return .type(first.typeName)
        case "matches": return try call("matches", first, Array(arguments.dropFirst()), &evaluator)
        case "format.named":
            guard case .string(let format) = first else { throw .noOverload(name) }
            return .optional(NamedFormat.all.contains(format) ? .format(format) : nil)
        case "optional.of": return .optional(first)
        case "optional.ofNonZeroValue": return .optional(first.isZero ? nil : first)
        case "math.greatest", "math.least":
            let items = arguments.count == 1 ? first.elements ?? arguments : arguments
            return try list(name == "math.least" ? "min" : "max", items, [])
        case "sets.contains", "sets.equivalent", "sets.intersects":
            guard let left = first.elements, let right = arguments.last?.elements else { throw .noOverload(name) }
            try evaluator.spend(left.count * right.count)
            switch name {
            case "sets.contains": return .bool(right.allSatisfy(left.contains))
            case "sets.intersects": return .bool(right.contains(where: left.contains))
            default: return .bool(right.allSatisfy(left.contains) && left.allSatisfy(right.contains))
            }
        default: return try convert(name, first)
        }
    }

    private static func convert(_ name: String, _ value: CELValue) throws(CELError) -> CELValue {
        switch (name, value) {
        case ("int", .int), ("uint", .uint), ("double", .double), ("string", .string), ("bytes", .bytes),
            ("bool", .bool),
            ("duration", .duration), ("timestamp", .timestamp):
            return value
        case ("int", .double(let number)):
            guard let whole = Int64(exactly: number.rounded(.towardZero)) else {
                throw CELError(message: "integer overflow")
            }
            return .int(whole)
        case ("int", .uint(let number)):
            guard let whole = Int64(exactly: number) else { throw CELError(message: "integer overflow") }
            return .int(whole)
        case ("int", .string(let text)):
            guard let number = Int64(text) else {
                throw CELError(message: "type conversion error from 'string' to 'int'")
            }
            return .int(number)
        case ("int", .timestamp(let time)): return .int(Int64(time / 1_000_000))
        case ("uint", .int(let number)):
            guard let whole = UInt64(exactly: number) else { throw CELError(message: "unsigned integer overflow") }
            return .uint(whole)
        case ("double", .int(let number)): return .double(Double(number))
        case ("double", .uint(let number)): return .double(Double(number))
        case ("double", .string(let text)):
            guard let number = Double(text) else {
                throw CELError(message: "type conversion error from 'string' to 'double'")
            }
            return .double(number)
        case ("string", _): return .string(value.display)
        case ("bytes", .string(let text)): return .bytes(Array(text.utf8))
        case ("bool", .string(let text)): if text == "true" || text == "false" { return .bool(text == "true") }
        case ("duration", .string(let text)):
            guard let nanoseconds = GoDuration.nanoseconds(text) else {
                throw CELError(message: "invalid duration \"\(text)\"")
            }
            return .duration(nanoseconds)
        case ("timestamp", .string(let text)):
            guard let time = Timestamp.microseconds(text) else {
                throw CELError(message: "invalid timestamp \"\(text)\"")
            }
            return .timestamp(time)
        case ("timestamp", .int(let seconds)): return .timestamp(Int(seconds) * 1_000_000)
        case ("quantity", .string(let text)):
            do throws(QuantityParseError) {
                return .quantity(try Quantity(parsing: text))
            } catch {
                throw CELError(message: "quantity parse error: \(error)")
            }
        case ("isQuantity", .string(let text)): return .bool(Quantity.canonical(.string(text)) != nil)
        case ("isURL", .string(let text)):
            return .bool(
                text.hasPrefix("/") || text.firstRange(of: "://").map { $0.lowerBound > text.startIndex } ?? false
            )
        case ("isIP", .string(let text)): return .bool(StringFormat.isIPv4(text) || StringFormat.isIPv6(text))
        case ("isCIDR", .string(let text)): return .bool(StringFormat.admits(text, "cidr"))
        default: break
        }
        throw .noOverload(name)
    }

    private static func optional(
        _ name: String,
        _ value: CELValue?,
        _ arguments: [CELValue]
    ) throws(CELError) -> CELValue {
        switch name {
        case "hasValue": return .bool(value != nil)
        case "value":
            guard let value else { throw CELError(message: "optional.none() dereference") }
            return value
        case "orValue": return value ?? arguments[0]
        case "or": return value.map { .optional($0) } ?? arguments[0]
        default: throw .noOverload(name)
        }
    }

    private static func quantity(_ name: String, _ own: Quantity, _ arguments: [CELValue]) throws(CELError) -> CELValue
    {
        var other = Quantity.zero
        switch arguments.first {
        case .quantity(let given)?: other = given
        case .int(let given)?: other = Quantity(Int(given))
        case nil: break
        default: throw .noOverload(name)
        }
        switch name {
        case "isGreaterThan": return .bool(own > other)
        case "isLessThan": return .bool(own < other)
        case "compareTo": return .int(own == other ? 0 : own < other ? -1 : 1)
        case "add": return .quantity(own + other)
        case "sub": return .quantity(own - other)
        case "sign": return .int(own.isZero ? 0 : own.isNegative ? -1 : 1)
        case "isInteger": return .bool(own == Quantity(own.value))
        case "asInteger":
            guard own == Quantity(own.value) else { throw CELError(message: "cannot convert value to integer") }
            return .int(Int64(own.value))
        case "asApproximateFloat": return .double(own.doubleValue)
        default: throw .noOverload(name)
        }
    }

    private static func date(_ name: String, _ time: Int) throws(CELError) -> CELValue {
        let text = Timestamp.microText(microseconds: time)
        func part(_ start: Int, _ length: Int) -> Int64 { Int64(text.dropFirst(start).prefix(length)) ?? 0 }
        switch name {
        case "getFullYear": return .int(part(0, 4))
        case "getMonth": return .int(part(5, 2) - 1)
        case "getDate": return .int(part(8, 2))
        case "getDayOfMonth": return .int(part(8, 2) - 1)
        case "getHours": return .int(part(11, 2))
        case "getMinutes": return .int(part(14, 2))
        case "getSeconds": return .int(part(17, 2))
        case "getMilliseconds": return .int(part(20, 3))
        default: throw .noOverload(name)
        }
    }

    private static func duration(_ name: String, _ nanoseconds: Int64) throws(CELError) -> CELValue {
        switch name {
        case "getHours": .int(nanoseconds / 3_600_000_000_000)
        case "getMinutes": .int(nanoseconds / 60_000_000_000)
        case "getSeconds": .int(nanoseconds / 1_000_000_000)
        case "getMilliseconds": .int(nanoseconds / 1_000_000 % 1000)
        default: throw .noOverload(name)
        }
    }

    private static func list(_ name: String, _ items: [CELValue], _ arguments: [CELValue]) throws(CELError) -> CELValue
    {
        switch name {
        case "isSorted":
            for (left, right) in zip(items, items.dropFirst()) {
                guard let order = left.compared(to: right) else { throw .noOverload(name) }
                if order > 0 { return .bool(false) }
            }
            return .bool(true)
        case "min", "max":
            guard var best = items.first else { throw CELError(message: "\(name) called on empty list") }
            for item in items.dropFirst() {
                guard let order = item.compared(to: best) else { throw .noOverload(name) }
                if name == "min" ? order < 0 : order > 0 { best = item }
            }
            return best
        case "sum":
            guard let first = items.first else { return .int(0) }
            var total = first
            var evaluator = CELEvaluator([:])
            for item in items.dropFirst() { total = try CELOperators.apply("+", total, item, &evaluator) }
            return total
        case "indexOf": return .int(Int64(items.firstIndex(of: arguments[0]) ?? -1))
        case "lastIndexOf": return .int(Int64(items.lastIndex(of: arguments[0]) ?? -1))
        case "join":
            var separator = ""
            if case .string(let text)? = arguments.first { separator = text }
            var parts: [String] = []
            for item in items {
                guard case .string(let text) = item else { throw .noOverload(name) }
                parts.append(text)
            }
            return .string(parts.joined(separator: separator))
        default: throw .noOverload(name)
        }
    }
}

extension CELValue {
    var textLength: Int {
        switch self {
        case .string(let text): text.utf8.count
        case .bytes(let bytes): bytes.count
        default: 0
        }
    }

    var isZero: Bool {
        switch self {
        case .null: true
        case .bool(let value): !value
        case .int(let value): value == 0
        case .uint(let value): value == 0
        case .double(let value): value == 0
        case .string(let text): text.isEmpty
        case .bytes(let bytes): bytes.isEmpty
        default: (elements?.isEmpty ?? false) || (entries?.isEmpty ?? false)
        }
    }

    /// As `string()` and messages show it.
    var display: String {
        switch self {
        case .null: return "null"
        case .bool(let value): return value ? "true" : "false"
        case .int(let value): return String(value)
        case .uint(let value): return String(value)
        case .double(let value): return JSON.double(value).text
        case .string(let text): return text
        case .bytes(let bytes): return String(decoding: bytes, as: UTF8.self)
        case .timestamp(let time):
            return time % 1_000_000 == 0
                ? Timestamp.text(seconds: time / 1_000_000) : Timestamp.microText(microseconds: time)
        case .duration(let nanoseconds):
            let seconds = Double(nanoseconds) / 1e9
            return JSON.double(seconds).text + "s"
        case .quantity(let quantity): return quantity.description
        case .type(let name): return name
        case .format(let name): return name
        case .optional(let value): return value.map { "optional(\($0.display))" } ?? "optional.none()"
        case .list, .map, .node:
            if let elements { return "[" + elements.map(\.display).joined(separator: ", ") + "]" }
            let parts = (entries ?? []).map { $0.key.display + ": " + $0.value.display }
            return "{" + parts.joined(separator: ", ") + "}"
        }
    }
}
