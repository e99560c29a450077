internal import KubeCore
internal import Yams

/// A YAML body that cannot be read.
struct YAMLBodyError: Error, CustomStringConvertible {
    var description: String
}

extension JSON {
    /// Parses one YAML document under YAML 1.1, as the API has always done; `duplicates` names keys that come twice.
    ///
    /// Bounded: aliases can make a small text huge.
    static func yamlBody(_ bytes: [UInt8], duplicates: inout [String]) throws(YAMLBodyError) -> JSON {
        let node: Node?
        do {
            node = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))
        } catch let error as YamlError {
            guard case .duplicatedKeysInMapping = error else { throw YAMLBodyError(description: "\(error)") }
            throw YAMLBodyError(description: "duplicate key in mapping: \(error)")
        } catch {
            throw YAMLBodyError(description: "\(error)")
        }
        var reader = YAMLReader()
        return try node.map { (node) throws(YAMLBodyError) in try reader.json(node, depth: 0) } ?? .null
    }

    /// This value as YAML with sorted keys.
    var yamlBodyText: String {
        // The emitter fails only on nodes that this conversion never makes.
        (try? Yams.serialize(node: yamlBodyNode, width: -1, allowUnicode: true)) ?? text
    }

    private var yamlBodyNode: Node {
        switch self {
        case .null: Node("null", Tag(.null))
        case .bool(let value): Node(value ? "true" : "false", Tag(.bool))
        case .int(let value): Node(String(value), Tag(.int))
        case .double: Node(text, Tag(.float))
        case .string(let value):
            if value.utf8.contains(UInt8(ascii: "\n")) {
                Node.scalar(Node.Scalar(value, Tag(.str), .literal))
            } else {
                Node.scalar(
                    Node.Scalar(value, Tag(.str), YAMLReader.plain(value) == .string(value) ? .any : .doubleQuoted)
                )
            }
        case .array(let elements): Node(elements.map(\.yamlBodyNode))
        case .object(let members):
            Node(members.sorted { $0.key < $1.key }.map { (JSON.string($0.key).yamlBodyNode, $0.value.yamlBodyNode) })
        }
    }
}

private struct YAMLReader {
    private static let maximumNodes = 500_000
    private static let maximumDepth = 200
    private var nodes = 0

    mutating func json(_ node: Node, depth: Int) throws(YAMLBodyError) -> JSON {
        nodes += 1
        guard nodes <= Self.maximumNodes, depth <= Self.maximumDepth else {
            throw YAMLBodyError(description: "the document is too large once its aliases are expanded")
        }
        switch node {
        case .scalar(let scalar):
            let isPlain = scalar.style == .plain || scalar.style == .any
            return isPlain && scalar.tag != Tag(.str) ? Self.plain(scalar.string) : .string(scalar.string)
        case .sequence(let sequence):
            var elements: [JSON] = []
            elements.reserveCapacity(sequence.count)
            for element in sequence { elements.append(try json(element, depth: depth + 1)) }
            return .array(elements)
        case .mapping(let mapping):
            var members: [String: JSON] = [:]
            for (key, value) in mapping {
                guard let name = key.scalar?.string else { throw YAMLBodyError(description: "a key that is not text") }
                let converted = try json(value, depth: depth + 1)
                if name == "<<", key.scalar?.style == .plain {
                    for merged in converted.arrayValue ?? [converted] {
                        members.merge(merged.objectValue ?? [:]) { own, _ in own }
                    }
                } else {
                    members[name] = converted
                }
            }
            return .object(members)
        case .alias: throw YAMLBodyError(description: "an alias that names no anchor")
        }
    }

    private static let words: [String: JSON] = {
        var words: [String: JSON] = ["": .null, "~": .null, "null": .null, "Null": .null, "NULL": .null]
        for word in ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"] { words[word] = true }
        for word in ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"] { words[word] = false }
        return words
    }()

    /// The value of an unquoted scalar.
    static func plain(_ text: String) -> JSON {
        if let word = words[text] { return word }
        guard let first = text.utf8.first,
            first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
                || first == UInt8(ascii: ".") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
        else { return .string(text) }
        return number(text) ?? .string(text)
    }

    private static func number(_ text: String) -> JSON? {
        var digits = Substring(text.replacing("_", with: ""))
        let isNegative = digits.first == "-"
        if isNegative || digits.first == "+" { digits = digits.dropFirst() }
        guard let first = digits.utf8.first, first != UInt8(ascii: "-"), first != UInt8(ascii: "+") else { return nil }
        let sign: Int64 = isNegative ? -1 : 1
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.hasPrefix(prefix) {
            return Int64(digits.dropFirst(2), radix: radix).map { .int(sign * $0) }
        }
        let isDigits = digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        if isDigits {
            if digits.count > 1, first == UInt8(ascii: "0") { return Int64(digits, radix: 8).map { .int(sign * $0) } }
            if let whole = Int64((isNegative ? "-" : "") + digits) { return .int(whole) }
        }
        let allowed = Set("0123456789.eE+-".utf8)
        guard digits != ".", digits.utf8.allSatisfy(allowed.contains), let value = Double(digits), value.isFinite else {
            return nil
        }
        return .double(Double(sign) * value)
    }
}
