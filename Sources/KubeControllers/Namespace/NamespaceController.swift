internal import KubeCore
internal import KubeRuntime

/// Empties namespaces that are being deleted, pods first, and then lets them go.
struct NamespaceController: Sendable {
    let context: ControllerContext
    let discover: @Sendable () async throws -> [ResourceType]

    func makeController() -> Controller {
        let controller = Controller(name: "namespace", workers: 4, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        controller.watch(informers.namespaces) { event in
            event.object.isTerminating ? [event.object.key] : []
        }
        // Pods take their time to stop: their end is the moment to look again.
        controller.watch(informers.pods) { event in
            guard case .deleted(let pod) = event else { return [] }
            let key = ObjectKey(name: pod.namespace ?? "")
            return informers.namespaces.get(key)?.isTerminating == true ? [key] : []
        }
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let live = try await context.api.find(.namespaces, name: key.name), live.isTerminating else {
            return .settled
        }
        guard live["spec", "finalizers"]?.stringArray?.contains("kubernetes") == true else { return .settled }
        let content = await empty(key.name)
        guard content.isEmpty else {
            try await writeStatus(content, live)
            return .recheck(after: content.failures.isEmpty ? .milliseconds(250) : .seconds(2))
        }
        if live["status", "conditions"]?.arrayValue?.isEmpty == false { try await writeStatus(content, live) }
        try await finalize(key.name)
        return .settled
    }

    private func writeStatus(_ content: NamespaceContent, _ namespace: KubeObject) async throws {
        try await context.writeStatus(.namespaces, of: namespace, content.status(of: namespace, now: context.timestamp))
    }

    private func finalize(_ name: String) async throws {
        guard var namespace = try await context.api.find(.namespaces, name: name), namespace.isTerminating else {
            return
        }
        let rest = (namespace["spec", "finalizers"]?.stringArray ?? []).filter { $0 != "kubernetes" }
        namespace["spec", "finalizers"] = JSON(rest)
        do {
            _ = try await context.api.update(
                .namespaces,
                namespace: nil,
                name: name,
                subresource: "finalize",
                object: namespace,
                options: WriteOptions()
            )
        } catch let error as APIError where error.isNotFound {
            return
        }
    }

    /// Deletes what is there; other kinds wait until the pods are gone, because pods may need them to stop well.
    private func empty(_ namespace: String) async -> NamespaceContent {
        var content = NamespaceContent()
        await remove(.pods, in: namespace, &content)
        guard content.isEmpty else { return content }
        let kinds: [ResourceType]
        do {
            kinds = try await discover()
        } catch {
            content.discoveryFailure = "\(error)"
            return content
        }
        var seen: Set<String> = ["pods"]
        for type in kinds where type.isNamespaced && seen.insert(type.groupResource).inserted {
            await remove(type, in: namespace, &content)
        }
        return content
    }

    private func remove(_ type: ResourceType, in namespace: String, _ content: inout NamespaceContent) async {
        do {
            let present = try await context.api.list(type, namespace: namespace, options: ListOptions(limit: 500))
            guard !present.items.isEmpty else { return }
            if present.items.contains(where: { !$0.isTerminating }) {
                try await context.api.deleteCollection(
                    type,
                    namespace: namespace,
                    selection: ListOptions(),
                    options: DeleteOptions(propagation: .background)
                )
            }
            let left = try await context.api.list(type, namespace: namespace, options: ListOptions(limit: 500))
            guard !left.items.isEmpty else { return }
            content.remaining[type.groupResource] = left.items.count + (left.remainingItemCount ?? 0)
            for object in left.items {
                for finalizer in object.finalizers { content.finalizers[finalizer, default: 0] += 1 }
            }
        } catch let error as APIError where error.isNotFound || error.code == 405 {
            // The kind went away meanwhile, or cannot be listed.
        } catch {
            content.failures.append("\(type.groupResource): \(error)")
        }
    }
}
