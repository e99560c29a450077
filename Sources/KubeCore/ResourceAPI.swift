/// A page of objects and the version at which it was read.
package struct KubeList: Sendable {
    package var items: [KubeObject]
    package var resourceVersion: String
    /// Token for the next page; nil at the end.
    package var continueToken: String?
    package var remainingItemCount: Int?

    package init(
        items: [KubeObject],
        resourceVersion: String,
        continueToken: String? = nil,
        remainingItemCount: Int? = nil
    ) {
        self.items = items
        self.resourceVersion = resourceVersion
        self.continueToken = continueToken
        self.remainingItemCount = remainingItemCount
    }
}

package struct ListOptions: Sendable, Hashable {
    /// Text form, as in the query (`a=b,c in (d,e)`); nil selects all.
    package var labelSelector: String?
    package var fieldSelector: String?
    package var limit: Int?
    package var continueToken: String?
    /// nil = most recent, `"0"` = any.
    package var resourceVersion: String?
    package var resourceVersionMatch: String?

    package init(
        labelSelector: String? = nil,
        fieldSelector: String? = nil,
        limit: Int? = nil,
        continueToken: String? = nil,
        resourceVersion: String? = nil,
        resourceVersionMatch: String? = nil
    ) {
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.limit = limit
        self.continueToken = continueToken
        self.resourceVersion = resourceVersion
        self.resourceVersionMatch = resourceVersionMatch
    }
}

package struct WatchOptions: Sendable, Hashable {
    package var labelSelector: String?
    package var fieldSelector: String?
    /// Changes after this version; nil or `"0"` starts with the present objects as `ADDED`.
    package var resourceVersion: String?
    package var allowBookmarks: Bool
    package var timeoutSeconds: Int?
    /// WatchList: present objects first, closed by a bookmark that carries `k8s.io/initial-events-end`.
    package var sendInitialEvents: Bool?
    package var resourceVersionMatch: String?

    package init(
        labelSelector: String? = nil,
        fieldSelector: String? = nil,
        resourceVersion: String? = nil,
        allowBookmarks: Bool = true,
        timeoutSeconds: Int? = nil,
        sendInitialEvents: Bool? = nil,
        resourceVersionMatch: String? = nil
    ) {
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.resourceVersion = resourceVersion
        self.allowBookmarks = allowBookmarks
        self.timeoutSeconds = timeoutSeconds
        self.sendInitialEvents = sendInitialEvents
        self.resourceVersionMatch = resourceVersionMatch
    }
}

package enum WatchEvent: Sendable, Hashable {
    case added(KubeObject)
    case modified(KubeObject)
    case deleted(KubeObject)
    /// Only apiVersion, kind and resourceVersion (and the initial-events-end annotation) are set.
    case bookmark(KubeObject)
}

/// Changes in order.
///
/// Ends when the server closes the watch; throws `APIError` (410 when the version is too old). Ending the iteration,
/// or cancelling its task, closes the watch.
package typealias WatchStream = AsyncThrowingStream<WatchEvent, any Error>

package struct WriteOptions: Sendable, Hashable {
    package var fieldManager: String?
    package var dryRun: Bool
    /// `Strict`, `Warn` or `Ignore`; nil = the server's default.
    package var fieldValidation: String?
    /// Only for apply: take fields from other managers.
    package var force: Bool

    package init(
        fieldManager: String? = nil,
        dryRun: Bool = false,
        fieldValidation: String? = nil,
        force: Bool = false
    ) {
        self.fieldManager = fieldManager
        self.dryRun = dryRun
        self.fieldValidation = fieldValidation
        self.force = force
    }
}

package struct DeleteOptions: Sendable, Hashable {
    package enum Propagation: String, Sendable {
        case orphan = "Orphan"
        case background = "Background"
        case foreground = "Foreground"
    }

    /// nil = the kind's default; 0 = at once.
    package var gracePeriodSeconds: Int?
    package var propagation: Propagation?
    package var preconditionUID: String?
    package var preconditionResourceVersion: String?
    package var dryRun: Bool

    package init(
        gracePeriodSeconds: Int? = nil,
        propagation: Propagation? = nil,
        preconditionUID: String? = nil,
        preconditionResourceVersion: String? = nil,
        dryRun: Bool = false
    ) {
        self.gracePeriodSeconds = gracePeriodSeconds
        self.propagation = propagation
        self.preconditionUID = preconditionUID
        self.preconditionResourceVersion = preconditionResourceVersion
        self.dryRun = dryRun
    }
}

package enum Patch: Sendable, Hashable {
    /// RFC 6902; an array of operations.
    case json(JSON)
    /// RFC 7386.
    case merge(JSON)
    case strategic(JSON)
    /// Server-side apply; `WriteOptions.fieldManager` is required.
    case apply(JSON)
}

/// The Kubernetes API as every part of the system uses it: over HTTP on a real cluster, in process on the embedded one.
///
/// All operations throw `APIError` for an answer of the server and other errors for a transport that failed (those are worth
/// retrying). `namespace` is nil for cluster-scoped kinds, and in `list`/`watch` also for all namespaces.
package protocol ResourceAPI: Sendable {
    func get(_ type: ResourceType, namespace: String?, name: String, subresource: String?) async throws -> KubeObject
    func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList
    func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) async throws -> WatchStream
    /// `subresource` with `name`: `pods/binding`, `serviceaccounts/token`, …
    func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject
    func update(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject
    func patch(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject
    /// The object in its last or terminating state, or nil when the server answered only success.
    @discardableResult
    func delete(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        options: DeleteOptions
    ) async throws -> KubeObject?
    func deleteCollection(
        _ type: ResourceType,
        namespace: String?,
        selection: ListOptions,
        options: DeleteOptions
    ) async throws
}

extension ResourceAPI {
    package func get(_ type: ResourceType, namespace: String? = nil, name: String) async throws -> KubeObject {
        try await get(type, namespace: namespace, name: name, subresource: nil)
    }

    /// nil instead of a 404.
    package func find(_ type: ResourceType, namespace: String? = nil, name: String) async throws -> KubeObject? {
        do {
            return try await get(type, namespace: namespace, name: name, subresource: nil)
        } catch let error as APIError where error.isNotFound {
            return nil
        }
    }

    package func list(_ type: ResourceType, namespace: String? = nil) async throws -> KubeList {
        try await list(type, namespace: namespace, options: ListOptions())
    }

    @discardableResult
    package func create(
        _ type: ResourceType,
        _ object: KubeObject,
        options: WriteOptions = WriteOptions()
    ) async throws -> KubeObject {
        try await create(
            type,
            namespace: object.namespace,
            name: nil,
            subresource: nil,
            object: object,
            options: options
        )
    }

    @discardableResult
    package func update(
        _ type: ResourceType,
        _ object: KubeObject,
        options: WriteOptions = WriteOptions()
    ) async throws -> KubeObject {
        try await update(
            type,
            namespace: object.namespace,
            name: object.name,
            subresource: nil,
            object: object,
            options: options
        )
    }

    /// Writes `status`; the other fields are ignored by the server.
    @discardableResult
    package func updateStatus(_ type: ResourceType, _ object: KubeObject) async throws -> KubeObject {
        try await update(
            type,
            namespace: object.namespace,
            name: object.name,
            subresource: "status",
            object: object,
            options: WriteOptions()
        )
    }

    @discardableResult
    package func patch(
        _ type: ResourceType,
        _ key: ObjectKey,
        subresource: String? = nil,
        _ patch: Patch,
        options: WriteOptions = WriteOptions()
    ) async throws -> KubeObject {
        try await self.patch(
            type,
            namespace: key.namespace,
            name: key.name,
            subresource: subresource,
            patch: patch,
            options: options
        )
    }

    /// Server-side apply of `object`, taking conflicting fields.
    @discardableResult
    package func apply(
        _ type: ResourceType,
        _ object: KubeObject,
        fieldManager: String,
        subresource: String? = nil
    ) async throws -> KubeObject {
        try await patch(
            type,
            namespace: object.namespace,
            name: object.name,
            subresource: subresource,
            patch: .apply(object.json),
            options: WriteOptions(fieldManager: fieldManager, force: true)
        )
    }

    /// Deletes if it is there; true when it was.
    @discardableResult
    package func deleteIfPresent(
        _ type: ResourceType,
        _ key: ObjectKey,
        options: DeleteOptions = DeleteOptions()
    ) async throws -> Bool {
        do {
            try await delete(type, namespace: key.namespace, name: key.name, options: options)
            return true
        } catch let error as APIError where error.isNotFound {
            return false
        }
    }
}
