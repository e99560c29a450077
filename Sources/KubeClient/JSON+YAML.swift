package import KubeCore
internal import Yams

/// Text that is not YAML, or YAML that has no JSON form.
package struct YAMLParseError: Error, CustomStringConvertible {
    package var message: String

    package var description: String { "invalid YAML: \(message)" }
}

extension JSON {
    /// Parses one YAML document; an empty one is null.
    ///
    /// Plain scalars resolve as Kubernetes resolves them (YAML 1.1: `yes`, `on` and `y` are booleans); time stamps stay text.
    package init(yaml: String) throws(YAMLParseError) {
        let node: Node?
        do {
            node = try Yams.compose(yaml: yaml)
        } catch {
            throw YAMLParseError(message: "\(error)")
        }
        var converter = NodeConverter()
        self = try node.map { (node) throws(YAMLParseError) in try converter.json(node) } ?? .null
    }

    /// Parses every document of a stream; empty documents are left out.
    package static func documents(yaml: String) throws(YAMLParseError) -> [JSON] {
        var documents: [JSON] = []
        do {
            for node in try Yams.compose_all(yaml: yaml) {
                var converter = NodeConverter()
                let document = try converter.json(node)
                if !document.isNull { documents.append(document) }
            }
        } catch let error as YAMLParseError {
            throw error
        } catch {
            throw YAMLParseError(message: "\(error)")
        }
        return documents
    }

    /// This value as a YAML document with sorted keys.
    package var yamlText: String {
        // The emitter fails only on nodes that this conversion never makes.
        (try? Yams.serialize(node: yamlNode, width: -1, allowUnicode: true)) ?? text + "\n"
    }

    private var yamlNode: Node {
        switch self {
        case .null: Node("null", Tag(.null))
        case .bool(let value): Node(value ? "true" : "false", Tag(.bool))
        case .int(let value): Node(String(value), Tag(.int))
        case .double: Node(text, Tag(.float))
        case .string(let value): Node.scalar(Node.Scalar(value, Tag(.str), JSON.style(of: value)))
        case .array(let elements): Node(elements.map(\.yamlNode))
        case .object(let members):
            Node(members.sorted { $0.key < $1.key }.map { (JSON.string($0.key).yamlNode, $0.value.yamlNode) })
        }
    }

    private static func style(of value: String) -> Node.Scalar.Style {
        if value.utf8.contains(UInt8(ascii: "\n")) { return .literal }
        // A text that would read back as another type needs quotes.
        return PlainScalar.resolve(value) == .string(value) && value != "<<" && value != "=" ? .any : .doubleQuoted
    }
}

/// Turns composed nodes into JSON; bounded, because aliases can make a small text huge.
private struct NodeConverter {
    private static let maximumNodes = 500_000
    private static let maximumDepth = 200
    private var nodes = 0

    mutating func json(_ node: Node, depth: Int = 0) throws(YAMLParseError) -> JSON {
        nodes += 1
        guard nodes <= Self.maximumNodes, depth <= Self.maximumDepth else {
            throw YAMLParseError(message: "the document is too large once its aliases are expanded")
        }
        switch node {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain || scalar.style == .any
            if scalar.tag == Tag(.str) || !isPlain { return .string(scalar.string) }
            return PlainScalar.resolve(scalar.string)
        case .sequence(let sequence):
            var elements: [JSON] = []
            elements.reserveCapacity(sequence.count)
            for element in sequence { elements.append(try json(element, depth: depth + 1)) }
            return .array(elements)
        case .mapping(let mapping): return .object(try members(mapping, depth: depth))
        case .alias: throw YAMLParseError(message: "an alias that names no anchor")
        }
    }

    private mutating func members(_ mapping: Node.Mapping, depth: Int) throws(YAMLParseError) -> [String: JSON] {
        var members: [String: JSON] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string else {
                throw YAMLParseError(message: "a key that is not text")
            }
            let converted = try json(value, depth: depth + 1)
            if name == "<<", key.scalar?.style == .plain {
                for merged in converted.arrayValue ?? [converted] {
                    for (key, value) in merged.objectValue ?? [:] where members[key] == nil { members[key] = value }
                }
            } else {
                members[name] = converted
            }
        }
        return members
    }
}

/// What a plain YAML scalar means.
package enum PlainScalar {
    private static let words: [String: JSON] = {
        var words: [String: JSON] = ["": .null, "~": .null, "null": .null, "Null": .null, "NULL": .null]
        for word in ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"] { words[word] = true }
        for word in ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"] { words[word] = false }
        return words
    }()

    /// The value of unquoted `text`.
    package static func resolve(_ text: String) -> JSON {
        if let word = words[text] { return word }
        guard let first = text.utf8.first else { return .null }
        let isNumeric =
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) || first == UInt8(ascii: "-")
            || first == UInt8(ascii: "+") || first == UInt8(ascii: ".")
        guard isNumeric else { return .string(text) }
        return number(text) ?? .string(text)
    }

    private static func number(_ text: String) -> JSON? {
        var digits = Substring(text.replacing("_", with: ""))
        var sign: Int64 = 1
        if digits.first == "-" || digits.first == "+" {
            if digits.first == "-" { sign = -1 }
            digits = digits.dropFirst()
        }
        guard let first = digits.first, first.isNumber || first == ".", text.first != "_" else { return nil }
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.hasPrefix(prefix) {
            return Int64(digits.dropFirst(2), radix: radix).map { .int(sign * $0) }
        }
        if digits.count > 1, first == "0", digits.allSatisfy(\.isNumber) {
            return Int64(digits, radix: 8).map { .int(sign * $0) }
        }
        if let whole = Int64((sign < 0 ? "-" : "") + digits) { return .int(whole) }
        let allowed = digits.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"),
                UInt8(ascii: "+"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard allowed, digits != ".", let value = Double(digits) else { return nil }
        return .double(Double(sign) * value)
    }
}
