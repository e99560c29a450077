/// Names of Kubernetes objects for things whose names have other rules.
enum ObjectNames {
    /// The name itself if it is a DNS label of at most `limit` characters, else a readable one with a hash of the original.
    static func label(_ name: String, limit: Int = 50) -> String {
        let allowed = name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
        if allowed, (1...limit).contains(name.count), name.first?.isLetter == true, name.last != "-" { return name }
        var text = String(
            name.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : Character("-") }.prefix(limit - 7)
        )
        while text.last == "-" { text.removeLast() }
        if text.first?.isLetter != true { text = "j" + text.prefix(limit - 8) }
        return text + "-" + RandomText.sha256(name).prefix(6)
    }

    /// The text itself if it may be a label's value, else a readable one with a hash of the original.
    static func labelValue(_ text: String) -> String {
        let allowed = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
        let edges = [text.first, text.last].allSatisfy { $0.map { $0.isLetter || $0.isNumber } ?? false }
        return allowed && edges && text.count <= 63 ? text : label(text, limit: 63)
    }
}
