package import KubeCore

/// One call of the API.
package struct APICall: Sendable, Hashable {
    package var verb: String
    package var type: ResourceType
    package var namespace: String?
    package var name: String?
    package var isDryRun = false

    package var isWrite: Bool { !["get", "list", "watch"].contains(verb) }
}

/// Hands every call on to another API; a conforming type writes only what it does otherwise.
package protocol ForwardingAPI: ResourceAPI {
    var base: any ResourceAPI { get }

    /// Around every call that is handed on.
    func forward<T>(_ call: APICall, _ body: () async throws -> T) async throws -> T
}

extension ForwardingAPI {
    package func forward<T>(_ call: APICall, _ body: () async throws -> T) async throws -> T { try await body() }

    package func get(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?
    ) async throws -> KubeObject {
        try await forward(APICall(verb: "get", type: type, namespace: namespace, name: name)) {
            try await base.get(type, namespace: namespace, name: name, subresource: subresource)
        }
    }

    package func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList {
        try await forward(APICall(verb: "list", type: type, namespace: namespace)) {
            try await base.list(type, namespace: namespace, options: options)
        }
    }

    package func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) async throws -> WatchStream {
        try await forward(APICall(verb: "watch", type: type, namespace: namespace)) {
            try await base.watch(type, namespace: namespace, options: options)
        }
    }

    package func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        let called = name ?? object.name
        let call = APICall(verb: "create", type: type, namespace: namespace, name: called, isDryRun: options.dryRun)
        return try await forward(call) {
            try await base.create(
                type,
                namespace: namespace,
                name: name,
                subresource: subresource,
                object: object,
                options: options
            )
        }
    }

    package func update(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        let call = APICall(verb: "update", type: type, namespace: namespace, name: name, isDryRun: options.dryRun)
        return try await forward(call) {
            try await base.update(
                type,
                namespace: namespace,
                name: name,
                subresource: subresource,
                object: object,
                options: options
            )
        }
    }

    package func patch(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject {
        let call = APICall(verb: "patch", type: type, namespace: namespace, name: name, isDryRun: options.dryRun)
        return try await forward(call) {
            try await base.patch(
                type,
                namespace: namespace,
                name: name,
                subresource: subresource,
                patch: patch,
                options: options
            )
        }
    }

    package func delete(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        options: DeleteOptions
    ) async throws -> KubeObject? {
        let call = APICall(verb: "delete", type: type, namespace: namespace, name: name, isDryRun: options.dryRun)
        return try await forward(call) {
            try await base.delete(type, namespace: namespace, name: name, options: options)
        }
    }

    package func deleteCollection(
        _ type: ResourceType,
        namespace: String?,
        selection: ListOptions,
        options: DeleteOptions
    ) async throws {
        try await forward(APICall(verb: "deletecollection", type: type, namespace: namespace)) {
            try await base.deleteCollection(type, namespace: namespace, selection: selection, options: options)
        }
    }
}
