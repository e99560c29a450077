package import KubeCore

/// One object the extension wants on the cluster.
package struct RenderedObject: Sendable, Hashable {
    package var type: ResourceType
    package var object: KubeObject

    package init(_ type: ResourceType, _ object: KubeObject) {
        self.type = type
        self.object = object
    }

    package var reference: ObjectReference { ObjectReference(type: type, key: object.key) }
}

/// Which object, without its content; how the inventory remembers it.
package struct ObjectReference: Sendable, Hashable, CustomStringConvertible {
    package var type: ResourceType
    package var key: ObjectKey

    package init(type: ResourceType, key: ObjectKey) {
        self.type = type
        self.key = key
    }

    package var description: String { "\(type.kind.lowercased()) \(key)" }

    var json: JSON {
        let members: [String: JSON?] = [
            "group": .string(type.group), "version": .string(type.version), "plural": .string(type.plural),
            "kind": .string(type.kind), "namespace": key.namespace.map(JSON.string), "name": .string(key.name),
        ]
        return .object(members.compactMapValues { $0 })
    }

    init?(_ json: JSON) {
        guard let group = json["group"]?.stringValue, let version = json["version"]?.stringValue,
            let plural = json["plural"]?.stringValue, let kind = json["kind"]?.stringValue,
            let name = json["name"]?.stringValue
        else { return nil }
        let namespace = json["namespace"]?.stringValue
        type = ResourceType(
            group: group,
            version: version,
            plural: plural,
            kind: kind,
            isNamespaced: namespace != nil
        )
        key = ObjectKey(namespace: namespace, name: name)
    }
}
