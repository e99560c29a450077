import KubeCore
import Synchronization

/// One call of the API.
struct APICall: Sendable, Hashable {
    var verb: String
    var type: ResourceType
    var namespace: String?
    var name: String?

    var isWrite: Bool { !["get", "list", "watch"].contains(verb) }
}

/// A cluster's API in which calls can be made to fail, before or after they are carried out.
final class FaultyAPI: ResourceAPI {
    typealias Hook = @Sendable (APICall) throws -> Void

    private let base: any ResourceAPI
    private let hooks = Mutex<(before: Hook?, after: Hook?)>((nil, nil))

    init(_ base: any ResourceAPI, before: Hook? = nil, after: Hook? = nil) {
        self.base = base
        hooks.withLock { $0 = (before, after) }
    }

    func set(before: Hook?) { hooks.withLock { $0.before = before } }

    private func call<T>(_ call: APICall, isDryRun: Bool = false, _ body: () async throws -> T) async throws -> T {
        let hooks = hooks.withLock { $0 }
        if !isDryRun { try hooks.before?(call) }
        let result = try await body()
        if !isDryRun { try hooks.after?(call) }
        return result
    }

    func get(_ type: ResourceType, namespace: String?, name: String, subresource: String?) async throws -> KubeObject {
        try await call(APICall(verb: "get", type: type, namespace: namespace, name: name)) {
            try await base.get(type, namespace: namespace, name: name, subresource: subresource)
        }
    }

    func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList {
        try await call(APICall(verb: "list", type: type, namespace: namespace)) {
            try await base.list(type, namespace: namespace, options: options)
        }
    }

    func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) async throws -> WatchStream {
        try await call(APICall(verb: "watch", type: type, namespace: namespace)) {
            try await base.watch(type, namespace: namespace, options: options)
        }
    }

    func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        try await call(
            APICall(verb: "create", type: type, namespace: namespace, name: name ?? object.name),
            isDryRun: options.dryRun
        ) {
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

    func update(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        try await call(
            APICall(verb: "update", type: type, namespace: namespace, name: name),
            isDryRun: options.dryRun
        ) {
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

    func patch(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject {
        try await call(
            APICall(verb: "patch", type: type, namespace: namespace, name: name),
            isDryRun: options.dryRun
        ) {
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

    func delete(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        options: DeleteOptions
    ) async throws -> KubeObject? {
        try await call(
            APICall(verb: "delete", type: type, namespace: namespace, name: name),
            isDryRun: options.dryRun
        ) {
            try await base.delete(type, namespace: namespace, name: name, options: options)
        }
    }

    func deleteCollection(
        _ type: ResourceType,
        namespace: String?,
        selection: ListOptions,
        options: DeleteOptions
    ) async throws {
        try await call(APICall(verb: "deletecollection", type: type, namespace: namespace)) {
            try await base.deleteCollection(type, namespace: namespace, selection: selection, options: options)
        }
    }
}
