internal import KubeCore

/// Why text is no expression that the server understands.
struct CELSyntaxError: Error {
    var message: String
}

/// A parsed CEL expression.
indirect enum CELExpression: Sendable {
    case literal(CELValue)
    case identifier(String)
    case select(CELExpression, String, isOptional: Bool)
    /// `has(e.f)`
    case presence(CELExpression, String)
    case index(CELExpression, CELExpression, isOptional: Bool)
    /// A function, or with a target a method.
    case call(String, target: CELExpression?, [CELExpression])
    case list([CELExpression])
    case map([(key: CELExpression, value: CELExpression)])
    case not(CELExpression)
    case negate(CELExpression)
    case and(CELExpression, CELExpression)
    case or(CELExpression, CELExpression)
    case conditional(CELExpression, CELExpression, CELExpression)
    case binary(String, CELExpression, CELExpression)
    case comprehension(Comprehension)

    struct Comprehension: Sendable {
        enum Kind: String, Sendable { case all, exists, existsOne = "exists_one", map, filter }
        var kind: Kind
        var range: CELExpression
        var variable: String
        /// Condition of all, exists, exists_one and filter; optional for map.
        var condition: CELExpression?
        /// Result of map.
        var transform: CELExpression?
    }
}

struct CELToken: Equatable {
    enum Kind: Equatable { case identifier, quoted, int, uint, double, string, bytes, symbol, end }
    var kind: Kind
    var text: String
}

/// Splits an expression into tokens.
struct CELLexer {
    private var rest: Substring.UnicodeScalarView
    private static let pairs: Set<String> = ["==", "!=", "<=", ">=", "&&", "||", ".?", "[?"]

    init(_ text: String) { rest = text[...].unicodeScalars }

    static func tokens(_ text: String) throws(CELSyntaxError) -> [CELToken] {
        var lexer = CELLexer(text)
        var list: [CELToken] = []
        while true {
            let token = try lexer.next()
            list.append(token)
            if token.kind == .end { return list }
        }
    }

    private mutating func skip() {
        while let first = rest.first {
            if first.properties.isWhitespace {
                rest.removeFirst()
            } else if first == "/", rest.dropFirst().first == "/" {
                while let character = rest.first, character != "\n" { _ = character; rest.removeFirst() }
            } else {
                return
            }
        }
    }

    private mutating func next() throws(CELSyntaxError) -> CELToken {
        skip()
        guard let first = rest.first else { return CELToken(kind: .end, text: "") }
        if first == "\"" || first == "'" { return try string(isRaw: false, kind: .string) }
        if Self.isLetter(first) { return try word() }
        if Self.isDigit(first) || (first == "." && rest.dropFirst().first.map(Self.isDigit) ?? false) {
            return try number()
        }
        if first == "`" {
            rest.removeFirst()
            var name = ""
            while let character = rest.popFirst(), character != "`" { name.unicodeScalars.append(character) }
            return CELToken(kind: .quoted, text: name)
        }
        let pair = String(String.UnicodeScalarView(rest.prefix(2)))
        if Self.pairs.contains(pair) {
            rest.removeFirst(2)
            return CELToken(kind: .symbol, text: pair)
        }
        guard "+-*/%!<>()[]{}.,:?".unicodeScalars.contains(first) else {
            throw CELSyntaxError(message: "Syntax error: token recognition error at: '\(first)'")
        }
        rest.removeFirst()
        return CELToken(kind: .symbol, text: String(first))
    }

    private static func isDigit(_ character: Unicode.Scalar) -> Bool { ("0"..."9").contains(character) }

    private static func isLetter(_ character: Unicode.Scalar) -> Bool {
        character == "_" || ("a"..."z").contains(character) || ("A"..."Z").contains(character)
    }

    private mutating func word() throws(CELSyntaxError) -> CELToken {
        var text = ""
        while let character = rest.first, Self.isLetter(character) || Self.isDigit(character) {
            text.unicodeScalars.append(character)
            rest.removeFirst()
        }
        if rest.first == "\"" || rest.first == "'" {
            switch text.lowercased() {
            case "r": return try string(isRaw: true, kind: .string)
            case "b": return try string(isRaw: false, kind: .bytes)
            case "br", "rb": return try string(isRaw: true, kind: .bytes)
            default: break
            }
        }
        return CELToken(kind: .identifier, text: text)
    }

    private mutating func number() throws(CELSyntaxError) -> CELToken {
        var text = ""
        var isDouble = false
        let isHex = rest.first == "0" && (rest.dropFirst().first == "x" || rest.dropFirst().first == "X")
        if isHex {
            rest.removeFirst(2)
            while let character = rest.first, character.properties.isASCIIHexDigit {
                text.unicodeScalars.append(character)
                rest.removeFirst()
            }
            guard let value = UInt64(text, radix: 16) else { throw CELSyntaxError(message: "invalid number 0x\(text)") }
            text = String(value)
        } else {
            while let character = rest.first {
                let isSign = (character == "+" || character == "-") && (text.hasSuffix("e") || text.hasSuffix("E"))
                guard Self.isDigit(character) || character == "." || character == "e" || character == "E" || isSign
                else { break }
                if character == ".", !(rest.dropFirst().first.map(Self.isDigit) ?? false) { break }
                if !Self.isDigit(character) { isDouble = true }
                text.unicodeScalars.append(character)
                rest.removeFirst()
            }
        }
        if rest.first == "u" || rest.first == "U" {
            rest.removeFirst()
            return CELToken(kind: .uint, text: text)
        }
        return CELToken(kind: isDouble ? .double : .int, text: text)
    }

    private mutating func string(isRaw: Bool, kind: CELToken.Kind) throws(CELSyntaxError) -> CELToken {
        let quote = rest.removeFirst()
        var closing = 1
        if rest.first == quote, rest.dropFirst().first == quote {
            rest.removeFirst(2)
            closing = 3
        } else if rest.first == quote {
            rest.removeFirst()
            return CELToken(kind: kind, text: "")
        }
        var text = String.UnicodeScalarView()
        while let character = rest.popFirst() {
            if character == quote, closing == 1 || (rest.first == quote && rest.dropFirst().first == quote) {
                if closing == 3 { rest.removeFirst(2) }
                return CELToken(kind: kind, text: String(text))
            }
            if character == "\\", !isRaw {
                text.append(try escape())
            } else if character == "\n", closing == 1 {
                break
            } else {
                text.append(character)
            }
        }
        throw CELSyntaxError(message: "Syntax error: unterminated string")
    }

    private mutating func escape() throws(CELSyntaxError) -> Unicode.Scalar {
        guard let character = rest.popFirst() else {
            throw CELSyntaxError(message: "Syntax error: unterminated string")
        }
        switch character {
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "a": return "\u{07}"
        case "b": return "\u{08}"
        case "f": return "\u{0C}"
        case "v": return "\u{0B}"
        case "\\", "'", "\"", "`", "?": return character
        case "x", "X": return try code(2, radix: 16)
        case "u": return try code(4, radix: 16)
        case "U": return try code(8, radix: 16)
        case "0"..."3":
            let digits = String(character) + String(String.UnicodeScalarView(rest.prefix(2)))
            rest = rest.dropFirst(2)
            if let scalar = UInt32(digits, radix: 8).flatMap(Unicode.Scalar.init) { return scalar }
        default: break
        }
        throw CELSyntaxError(message: "Syntax error: invalid escape \\\(character)")
    }

    private mutating func code(_ count: Int, radix: Int) throws(CELSyntaxError) -> Unicode.Scalar {
        let digits = String(String.UnicodeScalarView(rest.prefix(count)))
        guard digits.unicodeScalars.count == count,
            let scalar = UInt32(digits, radix: radix).flatMap(Unicode.Scalar.init)
        else {
            throw CELSyntaxError(message: "Syntax error: invalid escape")
        }
        rest = rest.dropFirst(count)
        return scalar
    }
}
