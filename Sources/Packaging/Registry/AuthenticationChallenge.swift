/// One challenge of a `WWW-Authenticate` header.
///
/// Source: RFC 9110, section 11.6.1.
struct AuthenticationChallenge: Sendable, Hashable {
    /// Lower case.
    var scheme: String
    /// Names in lower case.
    var parameters: [String: String] = [:]

    /// Every challenge of a header; several may share one.
    static func parse(_ header: String) -> [AuthenticationChallenge] {
        var challenges: [AuthenticationChallenge] = []
        var rest = header[...]
        func skip() {
            while let first = rest.first, first == " " || first == "," || first == "\t" { rest.removeFirst() }
        }
        func word() -> String {
            let word = rest.prefix { $0 != " " && $0 != "=" && $0 != "," && $0 != "\t" }
            rest = rest.dropFirst(word.count)
            return String(word)
        }
        skip()
        while !rest.isEmpty {
            let name = word()
            while rest.first == " " { rest.removeFirst() }
            guard rest.first == "=" else {
                guard !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" }) else { break }
                challenges.append(AuthenticationChallenge(scheme: name.lowercased()))
                skip()
                continue
            }
            rest.removeFirst()
            var value = ""
            if rest.first == "\"" {
                rest.removeFirst()
                while let character = rest.popFirst(), character != "\"" {
                    if character == "\\", let next = rest.popFirst() {
                        value.append(next)
                    } else {
                        value.append(character)
                    }
                }
            } else {
                value = word()
            }
            if !challenges.isEmpty { challenges[challenges.count - 1].parameters[name.lowercased()] = value }
            skip()
        }
        return challenges
    }
}
