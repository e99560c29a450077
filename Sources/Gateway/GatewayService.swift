internal import KubeCore
internal import MLTypes

/// Carries out requests on the cluster.
struct GatewayService: Sendable {
    let api: any ResourceAPI
    let podLogs: PodLogs
    let version: String
    let ledger: CommandLedger

    private static let fieldManager = "outrigger-gateway"
    private static let success: JSON = ["kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": [:]]

    /// `command`: number that the control plane gave the command; nil for callers that give none.
    func put(_ type: ResourceType, _ key: ObjectKey, _ body: JSON, command: Int?) async throws -> JSON {
        var object = KubeObject(body)
        try check(object, type, key)
        object.name = key.name
        object.namespace = key.namespace
        return try await write(type, object, command: command).json
    }

    func get(_ type: ResourceType, _ key: ObjectKey) async throws -> JSON {
        try await api.get(type, namespace: key.namespace, name: key.name).json
    }

    func delete(_ type: ResourceType, _ key: ObjectKey, command: Int?) async throws -> JSON {
        try await remove(type, key, command: command) { live in
            // Without a number any object of the name is meant; with one only that which was looked at.
            try await api.delete(
                type,
                namespace: key.namespace,
                name: key.name,
                options: DeleteOptions(propagation: .background, preconditionUID: live?.uid)
            )?.json
        }
    }

    func putSecret(_ key: ObjectKey, _ body: JSON, command: Int?) async throws -> JSON {
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
        let written = try await write(.secrets, object, command: command)
        // The answer names the secret and keeps its content.
        let metadata: JSON = [
            "name": .string(written.name), "namespace": .string(key.namespace ?? ""), "uid": .string(written.uid),
            "resourceVersion": .string(written.resourceVersion ?? ""),
        ]
        return ["apiVersion": "v1", "kind": "Secret", "metadata": metadata]
    }

    func deleteSecret(_ key: ObjectKey, command: Int?) async throws -> JSON {
        try await remove(.secrets, key, command: command) { _ in
            let live = try await api.get(.secrets, namespace: key.namespace, name: key.name)
            guard Self.isManaged(live) else { throw foreignSecret(key) }
            try await api.delete(
                .secrets,
                namespace: key.namespace,
                name: key.name,
                options: DeleteOptions(preconditionUID: live.uid)
            )
            return nil
        }
    }

    func namespace(_ name: String) async throws -> JSON {
        let namespace = try await api.get(.namespaces, name: name)
        return [
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": ["name": .string(name), "uid": .string(namespace.uid)],
            "status": namespace["status"] ?? [:],
        ]
    }

    func cluster() async throws -> JSON {
        let nodes = try await api.list(.nodes).items.sorted { $0.name < $1.name }.map { node -> JSON in
            [
                "name": .string(node.name), "ready": JSON(node.isConditionTrue("Ready")),
                "capacity": node["status", "capacity"] ?? [:], "allocatable": node["status", "allocatable"] ?? [:],
                "kubeletVersion": node["status", "nodeInfo", "kubeletVersion"] ?? "",
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

    // MARK: Commands

    private func write(_ type: ResourceType, _ object: KubeObject, command: Int?) async throws -> KubeObject {
        guard let command else { return try await apply(type, object) }
        let name = CommandLedger.name(type, object.key)
        return try await ledger.exclusively(name) {
            let live = try await api.find(type, namespace: object.namespace, name: object.name)
            let buried = live == nil ? try await ledger.buried(name) : nil
            switch CommandDecision.put(command, live: live.map(Self.command), buried: buried) {
            case .carryOut: break
            case .isInForce: return live ?? object
            case .isTooLate(let later): throw Self.tooLate(type, object.key, command, later)
            }
            var wanted = object
            wanted["metadata", "annotations", CommandDecision.annotation] = .string(String(command))
            // Another gateway, as during a rolling update, may have written between the look and this.
            let written = try await apply(type, wanted, unless: live?.resourceVersion)
            if live == nil, let later = try await ledger.buried(name), later >= command {
                try await api.deleteIfPresent(type, object.key, options: DeleteOptions(preconditionUID: written.uid))
                throw Self.tooLate(type, object.key, command, later)
            }
            return written
        }
    }

    /// `body` answers what the removal answers; nil stands for plain success.
    private func remove(
        _ type: ResourceType,
        _ key: ObjectKey,
        command: Int?,
        _ body: (_ live: KubeObject?) async throws -> JSON?
    ) async throws -> JSON {
        guard let command else { return try await body(nil) ?? Self.success }
        let name = CommandLedger.name(type, key)
        return try await ledger.exclusively(name) {
            let live = try await api.find(type, namespace: key.namespace, name: key.name)
            guard CommandDecision.delete(command, live: live.map(Self.command)) == .carryOut else {
                return Self.success
            }
            try await ledger.bury(name, command: command)
            guard let live else { throw APIError.notFound(type, key.name) }
            return try await body(live) ?? Self.success
        }
    }

    private static func command(_ object: KubeObject) -> Int {
        object.annotations[CommandDecision.annotation].flatMap { Int($0) } ?? 0
    }

    private static func tooLate(_ type: ResourceType, _ key: ObjectKey, _ command: Int, _ later: Int) -> APIError {
        APIError.conflict(
            type,
            key.name,
            "command \(command) came after command \(later), which removed it"
        )
    }

    private func apply(
        _ type: ResourceType,
        _ object: KubeObject,
        unless changedSince: String? = nil
    ) async throws -> KubeObject {
        var object = object
        // Server-side apply takes no such fields, and the caller may send back what it read.
        for field in ["managedFields", "uid", "creationTimestamp", "generation"] { object["metadata", field] = nil }
        object["metadata", "resourceVersion"] = changedSince.map { .string($0) }
        object["status"] = nil
        object["apiVersion"] = .string(type.apiVersion)
        object["kind"] = .string(type.kind)
        return try await api.apply(type, object, fieldManager: Self.fieldManager)
    }

    // MARK: Checks

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
