/// Why text is no selector.
package struct SelectorParseError: Error, Sendable, CustomStringConvertible {
    package var message: String
    package var description: String { message }
}

/// A label selector: all requirements must hold.
///
/// The empty one selects everything.
package struct LabelSelector: Sendable, Hashable, CustomStringConvertible {
    package enum Requirement: Sendable, Hashable {
        case isIn(String, [String])
        case notIn(String, [String])
        case exists(String)
        case notExists(String)
        case greaterThan(String, Int)
        case lessThan(String, Int)
    }

    package var requirements: [Requirement]
    /// A nil `metav1.LabelSelector` selects nothing.
    package var selectsNothing = false

    package init(_ requirements: [Requirement] = []) { self.requirements = requirements }

    /// All labels must be there with these values.
    package init(matching labels: [String: String]) {
        requirements = labels.sorted { $0.key < $1.key }.map { .isIn($0.key, [$0.value]) }
    }

    package static let everything = LabelSelector()

    package static let nothing: LabelSelector = {
        var selector = LabelSelector()
        selector.selectsNothing = true
        return selector
    }()

    package var isEmpty: Bool { requirements.isEmpty && !selectsNothing }

    package func matches(_ labels: [String: String]) -> Bool {
        if selectsNothing { return false }
        return requirements.allSatisfy { requirement in
            switch requirement {
            case .isIn(let key, let values): labels[key].map(values.contains) ?? false
            case .notIn(let key, let values): labels[key].map { !values.contains($0) } ?? true
            case .exists(let key): labels[key] != nil
            case .notExists(let key): labels[key] == nil
            case .greaterThan(let key, let bound): labels[key].flatMap { Int($0) }.map { $0 > bound } ?? false
            case .lessThan(let key, let bound): labels[key].flatMap { Int($0) }.map { $0 < bound } ?? false
            }
        }
    }

    /// The labels that a selector of plain equalities demands; nil when it has other requirements.
    package var equalities: [String: String]? {
        var labels: [String: String] = [:]
        for requirement in requirements {
            guard case .isIn(let key, let values) = requirement, values.count == 1 else { return nil }
            labels[key] = values[0]
        }
        return labels
    }

    /// The text form, as a query carries it.
    package var description: String {
        requirements.map { requirement in
            switch requirement {
            case .isIn(let key, let values):
                values.count == 1 ? "\(key)=\(values[0])" : "\(key) in (\(values.sorted().joined(separator: ",")))"
            case .notIn(let key, let values):
                values.count == 1 ? "\(key)!=\(values[0])" : "\(key) notin (\(values.sorted().joined(separator: ",")))"
            case .exists(let key): key
            case .notExists(let key): "!" + key
            case .greaterThan(let key, let bound): "\(key)>\(bound)"
            case .lessThan(let key, let bound): "\(key)<\(bound)"
            }
        }.joined(separator: ",")
    }
}

extension LabelSelector {
    /// Reads the text form: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
    package init(parsing text: String) throws(SelectorParseError) {
        var parser = LabelSelectorParser(text)
        requirements = try parser.parse()
    }

    /// Reads a `metav1.LabelSelector`; nil or null selects nothing, `{}` everything.
    package init(_ json: JSON?) throws(SelectorParseError) {
        guard let json, !json.isNull else {
            self = .nothing
            return
        }
        var list = LabelSelector(matching: json["matchLabels"]?.stringMap ?? [:]).requirements
        for expression in json["matchExpressions"]?.arrayValue ?? [] {
            list.append(try LabelSelector.requirement(expression))
        }
        requirements = list
    }

    /// Reads one `{key, operator, values}`, with the operators of label selectors and of node selectors.
    package static func requirement(_ expression: JSON) throws(SelectorParseError) -> Requirement {
        let key = expression["key"]?.stringValue ?? ""
        let values = expression["values"]?.stringArray ?? []
        guard !key.isEmpty else { throw SelectorParseError(message: "a match expression has no key") }
        let name = expression["operator"]?.stringValue ?? ""
        switch name {
        case "In", "NotIn":
            guard !values.isEmpty else {
                throw SelectorParseError(message: "for 'in', 'notin' operators, values set can't be empty")
            }
            return name == "In" ? .isIn(key, values) : .notIn(key, values)
        case "Exists", "DoesNotExist":
            guard values.isEmpty else {
                throw SelectorParseError(message: "values set must be empty for exists and does not exist")
            }
            return name == "Exists" ? .exists(key) : .notExists(key)
        case "Gt", "Lt":
            guard values.count == 1, let bound = Int(values[0]) else {
                throw SelectorParseError(message: "for 'Gt', 'Lt' operators, exactly one integer value is required")
            }
            return name == "Gt" ? .greaterThan(key, bound) : .lessThan(key, bound)
        default:
            throw SelectorParseError(message: "\"\(name)\" is not a valid label selector operator")
        }
    }
}

private struct LabelSelectorParser {
    private enum Token: Equatable {
        case word(String)
        case symbol(String)
        case end
    }

    private let text: String
    private var characters: Substring.UnicodeScalarView
    private var token: Token = .end

    init(_ text: String) {
        self.text = text
        characters = text[...].unicodeScalars
    }

    mutating func parse() throws(SelectorParseError) -> [LabelSelector.Requirement] {
        advance()
        var requirements: [LabelSelector.Requirement] = []
        if token == .end { return [] }
        while true {
            requirements.append(try parseRequirement())
            switch token {
            case .end: return requirements
            case .symbol(","):
                advance()
                if token == .end { throw failure("expected a requirement after ','") }
            default: throw failure("expected ',' or the end")
            }
        }
    }

    private func failure(_ detail: String) -> SelectorParseError {
        let found: String
        switch token {
        case .word(let word), .symbol(let word): found = word
        case .end: found = ""
        }
        return SelectorParseError(
            message: "unable to parse requirement: found '\(found)' in \"\(text)\": \(detail)"
        )
    }

    private mutating func advance() {
        while let first = characters.first, first == " " || first == "\t" || first == "\n" || first == "\r" {
            characters.removeFirst()
        }
        guard let first = characters.first else {
            token = .end
            return
        }
        if "=!,()<>".unicodeScalars.contains(first) {
            characters.removeFirst()
            var symbol = String(first)
            if first == "=" || first == "!", characters.first == "=" {
                characters.removeFirst()
                symbol += "="
            }
            token = .symbol(symbol)
            return
        }
        var word = ""
        while let next = characters.first, !"=!,()<> \t\n\r".unicodeScalars.contains(next) {
            word.unicodeScalars.append(next)
            characters.removeFirst()
        }
        token = .word(word)
    }

    private mutating func parseRequirement() throws(SelectorParseError) -> LabelSelector.Requirement {
        if token == .symbol("!") {
            advance()
            let key = try parseKey()
            return .notExists(key)
        }
        let key = try parseKey()
        switch token {
        case .end, .symbol(","): return .exists(key)
        case .symbol("="), .symbol("=="):
            advance()
            return .isIn(key, [try parseValue()])
        case .symbol("!="):
            advance()
            return .notIn(key, [try parseValue()])
        case .symbol(">"), .symbol("<"):
            let isGreater = token == .symbol(">")
            advance()
            guard let bound = Int(try parseValue()) else { throw failure("for '<', '>' the value must be an integer") }
            return isGreater ? .greaterThan(key, bound) : .lessThan(key, bound)
        case .word("in"):
            advance()
            return .isIn(key, try parseValues())
        case .word("notin"):
            advance()
            return .notIn(key, try parseValues())
        default: throw failure("expected: in, notin, =, ==, !=, gt, lt")
        }
    }

    private mutating func parseKey() throws(SelectorParseError) -> String {
        guard case .word(let key) = token else { throw failure("expected a label key") }
        guard LabelSyntax.isQualifiedName(key) else { throw failure("\"\(key)\" is not a valid label key") }
        advance()
        return key
    }

    private mutating func parseValue() throws(SelectorParseError) -> String {
        guard case .word(let value) = token else {
            if token == .end || token == .symbol(",") { return "" }
            throw failure("expected a label value")
        }
        guard LabelSyntax.isLabelValue(value) else { throw failure("\"\(value)\" is not a valid label value") }
        advance()
        return value
    }

    private mutating func parseValues() throws(SelectorParseError) -> [String] {
        guard token == .symbol("(") else { throw failure("expected '('") }
        advance()
        var values: [String] = []
        while true {
            switch token {
            case .word(let value):
                values.append(value)
                advance()
                if token == .symbol(",") {
                    advance()
                } else if token != .symbol(")") {
                    throw failure("expected ',' or ')'")
                }
            case .symbol(","):
                values.append("")
                advance()
            case .symbol(")"):
                advance()
                return values.isEmpty ? [""] : values
            default: throw failure("expected ',' or ')'")
            }
        }
    }
}

/// The grammar of label keys and values.
package enum LabelSyntax {
    /// `[prefix/]name`: the name up to 63 characters, the prefix a DNS subdomain.
    package static func isQualifiedName(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let name = parts.last else { return false }
        if parts.count == 2, !isSubdomain(parts[0]) { return false }
        return name.utf8.count <= 63 && isName(name)
    }

    package static func isLabelValue(_ text: String) -> Bool {
        text.isEmpty || (text.utf8.count <= 63 && isName(text[...]))
    }

    /// RFC 1123 subdomain of at most 253 characters.
    package static func isSubdomain(_ text: Substring) -> Bool {
        guard text.utf8.count <= 253, !text.isEmpty else { return false }
        return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last else { return false }
            return isLowerAlphanumeric(first) && isLowerAlphanumeric(last)
                && label.utf8.allSatisfy { isLowerAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isName(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && text.utf8.allSatisfy {
                isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
            }
    }

    private static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLowerAlphanumeric(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }
}

/// A field selector: `metadata.name=a,status.phase!=Running`.
package struct FieldSelector: Sendable, Hashable, CustomStringConvertible {
    package struct Requirement: Sendable, Hashable {
        package var field: String
        package var value: String
        package var isEqual: Bool

        package init(field: String, value: String, isEqual: Bool = true) {
            self.field = field
            self.value = value
            self.isEqual = isEqual
        }
    }

    package var requirements: [Requirement]

    package init(_ requirements: [Requirement] = []) { self.requirements = requirements }

    /// Reads `field=value`, `field==value`, `field!=value` joined by commas; `\,`, `\=` and `\\` are escapes.
    package init(parsing text: String) throws(SelectorParseError) {
        requirements = []
        for term in FieldSelector.split(text) where !term.isEmpty {
            requirements.append(try FieldSelector.requirement(term, in: text))
        }
    }

    package var isEmpty: Bool { requirements.isEmpty }

    /// The value that a field must equal, when the selector says so.
    package func requiredValue(_ field: String) -> String? {
        requirements.first { $0.field == field && $0.isEqual }?.value
    }

    /// `value` gives the text of a field; absent fields are empty.
    package func matches(_ value: (String) -> String) -> Bool {
        requirements.allSatisfy { (value($0.field) == $0.value) == $0.isEqual }
    }

    package var description: String {
        requirements.map { $0.field + ($0.isEqual ? "=" : "!=") + FieldSelector.escaped($0.value) }
            .joined(separator: ",")
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            if "\\,=".contains(character) { result.append("\\") }
            result.append(character)
        }
        return result
    }

    private static func split(_ text: String) -> [String] {
        var terms: [String] = []
        var term = ""
        var isEscaped = false
        for character in text {
            if character == ",", !isEscaped {
                terms.append(term)
                term = ""
                continue
            }
            isEscaped = character == "\\" && !isEscaped
            term.append(character)
        }
        return terms + [term]
    }

    private static func requirement(_ term: String, in text: String) throws(SelectorParseError) -> Requirement {
        var field = ""
        var rest = term[...]
        while let character = rest.first, character != "=", !rest.hasPrefix("!=") {
            field.append(character)
            rest.removeFirst()
        }
        let isEqual = !rest.hasPrefix("!")
        if rest.hasPrefix("!=") || rest.hasPrefix("==") {
            rest.removeFirst(2)
        } else if rest.hasPrefix("=") {
            rest.removeFirst()
        } else {
            throw SelectorParseError(message: "invalid selector: '\(text)'; can't understand '\(term)'")
        }
        var value = ""
        while let character = rest.popFirst() {
            if character == "\\" {
                guard let escaped = rest.popFirst(), "\\,=".contains(escaped) else {
                    throw SelectorParseError(message: "invalid field selector: invalid escape sequence in '\(term)'")
                }
                value.append(escaped)
            } else if character == "=" {
                throw SelectorParseError(message: "invalid field selector: unescaped character in value: =")
            } else {
                value.append(character)
            }
        }
        return Requirement(field: field, value: value, isEqual: isEqual)
    }
}
