internal import KubeCore

struct JSONPathError: Error {
    var message: String
}

/// The JSONPath of printer columns: fields, quoted fields, indexes, slices, wildcards, `..` and `[?(@.a=="b")]` filters.
struct JSONPath: Sendable {
    private indirect enum Step: Sendable {
        case field(String)
        case index(Int)
        case slice(Int?, Int?)
        case wildcard
        case recursive
        case filter([Step], String, JSON)
        case exists([Step])
    }

    private var steps: [Step] = []

    /// A column's path, with or without the leading dot.
    init(column text: String) throws(JSONPathError) {
        var parser = Parser(text.hasPrefix(".") || text.hasPrefix("[") || text.hasPrefix("$") ? text : "." + text)
        steps = try parser.parse(until: nil)
    }

    func values(_ root: JSON) -> [JSON] { JSONPath.walk(steps[...], [root]) }

    private static func walk(_ steps: ArraySlice<Step>, _ values: [JSON]) -> [JSON] {
        guard let step = steps.first else { return values }
        var next: [JSON] = []
        for value in values {
            switch step {
            case .field(let name): if let child = value[name] { next.append(child) }
            case .index(let index):
                guard case .array(let elements) = value else { continue }
                let position = index < 0 ? elements.count + index : index
                if elements.indices.contains(position) { next.append(elements[position]) }
            case .slice(let start, let end):
                guard case .array(let elements) = value else { continue }
                let from = max(0, (start ?? 0) < 0 ? elements.count + (start ?? 0) : start ?? 0)
                let to = min(
                    elements.count,
                    (end ?? elements.count) < 0 ? elements.count + (end ?? 0) : end ?? elements.count
                )
                if from < to { next += elements[from..<to] }
            case .wildcard: next += children(value)
            case .recursive: next += descendants(value)
            case .filter(let path, let comparison, let wanted):
                next += (value.arrayValue ?? children(value)).filter { element in
                    walk(path[...], [element]).contains { compare($0, comparison, wanted) }
                }
            case .exists(let path):
                next += (value.arrayValue ?? children(value)).filter { !walk(path[...], [$0]).isEmpty }
            }
        }
        return walk(steps.dropFirst(), next)
    }

    private static func children(_ value: JSON) -> [JSON] {
        switch value {
        case .array(let elements): elements
        case .object(let members): members.sorted { $0.key < $1.key }.map(\.value)
        default: []
        }
    }

    private static func descendants(_ value: JSON) -> [JSON] { [value] + children(value).flatMap(descendants) }

    private static func compare(_ left: JSON, _ comparison: String, _ right: JSON) -> Bool {
        switch comparison {
        case "==": return left == right || left.doubleValue.map { $0 == right.doubleValue } ?? false
        case "!=": return !compare(left, "==", right)
        default: break
        }
        if let first = left.doubleValue, let second = right.doubleValue { return ordered(first, comparison, second) }
        if let first = left.stringValue, let second = right.stringValue { return ordered(first, comparison, second) }
        return false
    }

    private static func ordered<T: Comparable>(_ left: T, _ comparison: String, _ right: T) -> Bool {
        switch comparison {
        case "<": left < right
        case "<=": left <= right
        case ">": left > right
        case ">=": left >= right
        default: false
        }
    }

    private struct Parser {
        private let text: String
        private var rest: Substring

        init(_ text: String) {
            self.text = text
            rest = text[...]
        }

        private func failure(_ detail: String) -> JSONPathError {
            JSONPathError(message: "is an invalid JSON path \"\(text)\": \(detail)")
        }

        mutating func parse(until end: Character?) throws(JSONPathError) -> [Step] {
            var steps: [Step] = []
            while let character = rest.first {
                if character == end || (end != nil && "=!<> ".contains(character)) { return steps }
                switch character {
                case "$", "@", "{", "}": rest.removeFirst()
                case ".":
                    rest.removeFirst()
                    if rest.first == "." {
                        rest.removeFirst()
                        steps.append(.recursive)
                    }
                    if let name = try field() { steps.append(name) }
                case "[": steps.append(try bracket())
                default:
                    guard steps.isEmpty, let name = try field() else { throw failure("unexpected \"\(character)\"") }
                    steps.append(name)
                }
            }
            if end != nil { throw failure("unterminated filter") }
            return steps
        }

        private mutating func field() throws(JSONPathError) -> Step? {
            if rest.first == "*" {
                rest.removeFirst()
                return .wildcard
            }
            var name = ""
            while let character = rest.first, !".[]()=!<> {}".contains(character) {
                rest.removeFirst()
                if character == "\\", let escaped = rest.popFirst() {
                    name.append(escaped)
                } else {
                    name.append(character)
                }
            }
            return name.isEmpty ? nil : .field(name)
        }

        private mutating func bracket() throws(JSONPathError) -> Step {
            rest.removeFirst()
            if rest.hasPrefix("?(") {
                rest.removeFirst(2)
                return try filter()
            }
            if let quote = rest.first, quote == "'" || quote == "\"" {
                rest.removeFirst()
                guard let end = rest.firstIndex(of: quote) else { throw failure("unterminated string") }
                let name = String(rest[..<end])
                rest = rest[rest.index(after: end)...]
                guard rest.popFirst() == "]" else { throw failure("expected ]") }
                return .field(name)
            }
            guard let end = rest.firstIndex(of: "]") else { throw failure("unterminated array") }
            let body = rest[..<end]
            rest = rest[rest.index(after: end)...]
            if body == "*" { return .wildcard }
            let parts = body.split(separator: ":", omittingEmptySubsequences: false)
            if parts.count > 1 {
                guard parts.allSatisfy({ $0.isEmpty || Int($0) != nil }) else { throw failure("invalid slice") }
                return .slice(Int(parts[0]), Int(parts[1]))
            }
            guard let index = Int(body) else { throw failure("invalid array index \(body)") }
            return .index(index)
        }

        private mutating func filter() throws(JSONPathError) -> Step {
            skipSpaces()
            let path = try parse(until: ")")
            skipSpaces()
            let comparison = String(rest.prefix { "=!<>".contains($0) })
            rest = rest.dropFirst(comparison.count)
            skipSpaces()
            var step = Step.exists(path)
            if !comparison.isEmpty {
                step = .filter(path, comparison, try literal())
                skipSpaces()
            }
            guard rest.popFirst() == ")", rest.popFirst() == "]" else { throw failure("unterminated filter") }
            return step
        }

        private mutating func literal() throws(JSONPathError) -> JSON {
            if let quote = rest.first, quote == "'" || quote == "\"" {
                rest.removeFirst()
                guard let end = rest.firstIndex(of: quote) else { throw failure("unterminated string") }
                let value = String(rest[..<end])
                rest = rest[rest.index(after: end)...]
                return .string(value)
            }
            let word = String(rest.prefix { $0 != ")" && $0 != " " })
            rest = rest.dropFirst(word.count)
            guard let value = try? JSON(parsing: word) else { throw failure("invalid literal \(word)") }
            return value
        }

        private mutating func skipSpaces() { while rest.first == " " { rest.removeFirst() } }
    }
}
