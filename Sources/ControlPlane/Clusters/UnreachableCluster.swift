internal import KubeCore

/// Stands for a registered cluster whose kubeconfig cannot be used any more: every call says so.
struct UnreachableCluster: ClusterAPI {
    var cluster: String

    private var refusal: APIError {
        APIError(
            code: 503,
            reason: .serviceUnavailable,
            message: "the stored kubeconfig of cluster '\(cluster)' cannot be used; register the cluster again"
        )
    }

    func get(_ type: ResourceType, namespace: String?, name: String, subresource: String?) async throws -> KubeObject {
        throw refusal
    }

    func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList { throw refusal }

    func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) async throws -> WatchStream {
        throw refusal
    }

    func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject { throw refusal }

    func update(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject { throw refusal }

    func patch(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject { throw refusal }

    func delete(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        options: DeleteOptions
    ) async throws -> KubeObject? { throw refusal }

    func deleteCollection(
        _ type: ResourceType,
        namespace: String?,
        selection: ListOptions,
        options: DeleteOptions
    ) async throws { throw refusal }

    func proxy(
        method: String,
        path: String,
        headers: [String: String],
        body: [UInt8]
    ) async throws -> (status: Int, body: AsyncThrowingStream<[UInt8], any Error>) { throw refusal }

    func close() async {}
}
