internal import KubeCore

/// Kinds of documents, the ARM resource types and a few of our own.
enum DocumentKind: String, Sendable, CaseIterable {
    case workspace, compute, datastore
    case codeContainer, codeVersion, environmentContainer, environmentVersion
    case dataContainer, dataVersion, modelContainer, modelVersion, componentContainer, componentVersion
    case job, onlineEndpoint, onlineDeployment, batchEndpoint, batchDeployment, schedule
    case `extension`, extensionTombstone, agentRequest, relay
    case operation, loggedModel
    case cluster, clusterState
}

/// One stored resource.
struct Document: Sendable {
    var kind: DocumentKind
    /// ARM id in the case it was first written in; looked up without case.
    var id: String
    /// Id of what holds it, lower case.
    var parent: String
    var name: String
    /// The resource as answered, without `id`, `name` and `type`.
    var body: JSON
    /// Never answered: keys, protected settings, bookkeeping.
    var hidden: JSON
    /// Grows with each write.
    var version: Int
    var createdAt: Double
    var updatedAt: Double

    init(kind: DocumentKind, id: String, parent: String, name: String, body: JSON, hidden: JSON = .object([:])) {
        self.kind = kind
        self.id = id
        self.parent = parent.lowercased()
        self.name = name
        self.body = body
        self.hidden = hidden
        version = 0
        createdAt = nowSeconds()
        updatedAt = createdAt
    }

    var key: String { id.lowercased() }

    /// `properties.…` of the body.
    subscript(property path: String...) -> JSON? {
        get { body[path: ["properties"] + path] }
        set { body[path: ["properties"] + path] = newValue }
    }

    /// The ARM resource with `id`, `name`, `type` and `systemData`.
    var resource: JSON {
        var resource = body
        resource["id"] = .string(id)
        resource["name"] = .string(name)
        resource["type"] = .string(ARMPath.type(of: id))
        let system: [String: JSON] = [
            "createdAt": .string(rfc3339(createdAt)), "createdBy": .string(createdBy),
            "createdByType": "Application", "lastModifiedAt": .string(rfc3339(updatedAt)),
            "lastModifiedBy": .string(createdBy), "lastModifiedByType": "Application",
        ]
        resource["systemData"] = .object(system)
        return resource
    }

    private var createdBy: String { hidden["createdBy"]?.stringValue ?? "outrigger" }
}

/// Reading of ARM ids.
enum ARMPath {
    /// `Microsoft.MachineLearningServices/workspaces/jobs` of an id.
    static func type(of id: String) -> String {
        let segments = id.split(separator: "/").map(String.init)
        guard let providers = segments.lastIndex(where: { $0.lowercased() == "providers" }),
            providers + 1 < segments.count
        else {
            return "Microsoft.Resources/resourceGroups"
        }
        var types = [segments[providers + 1]]
        var index = providers + 2
        while index < segments.count {
            types.append(segments[index])
            index += 2
        }
        return types.joined(separator: "/")
    }

    /// The value after the segment `name`, compared without case: `value(of: "jobs", in: id)`.
    static func value(of name: String, in id: String) -> String? {
        let segments = id.split(separator: "/").map(String.init)
        guard let index = segments.lastIndex(where: { $0.lowercased() == name.lowercased() }),
            index + 1 < segments.count
        else { return nil }
        return segments[index + 1]
    }
}
