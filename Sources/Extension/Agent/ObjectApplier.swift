internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import MLTypes

/// Brings objects to the cluster with server-side apply and takes them away again.
///
/// What fails is thrown as `ClusterRequestError`, which says what was tried.
struct ObjectApplier: Sendable {
    let api: any ResourceAPI
    let recorder: EventRecorder
    let logger: Logger

    private static let concurrency = 8

    struct Applied: Sendable {
        var reference: ObjectReference
        var version: ObjectVersion
        var wasChanged: Bool
        /// Somebody asked that the extension keeps its hands off.
        var isUnmanaged = false
    }

    /// Applies in the given order; neighbours of one kind at the same time.
    ///
    /// `correctsDrift`: the same objects were applied before, so that a change means that somebody else had changed them.
    func apply(_ objects: [RenderedObject], correctsDrift: Bool) async throws -> [Applied] {
        var applied: [Applied] = []
        var rest = objects[...]
        while let type = rest.first?.type {
            let group = rest.prefix { $0.type == type }
            rest = rest.dropFirst(group.count)
            applied += try await applyGroup(Array(group), correctsDrift: correctsDrift)
            if type == .customResourceDefinitions { try await waitForDefinitions(group.map(\.object.name)) }
        }
        return applied
    }

    private func applyGroup(_ objects: [RenderedObject], correctsDrift: Bool) async throws -> [Applied] {
        try await withThrowingTaskGroup(of: Applied.self) { group in
            var results: [Applied] = []
            for (index, object) in objects.enumerated() {
                if index >= Self.concurrency, let result = try await group.next() { results.append(result) }
                group.addTask { try await self.apply(object, correctsDrift: correctsDrift) }
            }
            for try await result in group { results.append(result) }
            return results
        }
    }

    private func apply(_ rendered: RenderedObject, correctsDrift: Bool) async throws -> Applied {
        let object = rendered.object
        let live = try await attempt("get", rendered.reference) {
            try await api.find(rendered.type, namespace: object.namespace, name: object.name)
        }
        if let live, live.annotations[MLLabels.unmanaged] == "true" {
            return Applied(
                reference: rendered.reference,
                version: ObjectVersion(live),
                wasChanged: false,
                isUnmanaged: true
            )
        }
        let result = try await attempt(live == nil ? "create" : "patch", rendered.reference) {
            try await api.apply(rendered.type, object, fieldManager: ExtensionRenderer.fieldManager)
        }
        let wasChanged = live?.resourceVersion != result.resourceVersion
        if wasChanged, correctsDrift { await tellDrift(rendered, live, result) }
        return Applied(reference: rendered.reference, version: ObjectVersion(result), wasChanged: wasChanged)
    }

    private func tellDrift(_ rendered: RenderedObject, _ live: KubeObject?, _ result: KubeObject) async {
        let text: String
        if let live {
            guard let drift = Drift(found: live, restored: result) else { return }
            text =
                drift.summary
                + "; the extension restored it (annotate it with \(MLLabels.unmanaged): \"true\" to keep changes)"
        } else {
            text = "the object was deleted; the extension made it again"
        }
        logger.info(
            "object brought back to what the extension wants",
            metadata: [
                "kind": "\(rendered.type.kind)", "name": "\(rendered.object.key)", "change": "\(text)",
            ]
        )
        await recorder.record(.warning, reason: "DriftCorrected", text, about: result)
    }

    private func waitForDefinitions(_ names: [String]) async throws {
        for name in names {
            let reference = ObjectReference(type: .customResourceDefinitions, key: ObjectKey(name: name))
            var isEstablished = false
            for _ in 0..<300 where !isEstablished {
                let definition = try await attempt("get", reference) {
                    try await api.find(.customResourceDefinitions, name: name)
                }
                isEstablished = definition?.isConditionTrue("Established") ?? false
                if !isEstablished { try await Task.sleep(for: .milliseconds(100)) }
            }
            guard isEstablished else {
                throw ExtensionError("CustomResourceDefinition \(name) was not established within 30 s")
            }
        }
    }

    /// Asks for deletion; true when the object is gone, or is not ours to delete.
    ///
    /// `strips`: takes finalizers off what is being deleted and does not end.
    func remove(
        _ reference: ObjectReference,
        requiresManagedLabel: Bool = true,
        strips: Bool = false
    ) async throws -> Bool {
        let (type, key) = (reference.type, reference.key)
        let live = try await attempt("get", reference) {
            try await api.find(type, namespace: key.namespace, name: key.name)
        }
        guard let live else { return true }
        // Somebody took the object over: it is no longer ours to delete.
        if requiresManagedLabel, live.labels[ExtensionRenderer.managedByLabel] != ExtensionRenderer.fieldManager {
            return true
        }
        if live.annotations[MLLabels.unmanaged] == "true" { return true }
        if !live.isTerminating {
            let holdsPods = ClusterWatch.workloadTypes.contains(type)
            try await attempt("delete", reference) {
                _ = try await api.deleteIfPresent(
                    type,
                    key,
                    options: DeleteOptions(
                        propagation: holdsPods && !strips ? .foreground : .background,
                        preconditionUID: live.uid
                    )
                )
            }
        } else if strips, !live.finalizers.isEmpty {
            logger.warning(
                "finalizers taken off, as the removal is forced",
                metadata: ["object": "\(reference)", "finalizers": "\(live.finalizers)"]
            )
            try await attempt("patch", reference) {
                do {
                    try await api.patch(type, key, .merge(["metadata": ["finalizers": .null]]))
                } catch let error as APIError where error.isNotFound {}
            }
        }
        return try await attempt("get", reference) {
            try await api.find(type, namespace: key.namespace, name: key.name) == nil
        }
    }

    /// Names what was tried in the error.
    func attempt<T>(_ verb: String, _ reference: ObjectReference, _ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let error as CancellationError {
            throw error
        } catch {
            throw ClusterRequestError(
                permission: Permission(verb, reference.type, namespace: reference.key.namespace),
                subject: "\(reference)",
                underlying: error
            )
        }
    }
}

/// A failure of the extension's own, in one sentence.
struct ExtensionError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
