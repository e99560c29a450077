/// One Kubernetes object with all of its fields, known to this program or not.
///
/// Use it for read-modify-write; decode typed values from it (`try object.json["spec"]?.decode(CoreV1.PodSpec.self)`) for reading.
package struct KubeObject: Sendable, Hashable {
    package var json: JSON

    package init(_ json: JSON) { self.json = json }

    /// A new object with `apiVersion`, `kind` and the given metadata.
    package init(
        _ type: ResourceType,
        namespace: String? = nil,
        name: String,
        labels: [String: String] = [:],
        annotations: [String: String] = [:],
        body: [String: JSON] = [:]
    ) {
        var members = body
        var metadata: [String: JSON] = ["name": .string(name)]
        if let namespace { metadata["namespace"] = .string(namespace) }
        if !labels.isEmpty { metadata["labels"] = JSON(labels) }
        if !annotations.isEmpty { metadata["annotations"] = JSON(annotations) }
        members["apiVersion"] = .string(type.apiVersion)
        members["kind"] = .string(type.kind)
        members["metadata"] = .object(metadata)
        json = .object(members)
    }

    /// Keys only; assigning makes the objects on the way, assigning nil removes.
    package subscript(path: String...) -> JSON? {
        get { json[path: path] }
        set { json[path: path] = newValue }
    }

    package var apiVersion: String { json["apiVersion"]?.stringValue ?? "" }
    package var kind: String { json["kind"]?.stringValue ?? "" }
    package var key: ObjectKey { ObjectKey(namespace: namespace, name: name) }

    package var name: String {
        get { self["metadata", "name"]?.stringValue ?? "" }
        set { self["metadata", "name"] = .string(newValue) }
    }
    package var namespace: String? {
        get { self["metadata", "namespace"]?.stringValue }
        set { self["metadata", "namespace"] = newValue.map(JSON.string) }
    }
    package var uid: String { self["metadata", "uid"]?.stringValue ?? "" }
    package var resourceVersion: String? {
        get { self["metadata", "resourceVersion"]?.stringValue }
        set { self["metadata", "resourceVersion"] = newValue.map(JSON.string) }
    }
    package var generation: Int { self["metadata", "generation"]?.intValue ?? 0 }
    package var observedGeneration: Int { self["status", "observedGeneration"]?.intValue ?? 0 }
    package var labels: [String: String] {
        get { self["metadata", "labels"]?.stringMap ?? [:] }
        set { self["metadata", "labels"] = newValue.isEmpty ? .none : JSON(newValue) }
    }
    package var annotations: [String: String] {
        get { self["metadata", "annotations"]?.stringMap ?? [:] }
        set { self["metadata", "annotations"] = newValue.isEmpty ? .none : JSON(newValue) }
    }
    package var finalizers: [String] {
        get { self["metadata", "finalizers"]?.stringArray ?? [] }
        set { self["metadata", "finalizers"] = newValue.isEmpty ? .none : JSON(newValue) }
    }
    /// RFC 3339 text.
    package var creationTimestamp: String? { self["metadata", "creationTimestamp"]?.stringValue }
    /// RFC 3339 text; set once deletion was asked for.
    package var deletionTimestamp: String? { self["metadata", "deletionTimestamp"]?.stringValue }
    package var isTerminating: Bool { deletionTimestamp != nil }

    package var ownerReferences: [OwnerReference] {
        get {
            (self["metadata", "ownerReferences"]?.arrayValue ?? []).compactMap { OwnerReference($0) }
        }
        set { self["metadata", "ownerReferences"] = newValue.isEmpty ? .none : .array(newValue.map(\.json)) }
    }
    /// The owner that manages this object.
    package var controllerReference: OwnerReference? { ownerReferences.first(where: \.isController) }

    /// The condition of this type in `status.conditions`.
    package func condition(_ type: String) -> JSON? {
        self["status", "conditions"]?.arrayValue?.first { $0["type"]?.stringValue == type }
    }
    /// True when the condition of this type has status `True`.
    package func isConditionTrue(_ type: String) -> Bool { condition(type)?["status"]?.stringValue == "True" }

    /// A reference by which this object owns another, as its controller.
    package func controllerReference(blockOwnerDeletion: Bool = true) -> OwnerReference {
        OwnerReference(
            apiVersion: apiVersion,
            kind: kind,
            name: name,
            uid: uid,
            isController: true,
            blockOwnerDeletion: blockOwnerDeletion
        )
    }
}

/// `metadata.ownerReferences[]`.
package struct OwnerReference: Sendable, Hashable {
    package var apiVersion: String
    package var kind: String
    package var name: String
    package var uid: String
    package var isController: Bool
    package var blockOwnerDeletion: Bool

    package init(
        apiVersion: String,
        kind: String,
        name: String,
        uid: String,
        isController: Bool = false,
        blockOwnerDeletion: Bool = false
    ) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.name = name
        self.uid = uid
        self.isController = isController
        self.blockOwnerDeletion = blockOwnerDeletion
    }

    /// nil when a required member is missing: such a reference points nowhere.
    package init?(_ json: JSON) {
        guard let apiVersion = json["apiVersion"]?.stringValue, let kind = json["kind"]?.stringValue,
            let name = json["name"]?.stringValue, let uid = json["uid"]?.stringValue
        else { return nil }
        self.init(
            apiVersion: apiVersion,
            kind: kind,
            name: name,
            uid: uid,
            isController: json["controller"]?.boolValue ?? false,
            blockOwnerDeletion: json["blockOwnerDeletion"]?.boolValue ?? false
        )
    }

    package var json: JSON {
        var members: [String: JSON] = [
            "apiVersion": .string(apiVersion), "kind": .string(kind), "name": .string(name), "uid": .string(uid),
        ]
        if isController { members["controller"] = true }
        if blockOwnerDeletion { members["blockOwnerDeletion"] = true }
        return .object(members)
    }
}
