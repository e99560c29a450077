internal import KubeCore

/// Parses CEL and checks that every name and function is known.
struct CELParser {
    private var tokens: [CELToken]
    private var position = 0
    /// Variables in scope.
    private var scope: [String]
    private(set) var usedVariables: Set<String> = []
    private var depth = 0

    init(_ text: String, variables: [String]) throws(CELSyntaxError) {
        tokens = try CELLexer.tokens(text)
        scope = variables
    }

    mutating func parse() throws(CELSyntaxError) -> CELExpression {
        let expression = try parseConditional()
        guard token.kind == .end else { throw unexpected() }
        return expression
    }

    private var token: CELToken { tokens[position] }

    private func unexpected() -> CELSyntaxError {
        let found = token.kind == .end ? "<EOF>" : token.text
        return CELSyntaxError(message: "Syntax error: unexpected '\(found)'")
    }

    private func isSymbol(_ text: String) -> Bool { token.kind == .symbol && token.text == text }

    private mutating func accept(_ symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ symbol: String) throws(CELSyntaxError) {
        guard accept(symbol) else { throw unexpected() }
    }

    private mutating func parseConditional() throws(CELSyntaxError) -> CELExpression {
        depth += 1
        defer { depth -= 1 }
        guard depth < 200 else { throw CELSyntaxError(message: "expression recursion limit exceeded: 200") }
        let condition = try parseOr()
        guard accept("?") else { return condition }
        let first = try parseOr()
        try expect(":")
        let second = try parseConditional()
        return .conditional(condition, first, second)
    }

    private mutating func parseOr() throws(CELSyntaxError) -> CELExpression {
        var left = try parseAnd()
        while accept("||") { left = .or(left, try parseAnd()) }
        return left
    }

    private mutating func parseAnd() throws(CELSyntaxError) -> CELExpression {
        var left = try parseRelation()
        while accept("&&") { left = .and(left, try parseRelation()) }
        return left
    }

    private mutating func parseRelation() throws(CELSyntaxError) -> CELExpression {
        var left = try parseSum()
        while true {
            let isIn = token.kind == .identifier && token.text == "in"
            guard isIn || (token.kind == .symbol && ["==", "!=", "<", "<=", ">", ">="].contains(token.text)) else {
                return left
            }
            let name = token.text
            position += 1
            left = .binary(name, left, try parseSum())
        }
    }

    private mutating func parseSum() throws(CELSyntaxError) -> CELExpression {
        var left = try parseProduct()
        while isSymbol("+") || isSymbol("-") {
            let name = token.text
            position += 1
            left = .binary(name, left, try parseProduct())
        }
        return left
    }

    private mutating func parseProduct() throws(CELSyntaxError) -> CELExpression {
        var left = try parseUnary()
        while isSymbol("*") || isSymbol("/") || isSymbol("%") {
            let name = token.text
            position += 1
            left = .binary(name, left, try parseUnary())
        }
        return left
    }

    private mutating func parseUnary() throws(CELSyntaxError) -> CELExpression {
        if accept("!") { return .not(try parseUnary()) }
        guard accept("-") else { return try parseMember() }
        if token.kind == .int, let value = Int64("-" + token.text) {
            position += 1
            return try parseSuffixes(.literal(.int(value)))
        }
        return .negate(try parseUnary())
    }

    private mutating func parseMember() throws(CELSyntaxError) -> CELExpression {
        try parseSuffixes(try parsePrimary())
    }

    private mutating func parseSuffixes(_ start: CELExpression) throws(CELSyntaxError) -> CELExpression {
        var expression = start
        while true {
            if isSymbol(".") || isSymbol(".?") {
                let isOptional = token.text == ".?"
                position += 1
                guard token.kind == .identifier || token.kind == .quoted else { throw unexpected() }
                let name = token.text
                let isQuoted = token.kind == .quoted
                position += 1
                if !isQuoted, !isOptional, accept("(") {
                    expression = try parseMethod(name, expression)
                } else {
                    expression = .select(expression, isQuoted ? name : Self.unescaped(name), isOptional: isOptional)
                }
            } else if isSymbol("[") || isSymbol("[?") {
                let isOptional = token.text == "[?"
                position += 1
                let key = try parseConditional()
                try expect("]")
                expression = .index(expression, key, isOptional: isOptional)
            } else {
                return expression
            }
        }
    }

    /// Property names that are no identifiers are written escaped (`foo__dot__bar`, `__namespace__`).
    static func unescaped(_ name: String) -> String {
        guard name.contains("__") else { return name }
        if name.hasPrefix("__"), name.hasSuffix("__"), name.count > 4 {
            let inner = String(name.dropFirst(2).dropLast(2))
            if reserved.contains(inner) { return inner }
        }
        return name.replacing("__underscores__", with: "\u{0}").replacing("__dot__", with: ".")
            .replacing("__dash__", with: "-").replacing("__slash__", with: "/").replacing("\u{0}", with: "__")
    }

    private static let reserved: Set<String> = [
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
        "let", "loop", "package", "namespace", "return", "var", "void", "while",
    ]

    private mutating func parsePrimary() throws(CELSyntaxError) -> CELExpression {
        let current = token
        position += 1
        switch current.kind {
        case .int:
            guard let value = Int64(current.text) else {
                throw CELSyntaxError(message: "invalid int literal \(current.text)")
            }
            return .literal(.int(value))
        case .uint:
            guard let value = UInt64(current.text) else {
                throw CELSyntaxError(message: "invalid uint literal \(current.text)")
            }
            return .literal(.uint(value))
        case .double:
            guard let value = Double(current.text) else {
                throw CELSyntaxError(message: "invalid double literal \(current.text)")
            }
            return .literal(.double(value))
        case .string: return .literal(.string(current.text))
        case .bytes: return .literal(.bytes(Array(current.text.utf8)))
        case .identifier: return try parseName(current.text)
        case .symbol:
            switch current.text {
            case "(":
                let inner = try parseConditional()
                try expect(")")
                return inner
            case "[": return .list(try parseArguments(until: "]"))
            case "{": return try parseMap()
            default: break
            }
        case .quoted, .end: break
        }
        position -= 1
        throw unexpected()
    }

    private mutating func parseName(_ name: String) throws(CELSyntaxError) -> CELExpression {
        switch name {
        case "true": return .literal(.bool(true))
        case "false": return .literal(.bool(false))
        case "null": return .literal(.null)
        default: break
        }
        if scope.contains(name) {
            usedVariables.insert(name)
            return .identifier(name)
        }
        if CELFunctions.typeNames.contains(name), !isSymbol("(") { return .literal(.type(name)) }
        // Functions in a namespace: sets.contains(…), optional.of(…), math.greatest(…).
        if isSymbol("."), CELFunctions.namespaces.contains(name), tokens[position + 1].kind == .identifier {
            let full = name + "." + tokens[position + 1].text
            position += 2
            try expect("(")
            return try call(full, target: nil, try parseArguments(until: ")"))
        }
        guard accept("(") else {
            throw CELSyntaxError(message: "undeclared reference to '\(name)' (in container '')")
        }
        if name == "has" { return try parseHas() }
        return try call(name, target: nil, try parseArguments(until: ")"))
    }

    private func call(
        _ name: String,
        target: CELExpression?,
        _ arguments: [CELExpression]
    ) throws(CELSyntaxError) -> CELExpression {
        let table = target == nil ? CELFunctions.globals : CELFunctions.methods
        guard let counts = table[name] else {
            throw CELSyntaxError(message: "undeclared reference to '\(name)' (in container '')")
        }
        guard counts.contains(arguments.count) else {
            throw CELSyntaxError(
                message: "found no matching overload for '\(name)' applied to \(arguments.count) arguments"
            )
        }
        return .call(name, target: target, arguments)
    }

    private mutating func parseHas() throws(CELSyntaxError) -> CELExpression {
        let argument = try parseConditional()
        try expect(")")
        guard case .select(let object, let name, isOptional: false) = argument else {
            throw CELSyntaxError(message: "invalid argument to has() macro")
        }
        return .presence(object, name)
    }

    private mutating func parseArguments(until end: String) throws(CELSyntaxError) -> [CELExpression] {
        var list: [CELExpression] = []
        while !accept(end) {
            if !list.isEmpty { try expect(",") }
            if accept(end) { break }
            list.append(try parseConditional())
        }
        return list
    }

    private mutating func parseMap() throws(CELSyntaxError) -> CELExpression {
        var entries: [(key: CELExpression, value: CELExpression)] = []
        while !accept("}") {
            if !entries.isEmpty { try expect(",") }
            if accept("}") { break }
            let key = try parseConditional()
            try expect(":")
            entries.append((key, try parseConditional()))
        }
        return .map(entries)
    }

    private mutating func parseMethod(_ name: String, _ target: CELExpression) throws(CELSyntaxError) -> CELExpression {
        guard let kind = CELExpression.Comprehension.Kind(rawValue: name) else {
            return try call(name, target: target, try parseArguments(until: ")"))
        }
        guard token.kind == .identifier else { throw CELSyntaxError(message: "argument must be a simple name") }
        let variable = token.text
        position += 1
        try expect(",")
        scope.append(variable)
        defer { scope.removeLast() }
        let first = try parseConditional()
        var comprehension = CELExpression.Comprehension(kind: kind, range: target, variable: variable)
        if kind == .map, accept(",") {
            comprehension.condition = first
            comprehension.transform = try parseConditional()
        } else if kind == .map {
            comprehension.transform = first
        } else {
            comprehension.condition = first
        }
        try expect(")")
        return .comprehension(comprehension)
    }
}
