internal import KubeCore
internal import MLTypes

/// Carries out requests on the cluster.
struct GatewayService: Sendable {
    let api: any ResourceAPI
    let podLogs: PodLogs
    let version: String

    private static let fieldManager = "outrigger-gateway"

    func put(_ type: ResourceType, _ key: ObjectKey, _ body: JSON) async throws -> JSON {
        var object = KubeObject(body)
        try check(object, type, key)
        object.name = key.name
        object.namespace = key.namespace
        return try await write(type, object).json
    }

    func get(_ type: ResourceType, _ key: ObjectKey) async throws -> JSON {
        try await api.get(type, namespace: key.namespace, name: key.name).json
    }

    func delete(_ type: ResourceType, _ key: ObjectKey) async throws -> JSON {
        let last = try await api.delete(
            type,
            namespace: key.namespace,
            name: key.name,
            options: DeleteOptions(propagation: .background)
        )
        return last?.json ?? ["kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": [:]]
    }

    func putSecret(_ key: ObjectKey, _ body: JSON) async throws -> JSON {
        var object = KubeObject(body)
        try check(object, .secrets, key)
        guard Self.isManaged(object) else {
            throw APIError.badRequest(
                "secret \(key) lacks the label \(MLLabels.managedBy): outrigger; the gateway writes only such secrets"
            )
        }
        if let live = try await api.find(.secrets, namespace: key.namespace, name: key.name), !Self.isManaged(live) {
            throw foreignSecret(key)
        }
        object.name = key.name
        object.namespace = key.namespace
        let written = try await write(.secrets, object)
        // The answer names the secret and keeps its content.
        let metadata: JSON = [
            "name": .string(written.name), "namespace": .string(key.namespace ?? ""), "uid": .string(written.uid),
            "resourceVersion": .string(written.resourceVersion ?? ""),
        ]
        return ["apiVersion": "v1", "kind": "Secret", "metadata": metadata]
    }

    func deleteSecret(_ key: ObjectKey) async throws -> JSON {
        let live = try await api.get(.secrets, namespace: key.namespace, name: key.name)
        guard Self.isManaged(live) else { throw foreignSecret(key) }
        try await api.delete(
            .secrets,
            namespace: key.namespace,
            name: key.name,
            options: DeleteOptions(preconditionUID: live.uid)
        )
        return ["kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": [:]]
    }

    func cluster() async throws -> JSON {
        let nodes = try await api.list(.nodes).items.sorted { $0.name < $1.name }.map { node -> JSON in
            [
                "name": .string(node.name), "ready": JSON(node.isConditionTrue("Ready")),
                "capacity": node["status", "capacity"] ?? [:], "allocatable": node["status", "allocatable"] ?? [:],
            ]
        }
        return ["version": .string(version), "nodes": .array(nodes)]
    }

    func pods(namespace: String, labelSelector: String?) async throws -> JSON {
        let list = try await api.list(.pods, namespace: namespace, options: ListOptions(labelSelector: labelSelector))
        return [
            "apiVersion": "v1", "kind": "PodList", "metadata": ["resourceVersion": .string(list.resourceVersion)],
            "items": .array(list.items.map(\.json)),
        ]
    }

    private func write(_ type: ResourceType, _ object: KubeObject) async throws -> KubeObject {
        var object = object
        // Server-side apply takes no such fields, and the caller may send back what it read.
        for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
            object["metadata", field] = nil
        }
        object["status"] = nil
        object["apiVersion"] = .string(type.apiVersion)
        object["kind"] = .string(type.kind)
        return try await api.apply(type, object, fieldManager: Self.fieldManager)
    }

    private func check(_ object: KubeObject, _ type: ResourceType, _ key: ObjectKey) throws {
        guard case .object = object.json else { throw APIError.badRequest("the body must be a \(type.kind)") }
        if !object.kind.isEmpty, object.kind != type.kind {
            throw APIError.badRequest("the body is a \(object.kind), and the address names a \(type.kind)")
        }
        if !object.name.isEmpty, object.name != key.name {
            throw APIError.badRequest("the body's name '\(object.name)' differs from the address's '\(key.name)'")
        }
        if let namespace = object.namespace, namespace != key.namespace {
            throw APIError.badRequest(
                "the body's namespace '\(namespace)' differs from the address's '\(key.namespace ?? "")'"
            )
        }
    }

    private static func isManaged(_ secret: KubeObject) -> Bool { secret.labels[MLLabels.managedBy] == "outrigger" }

    private func foreignSecret(_ key: ObjectKey) -> APIError {
        APIError(
            code: 403,
            reason: .forbidden,
            message: "secret \(key) lacks the label \(MLLabels.managedBy): outrigger; the gateway leaves it alone",
            name: key.name,
            kind: "secrets"
        )
    }
}
