internal import Foundation
internal import KubeCore
internal import Yams

/// Reads the objects of a published manifest.
enum ManifestYAML {
    /// Objects in the order of the file; lists are opened, empty documents left out.
    ///
    /// - Throws: `PackagingError` naming the file and the document that is no Kubernetes object.
    static func objects(_ text: String, name: String) throws -> [JSON] {
        var objects: [JSON] = []
        var position = 0
        let documents: YamlSequence<Node>
        do {
            documents = try Yams.compose_all(yaml: text)
        } catch {
            throw PackagingError(.badManifest, "\(name) is no YAML: \(error)")
        }
        for node in documents {
            position += 1
            var reader = NodeReader(subject: "document \(position) of \(name)")
            let value = try reader.json(node, depth: 0)
            if value.isNull { continue }
            try append(value, to: &objects, subject: reader.subject)
        }
        if let error = documents.error { throw PackagingError(.badManifest, "\(name) is no YAML: \(error)") }
        guard !objects.isEmpty else { throw PackagingError(.badManifest, "\(name) holds no objects") }
        return objects
    }

    private static func append(_ value: JSON, to objects: inout [JSON], subject: String) throws {
        guard let kind = value["kind"]?.stringValue, value["apiVersion"]?.stringValue != nil else {
            throw PackagingError(.badManifest, "\(subject) has no kind or no apiVersion")
        }
        if kind.hasSuffix("List"), let items = value["items"]?.arrayValue {
            for item in items { try append(item, to: &objects, subject: subject) }
            return
        }
        guard value[path: "metadata", "name"]?.stringValue?.isEmpty == false else {
            throw PackagingError(.badManifest, "\(subject), a \(kind), has no name")
        }
        objects.append(value)
    }
}

/// Turns composed nodes into JSON; bounded, because aliases can make a small text huge.
private struct NodeReader {
    let subject: String
    private var nodes = 0

    init(subject: String) { self.subject = subject }

    mutating func json(_ node: Node, depth: Int) throws -> JSON {
        nodes += 1
        guard nodes <= 500_000, depth <= 200 else {
            throw PackagingError(.badManifest, "\(subject) is too large once its aliases are expanded")
        }
        switch node {
        case .mapping(let mapping):
            var members: [String: JSON] = [:]
            for (key, value) in mapping {
                guard let key = key.scalar?.string else {
                    throw PackagingError(.badManifest, "\(subject) has a key that is no text")
                }
                guard members.updateValue(try json(value, depth: depth + 1), forKey: key) == nil else {
                    throw PackagingError(.badManifest, "\(subject) has the key '\(key)' twice")
                }
            }
            return .object(members)
        case .sequence(let sequence):
            return .array(try sequence.map { try json($0, depth: depth + 1) })
        case .scalar(let scalar):
            return Self.value(scalar, tag: node.tag.rawValue)
        case .alias:
            throw PackagingError(.badManifest, "\(subject) has an alias without an anchor")
        }
    }

    /// Only plain scalars have another type than text; dates and sexagesimal numbers stay text too.
    private static func value(_ scalar: Node.Scalar, tag: String) -> JSON {
        let text = scalar.string
        guard scalar.style == .any || scalar.style == .plain, !text.utf8.contains(UInt8(ascii: ":")) else {
            return .string(text)
        }
        return switch Tag.Name(rawValue: tag) {
        case .null: .null
        case .bool: Bool.construct(from: scalar).map(JSON.bool) ?? .string(text)
        case .int: Int64.construct(from: scalar).map(JSON.int) ?? .string(text)
        case .float: Double.construct(from: scalar).map(JSON.double) ?? .string(text)
        default: .string(text)
        }
    }
}
