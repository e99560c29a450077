internal import Foundation
internal import KubeCore

/// Methods on strings.
///
/// Positions count Unicode scalars, as in CEL.
enum CELStrings {
    static func call(
        _ name: String,
        _ text: String,
        _ arguments: [CELValue],
        _ evaluator: inout CELEvaluator
    ) throws(CELError) -> CELValue {
        let scalars = Array(text.unicodeScalars)
        switch name {
        case "lowerAscii": return .string(text.changed { $0.isASCII ? $0.lowercased() : String($0) })
        case "upperAscii": return .string(text.changed { $0.isASCII ? $0.uppercased() : String($0) })
        case "trim": return .string(text.trimmingCharacters(in: .whitespacesAndNewlines))
        case "charAt":
            let position = try integer(name, arguments[0])
            guard (0...scalars.count).contains(position) else {
                throw CELError(message: "index out of range: \(position)")
            }
            return .string(position < scalars.count ? String(scalars[position]) : "")
        case "substring":
            let start = try integer(name, arguments[0])
            let end = arguments.count > 1 ? try integer(name, arguments[1]) : scalars.count
            guard start >= 0, start <= end, end <= scalars.count else {
                throw CELError(message: "index out of range: \(start)")
            }
            return .string(string(scalars[start..<end]))
        case "format":
            guard let values = arguments[0].elements else { throw .noOverload(name) }
            return .string(try format(text, values))
        default: break
        }
        guard case .string(let argument) = arguments.first else { throw .noOverload(name) }
        switch name {
        case "contains": return .bool(argument.isEmpty || text.contains(argument))
        case "startsWith": return .bool(text.utf8.starts(with: argument.utf8))
        case "endsWith": return .bool(text.utf8.reversed().starts(with: argument.utf8.reversed()))
        case "matches": return .bool(try matches(text, argument, limit: 1).first != nil)
        case "find": return .string(try matches(text, argument, limit: 1).first ?? "")
        case "findAll":
            let limit = arguments.count > 1 ? try integer(name, arguments[1]) : -1
            return .list(try matches(text, argument, limit: limit).map { .string($0) })
        case "indexOf", "lastIndexOf":
            let needle = Array(argument.unicodeScalars)
            guard needle.count <= scalars.count else { return .int(-1) }
            try evaluator.spend(scalars.count)
            let places = Array(0...(scalars.count - needle.count))
            if name == "indexOf" {
                let start = arguments.count > 1 ? try integer(name, arguments[1]) : 0
                return .int(Int64(places.first { $0 >= start && scalars[$0...].starts(with: needle) } ?? -1))
            }
            let end = arguments.count > 1 ? try integer(name, arguments[1]) : scalars.count
            return .int(Int64(places.last { $0 <= end && scalars[$0...].starts(with: needle) } ?? -1))
        case "split":
            let limit = arguments.count > 1 ? try integer(name, arguments[1]) : -1
            return .list(split(text, argument, limit).map { .string($0) })
        case "replace":
            guard case .string(let replacement) = arguments[1] else { throw .noOverload(name) }
            let limit = arguments.count > 2 ? try integer(name, arguments[2]) : -1
            return .string(
                limit < 0
                    ? text.replacing(argument, with: replacement)
                    : text.replacing(argument, with: replacement, maxReplacements: limit)
            )
        default: throw .noOverload(name)
        }
    }

    private static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }

    private static func integer(_ name: String, _ value: CELValue) throws(CELError) -> Int {
        guard let number = value.wholeNumber else { throw .noOverload(name) }
        return number
    }

    private static func matches(_ text: String, _ pattern: String, limit: Int) throws(CELError) -> [String] {
        let expression: NSRegularExpression
        do {
            expression = try NSRegularExpression(pattern: pattern)
        } catch {
            throw CELError(message: "error parsing regexp: \(pattern)")
        }
        let range = NSRange(text.startIndex..., in: text)
        if limit == 1 {
            guard let match = expression.firstMatch(in: text, range: range), let found = Range(match.range, in: text)
            else { return [] }
            return [String(text[found])]
        }
        let all = expression.matches(in: text, range: range).compactMap {
            Range($0.range, in: text).map { String(text[$0]) }
        }
        return limit < 0 ? all : Array(all.prefix(limit))
    }

    private static func split(_ text: String, _ separator: String, _ limit: Int) -> [String] {
        if limit == 0 { return [] }
        if separator.isEmpty { return text.unicodeScalars.map { String($0) } }
        var parts: [String] = []
        var rest = text[...]
        while limit < 0 || parts.count < limit - 1, let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }

    /// Fills in `%s`, `%d`, `%f`, `%x` and `%%`.
    private static func format(_ text: String, _ values: [CELValue]) throws(CELError) -> String {
        var result = ""
        var rest = text[...]
        var remaining = values[...]
        while let character = rest.popFirst() {
            guard character == "%" else {
                result.append(character)
                continue
            }
            let precision = rest.hasPrefix(".") ? Int(rest.dropFirst().prefix(while: \.isNumber)) : nil
            rest = rest.drop { $0 == "." || $0.isNumber }
            guard let verb = rest.popFirst() else { throw CELError(message: "unexpected end of format string") }
            if verb == "%" {
                result.append("%")
                continue
            }
            guard let value = remaining.popFirst() else {
                throw CELError(message: "index \(values.count) out of range")
            }
            switch (verb, value) {
            case ("x", .int(let number)): result += String(number, radix: 16)
            case ("X", .int(let number)): result += String(number, radix: 16, uppercase: true)
            case ("b", .int(let number)): result += String(number, radix: 2)
            case ("f", .double(let number)): result += String(format: "%.\(precision ?? 6)f", number)
            case ("s", _), ("d", _), ("f", _), ("e", _): result += value.display
            default: throw CELError(message: "unrecognized formatting clause \"\(verb)\"")
            }
        }
        return result
    }
}

extension String {
    fileprivate func changed(_ change: (Character) -> String) -> String {
        var result = ""
        for character in self { result += change(character) }
        return result
    }
}
