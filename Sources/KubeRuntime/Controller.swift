package import KubeCore
package import Logging
internal import ServiceLifecycle

/// How a reconcile ended when it did not throw.
package enum ReconcileOutcome: Sendable, Equatable {
    /// The object is as wanted; the next change brings it back.
    case settled
    /// Look again after this time, also when nothing changed.
    case recheck(after: Duration)
}

/// An error that retrying cannot mend; the reconciler has recorded it as a condition or event already.
package struct TerminalError: Error, CustomStringConvertible {
    package let underlying: any Error
    package init(_ underlying: any Error) { self.underlying = underlying }
    package var description: String { "\(underlying)" }
}

/// Runs a reconcile function for the keys that informers name, never twice at once for one key.
///
/// A thrown error is retried with growing delay (5 ms to 60 s) unless it is a `TerminalError`.
package final class Controller: Service {
    package let name: String
    package let queue = WorkQueue()

    private let workers: Int
    private let logger: Logger
    private let reconcile: @Sendable (ObjectKey) async throws -> ReconcileOutcome

    package init(
        name: String,
        workers: Int = 2,
        logger: Logger,
        reconcile: @escaping @Sendable (ObjectKey) async throws -> ReconcileOutcome
    ) {
        self.name = name
        self.workers = workers
        var logger = logger
        logger[metadataKey: "controller"] = "\(name)"
        self.logger = logger
        self.reconcile = reconcile
    }

    /// Enqueues the object itself on each of its changes.
    package func watch(_ informer: Informer) {
        watch(informer) { [$0.object.key] }
    }

    /// Enqueues the keys that `keys` names on each change.
    package func watch(_ informer: Informer, keys: @escaping @Sendable (InformerEvent) -> [ObjectKey]) {
        let queue = self.queue
        informer.onEvent { event in
            for key in keys(event) { queue.add(key) }
        }
    }

    /// Enqueues the controlling owner of kind `ownerKind` on each change of an object it owns, also a former owner.
    package func watch(_ informer: Informer, ownedBy ownerKind: String) {
        watch(informer) { event in
            var keys: Set<ObjectKey> = []
            func insert(_ object: KubeObject) {
                guard let owner = object.controllerReference, owner.kind == ownerKind else { return }
                keys.insert(ObjectKey(namespace: object.namespace, name: owner.name))
            }
            if case .updated(let old, _) = event { insert(old) }
            insert(event.object)
            return Array(keys)
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.queue.runTimer() }
                for _ in 0..<self.workers {
                    group.addTask { await self.work() }
                }
            }
        }
        queue.shutDown()
    }

    private func work() async {
        while let key = await queue.next() {
            await process(key)
            queue.done(key)
        }
    }

    private func process(_ key: ObjectKey) async {
        do {
            switch try await reconcile(key) {
            case .settled: queue.forget(key)
            case .recheck(let delay):
                queue.forget(key)
                queue.add(key, after: delay)
            }
        } catch let error as CancellationError {
            // Not our end but that of a request: the key must not be lost.
            if !Task.isCancelled { logger.debug("reconcile interrupted", metadata: ["error": "\(error)"]) }
            queue.retry(key)
        } catch let error as TerminalError {
            queue.forget(key)
            logger.warning("reconcile failed for good", metadata: ["key": "\(key)", "error": "\(error)"])
        } catch let error as APIError where error.isConflict {
            // Somebody else wrote in between: look again with the newer object.
            queue.retry(key)
        } catch {
            logger.warning("reconcile failed", metadata: ["key": "\(key)", "error": "\(error)"])
            queue.retry(key)
        }
    }
}
