internal import ControlPlaneAPI
internal import Foundation

/// MLflow's search language: comparisons joined by AND, and keys to sort by.
struct MLflowFilter: Sendable {
    enum Field: Sendable, Hashable {
        case metric(String)
        case param(String)
        case tag(String)
        case attribute(String)
    }

    enum Value: Sendable, Hashable {
        case text(String)
        case number(Double)
        case list([String])
    }

    struct Comparison: Sendable, Hashable {
        var field: Field
        /// Upper case: `=`, `!=`, `<`, `<=`, `>`, `>=`, `LIKE`, `ILIKE`, `IN`, `NOT IN`.
        var symbol: String
        var value: Value
    }

    var comparisons: [Comparison]

    /// - Throws: 400 with the part that is not understood.
    init(_ text: String) throws {
        comparisons = []
        var tokens = try MLflowFilter.tokens(text)[...]
        while !tokens.isEmpty {
            if !comparisons.isEmpty {
                guard case .word(let and)? = tokens.popFirst(), and.uppercased() == "AND" else {
                    throw MLflowFilter.problem(text, "comparisons are joined by AND")
                }
            }
            comparisons.append(try MLflowFilter.comparison(&tokens, text))
        }
    }

    private enum Token: Hashable { case word(String), quoted(String, Character), symbol(String) }

    private static func tokens(_ text: String) throws -> [Token] {
        var tokens: [Token] = []
        var index = text.startIndex
        func peek(_ offset: Int) -> Character? {
            text.index(index, offsetBy: offset, limitedBy: text.endIndex).flatMap {
                $0 < text.endIndex ? text[$0] : nil
            }
        }
        while index < text.endIndex {
            let character = text[index]
            if character.isWhitespace {
                index = text.index(after: index)
            } else if "\"'`".contains(character) {
                guard let end = text[text.index(after: index)...].firstIndex(of: character) else {
                    throw problem(text, "a quotation mark is missing")
                }
                tokens.append(.quoted(String(text[text.index(after: index)..<end]), character))
                index = text.index(after: end)
            } else if "<>!=".contains(character) {
                let isDouble = peek(1) == "="
                tokens.append(.symbol(isDouble ? String(character) + "=" : String(character)))
                index = text.index(index, offsetBy: isDouble ? 2 : 1)
            } else if "(),".contains(character) {
                tokens.append(.symbol(String(character)))
                index = text.index(after: index)
            } else {
                let end = text[index...].firstIndex { $0.isWhitespace || "\"'`<>!=(),".contains($0) } ?? text.endIndex
                tokens.append(.word(String(text[index..<end])))
                index = end
            }
        }
        return tokens
    }

    private static func comparison(_ tokens: inout ArraySlice<Token>, _ text: String) throws -> Comparison {
        guard case .word(var name)? = tokens.popFirst() else { throw problem(text, "a comparison starts with a name") }
        // `metrics."a b"`: the key is a quoted token of its own.
        if name.hasSuffix("."), case .quoted(let key, _)? = tokens.popFirst() { name += key }
        let field = field(name)
        var symbol: String
        switch tokens.popFirst() {
        case .symbol(let sign)?: symbol = sign == "==" ? "=" : sign
        case .word(let word)?: symbol = word.uppercased()
        default: throw problem(text, "after '\(name)' an operator is missing")
        }
        if symbol == "NOT", case .word(let word)? = tokens.popFirst() { symbol = "NOT " + word.uppercased() }
        guard ["=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN"].contains(symbol) else {
            throw problem(text, "the operator '\(symbol)' is not known")
        }
        if symbol.hasSuffix("IN") {
            return Comparison(field: field, symbol: symbol, value: .list(try list(&tokens, text)))
        }
        switch tokens.popFirst() {
        case .quoted(let value, _)?: return Comparison(field: field, symbol: symbol, value: .text(value))
        case .word(let word)?:
            guard let number = Double(word) else { return Comparison(field: field, symbol: symbol, value: .text(word)) }
            return Comparison(field: field, symbol: symbol, value: .number(number))
        default: throw problem(text, "after '\(name) \(symbol)' a value is missing")
        }
    }

    private static func list(_ tokens: inout ArraySlice<Token>, _ text: String) throws -> [String] {
        guard tokens.popFirst() == .symbol("(") else { throw problem(text, "IN needs a list in parentheses") }
        var values: [String] = []
        while let token = tokens.popFirst() {
            switch token {
            case .symbol(")"): return values
            case .quoted(let value, _), .word(let value): values.append(value)
            case .symbol: continue
            }
        }
        throw problem(text, "a closing parenthesis is missing")
    }

    /// `metrics.acc` and its like; a bare name is an attribute.
    static func field(_ name: String) -> Field {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return .attribute(name.replacing("`", with: "").lowercased()) }
        let key = parts[1].trimmingCharacters(in: CharacterSet(charactersIn: "`\""))
        switch parts[0].lowercased() {
        case "metrics", "metric": return .metric(key)
        case "params", "param", "parameters", "parameter": return .param(key)
        case "tags", "tag": return .tag(key)
        case "attributes", "attribute", "attr", "run": return .attribute(key.lowercased())
        default: return .attribute(name.lowercased())
        }
    }

    private static func problem(_ text: String, _ detail: String) -> ARMError {
        ARMError.invalid("filter", "The filter \"\(text)\" is not understood: \(detail).")
    }

    /// Whether all comparisons hold; a field without a value fits none.
    func matches(_ value: (Field) -> Value?) -> Bool {
        comparisons.allSatisfy { comparison in
            guard let found = value(comparison.field) else {
                // The client adds this one comparison to every search of models, and means it for untagged models too.
                return comparison.field == .tag("mlflow.prompt.is_prompt") && comparison.symbol == "!="
            }
            return MLflowFilter.holds(found, comparison.symbol, comparison.value)
        }
    }

    private static func holds(_ found: Value, _ symbol: String, _ wanted: Value) -> Bool {
        switch (found, wanted) {
        case (.number(let a), .number(let b)): return ordered(a, symbol, b)
        case (.number(let a), .text(let text)): return Double(text).map { ordered(a, symbol, $0) } ?? false
        case (.text(let a), .text(let b)):
            if symbol == "LIKE" { return like(a, b) }
            if symbol == "ILIKE" { return like(a.lowercased(), b.lowercased()) }
            return ordered(a, symbol, b)
        case (.text(let a), .number(let b)): return Double(a).map { ordered($0, symbol, b) } ?? false
        case (.text(let a), .list(let list)): return list.contains(a) == (symbol == "IN")
        default: return false
        }
    }

    private static func ordered<T: Comparable>(_ a: T, _ symbol: String, _ b: T) -> Bool {
        switch symbol {
        case "=": a == b
        case "!=": a != b
        case "<": a < b
        case "<=": a <= b
        case ">": a > b
        case ">=": a >= b
        default: false
        }
    }

    /// SQL's LIKE, with `%` for any text and `_` for one character.
    ///
    /// Two pointers, no recursion, so that no pattern is slow.
    static func like(_ text: String, _ pattern: String) -> Bool {
        let text = Array(text), pattern = Array(pattern)
        var t = 0, p = 0, star = -1, mark = 0
        while t < text.count {
            if p < pattern.count, pattern[p] == "%" {
                star = p
                mark = t
                p += 1
            } else if p < pattern.count, pattern[p] == "_" || pattern[p] == text[t] {
                t += 1
                p += 1
            } else if star >= 0 {
                p = star + 1
                mark += 1
                t = mark
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == "%" }
    }
}
