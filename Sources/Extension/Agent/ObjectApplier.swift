internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import MLTypes

/// Brings objects to the cluster with server-side apply and takes them away again.
struct ObjectApplier: Sendable {
    let api: any ResourceAPI
    let recorder: EventRecorder
    let logger: Logger

    private static let concurrency = 8

    struct Applied: Sendable {
        var reference: ObjectReference
        var generation: Int
        var wasChanged: Bool
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
        let live = try await api.find(rendered.type, namespace: object.namespace, name: object.name)
        if let live, live.annotations[MLLabels.unmanaged] == "true" {
            return Applied(reference: rendered.reference, generation: live.generation, wasChanged: false)
        }
        let result = try await api.apply(rendered.type, object, fieldManager: ExtensionRenderer.fieldManager)
        let wasChanged = live?.resourceVersion != result.resourceVersion
        if wasChanged, correctsDrift {
            logger.info(
                "object brought back to what the extension wants",
                metadata: ["kind": "\(rendered.type.kind)", "name": "\(object.key)"]
            )
            await recorder.record(
                .warning,
                reason: "DriftCorrected",
                live == nil
                    ? "the object was deleted; the extension made it again"
                    : "the object was changed by hand; the extension restored it (annotate it with \(MLLabels.unmanaged): \"true\" to keep changes)",
                about: result
            )
        }
        return Applied(reference: rendered.reference, generation: result.generation, wasChanged: wasChanged)
    }

    private func waitForDefinitions(_ names: [String]) async throws {
        for name in names {
            var isEstablished = false
            for _ in 0..<300 where !isEstablished {
                let definition = try await api.find(.customResourceDefinitions, name: name)
                isEstablished = definition?.isConditionTrue("Established") ?? false
                if !isEstablished { try await Task.sleep(for: .milliseconds(100)) }
            }
            guard isEstablished else {
                throw ExtensionError("CustomResourceDefinition \(name) was not established within 30 s")
            }
        }
    }

    /// Asks for deletion; true when the object is gone.
    func remove(_ reference: ObjectReference, requiresManagedLabel: Bool = true) async throws -> Bool {
        let live: KubeObject?
        do {
            live = try await api.find(reference.type, namespace: reference.key.namespace, name: reference.key.name)
        } catch let error as APIError where error.isNotFound {
            return true
        }
        guard let live else { return true }
        // Somebody took the object over: it is no longer ours to delete.
        if requiresManagedLabel, live.labels[ExtensionRenderer.managedByLabel] != ExtensionRenderer.fieldManager {
            return true
        }
        if live.annotations[MLLabels.unmanaged] == "true" { return true }
        if !live.isTerminating {
            try await api.deleteIfPresent(
                reference.type,
                reference.key,
                options: DeleteOptions(
                    propagation: reference.type == .deployments ? .foreground : .background,
                    preconditionUID: live.uid
                )
            )
        }
        return try await api.find(reference.type, namespace: reference.key.namespace, name: reference.key.name) == nil
    }
}

/// A failure of the extension's own, in one sentence.
struct ExtensionError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
