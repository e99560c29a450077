/// `$(NAME)` in commands, arguments and values of variables; `$$` is a dollar sign, unknown names stay as written.
///
/// Source: Kubernetes documentation, "Define dependent environment variables".
enum Expansion {
    static func expand(_ text: String, _ value: (String) -> String?) -> String {
        guard text.contains("$") else { return text }
        var result: [UInt8] = []
        let bytes = Array(text.utf8)
        var position = 0
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == UInt8(ascii: "$"), position + 1 < bytes.count else {
                result.append(byte)
                position += 1
                continue
            }
            let next = bytes[position + 1]
            if next == UInt8(ascii: "$") {
                result.append(byte)
                position += 2
            } else if next == UInt8(ascii: "("), let end = bytes[(position + 2)...].firstIndex(of: UInt8(ascii: ")")) {
                let name = String(decoding: bytes[(position + 2)..<end], as: UTF8.self)
                if let replacement = value(name) {
                    result += Array(replacement.utf8)
                } else {
                    result += bytes[position...end]
                }
                position = end + 1
            } else {
                result.append(byte)
                position += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// Variables in the order in which they were first set; a later value replaces an earlier one in place.
struct VariableList: Sendable, Hashable {
    private(set) var names: [String] = []
    private var values: [String: String] = [:]

    subscript(name: String) -> String? {
        get { values[name] }
        set {
            if let newValue {
                if values.updateValue(newValue, forKey: name) == nil { names.append(name) }
            } else if values.removeValue(forKey: name) != nil {
                names.removeAll { $0 == name }
            }
        }
    }

    /// `NAME=value`.
    var lines: [String] { names.map { $0 + "=" + (values[$0] ?? "") } }

    mutating func add(line: String) {
        guard let equals = line.firstIndex(of: "=") else { return self[line] = "" }
        self[String(line[..<equals])] = String(line[line.index(after: equals)...])
    }
}
