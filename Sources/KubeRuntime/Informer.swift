package import KubeCore
package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// A change that an informer saw.
package enum InformerEvent: Sendable {
    case added(KubeObject)
    case updated(old: KubeObject, new: KubeObject)
    case deleted(KubeObject)

    /// The object in its newest known state.
    package var object: KubeObject {
        switch self {
        case .added(let object), .updated(_, let object), .deleted(let object): object
        }
    }
}

/// Keeps a local copy of one resource by list and watch, and tells handlers of each change.
///
/// Lists again when the server says that the version is too old (410); reconnects with back-off on any other fault, so
/// `run()` returns only on cancellation or graceful shutdown. Objects that vanished between two lists are reported as deleted.
package final class Informer: Service {
    package let type: ResourceType
    package let store = ObjectStore()

    private let api: any ResourceAPI
    private let namespace: String?
    private let labelSelector: String?
    private let fieldSelector: String?
    private let logger: Logger
    private let handlers = Mutex<[@Sendable (InformerEvent) -> Void]>([])
    private let synced = SyncGate()

    package init(
        api: any ResourceAPI,
        type: ResourceType,
        namespace: String? = nil,
        labelSelector: String? = nil,
        fieldSelector: String? = nil,
        logger: Logger
    ) {
        self.api = api
        self.type = type
        self.namespace = namespace
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.logger = logger
    }

    /// Adds a handler; call before `run()`.
    ///
    /// Handlers are called one after the other and must not block.
    package func onEvent(_ handler: @escaping @Sendable (InformerEvent) -> Void) {
        handlers.withLock { $0.append(handler) }
    }

    package func addIndex(_ name: String, _ function: @escaping IndexFunction) { store.addIndex(name, function) }
    package func get(_ key: ObjectKey) -> KubeObject? { store.get(key) }
    package func list() -> [KubeObject] { store.list() }
    package func list(namespace: String) -> [KubeObject] { store.list(namespace: namespace) }
    package func list(index: String, value: String) -> [KubeObject] { store.list(index: index, value: value) }

    /// True after the first complete list.
    package var hasSynced: Bool { synced.isOpen }

    /// Returns after the first complete list; throws `CancellationError`.
    package func waitForSync() async throws { try await synced.wait() }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(10))
            while !Task.isCancelled {
                do {
                    let version = try await self.relist()
                    try await self.watch(from: version, backoff: &backoff)
                } catch {
                    // Also a CancellationError is a fault like others unless this task is the cancelled one.
                    if Task.isCancelled { return }
                    self.note(error)
                    guard await sleepUnlessCancelled(backoff.next()) else { return }
                }
            }
        }
    }

    private func note(_ error: any Error) {
        let isRefused = (error as? APIError).map { [401, 403].contains($0.code) } ?? false
        logger.log(
            level: isRefused ? .warning : .debug,
            "list or watch failed",
            metadata: ["resource": "\(type)", "error": "\(error)"]
        )
    }

    private func relist() async throws -> String {
        var present: Set<ObjectKey> = []
        var token: String?
        var version = "0"
        repeat {
            let page = try await api.list(
                type,
                namespace: namespace,
                options: ListOptions(
                    labelSelector: labelSelector,
                    fieldSelector: fieldSelector,
                    limit: 500,
                    continueToken: token
                )
            )
            for object in page.items {
                present.insert(object.key)
                upsert(object)
            }
            token = page.continueToken
            version = page.resourceVersion
        } while token != nil
        for key in store.keys.subtracting(present) { remove(key) }
        synced.open()
        return version
    }

    /// Watches until an error; a watch that the server closed is opened again from the last seen version.
    private func watch(from start: String, backoff: inout Backoff) async throws {
        var version = start
        while !Task.isCancelled {
            let events = try await api.watch(
                type,
                namespace: namespace,
                options: WatchOptions(
                    labelSelector: labelSelector,
                    fieldSelector: fieldSelector,
                    resourceVersion: version,
                    timeoutSeconds: Int.random(in: 300...600)
                )
            )
            var sawEvent = false
            let opened = ContinuousClock.now
            for try await event in events {
                sawEvent = true
                backoff.reset()
                switch event {
                case .added(let object), .modified(let object):
                    upsert(object)
                    version = object.resourceVersion ?? version
                case .deleted(let object):
                    remove(object.key, last: object)
                    version = object.resourceVersion ?? version
                case .bookmark(let object):
                    version = object.resourceVersion ?? version
                }
            }
            // A server that closes at once would otherwise be asked in a tight loop.
            if ContinuousClock.now - opened > .seconds(10) {
                backoff.reset()
            } else if !sawEvent, !Task.isCancelled {
                guard await sleepUnlessCancelled(backoff.next()) else { return }
            }
        }
        try Task.checkCancellation()
    }

    private func upsert(_ object: KubeObject) {
        let old = store.set(object)
        guard let old else { return notify(.added(object)) }
        if old.resourceVersion != object.resourceVersion || old.json != object.json {
            notify(.updated(old: old, new: object))
        }
    }

    private func remove(_ key: ObjectKey, last: KubeObject? = nil) {
        guard let old = store.remove(key) else { return }
        notify(.deleted(last ?? old))
    }

    private func notify(_ event: InformerEvent) {
        for handler in handlers.withLock({ $0 }) { handler(event) }
    }
}
