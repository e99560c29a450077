package import KubeCore

/// Offers nothing: the base of a `ForwardingAPI` that answers a few calls only.
package struct RefusingAPI: ResourceAPI {
    private var refusal: APIError { APIError.badRequest("not offered by this test") }

    package init() {}

    package func get(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?
    ) async throws -> KubeObject { throw refusal }

    package func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList {
        throw refusal
    }

    package func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) async throws -> WatchStream {
        throw refusal
    }

    package func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject { throw refusal }

    package func update(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject { throw refusal }

    package func patch(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject { throw refusal }

    package func delete(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        options: DeleteOptions
    ) async throws -> KubeObject? { throw refusal }

    package func deleteCollection(
        _ type: ResourceType,
        namespace: String?,
        selection: ListOptions,
        options: DeleteOptions
    ) async throws { throw refusal }
}
