internal import KubeCore
internal import KubeRuntime

/// Keeps EndpointSlices and Endpoints of Services with a selector in step with their pods.
struct EndpointsController: Sendable {
    let context: ControllerContext
    let expectations = Expectations()

    func makeController() -> Controller {
        let controller = Controller(name: "endpoints", workers: 4, logger: context.logger, reconcile: reconcile)
        let informers = context.informers
        controller.watch(informers.services)
        controller.watch(informers.pods) { event in
            var keys = Self.services(of: event.object, in: informers)
            if case .updated(let old, let new) = event {
                guard Self.isRelevant(old, new) else { return [] }
                if old.labels != new.labels { keys += Self.services(of: old, in: informers) }
            }
            return keys
        }
        controller.watch(informers.endpointSlices) { event in
            guard event.object.labels[EndpointSlicePlan.managerLabel] == EndpointSlicePlan.manager,
                let service = event.object.labels[EndpointSlicePlan.serviceLabel]
            else { return [] }
            return [ObjectKey(namespace: event.object.namespace, name: service)]
        }
        controller.watch(informers.endpoints) { event in
            guard case .deleted(let object) = event else { return [] }
            return [object.key]
        }
        // A pod of a node that is not known yet is left out; the node's arrival brings it in.
        controller.watch(informers.nodes) { event in
            if case .updated = event { return [] }
            let pods = informers.pods.list(index: SharedInformers.nodeIndex, value: event.object.name)
            return pods.flatMap { Self.services(of: $0, in: informers) }
        }
        return controller
    }

    private static func services(of pod: KubeObject, in informers: SharedInformers) -> [ObjectKey] {
        let labels = pod.labels
        guard !labels.isEmpty else { return [] }
        return informers.services.indexed(namespace: pod.namespace).filter { service in
            guard let selector = service["spec", "selector"]?.stringMap, !selector.isEmpty else { return false }
            return selector.allSatisfy { labels[$0.key] == $0.value }
        }.map(\.key)
    }

    /// Most updates of a pod (a container's state, a heartbeat) change nothing here.
    private static func isRelevant(_ old: KubeObject, _ new: KubeObject) -> Bool {
        let before = PodFacts(old)
        let after = PodFacts(new)
        return before.podIP != after.podIP || before.isReady != after.isReady || before.phase != after.phase
            || before.isTerminating != after.isTerminating || before.nodeName != after.nodeName
            || old.labels != new.labels || old["spec", "hostname"] != new["spec", "hostname"]
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let informers = context.informers
        guard let service = informers.services.get(key), !service.isTerminating else {
            expectations.forget(key)
            return try await removeEndpoints(key)
        }
        let selector = service["spec", "selector"]?.stringMap ?? [:]
        guard !selector.isEmpty, service["spec", "type"]?.stringValue != "ExternalName" else { return .settled }
        guard expectations.areMet(for: key, in: informers.endpointSlices.store) else {
            return .recheck(after: .milliseconds(200))
        }
        let nodes = informers.nodes.list()
        var zones: [String: String] = [:]
        for node in nodes { zones[node.name] = node.labels["topology.kubernetes.io/zone"] }
        let backends = ServiceBackend.all(
            of: service,
            pods: informers.pods.indexed(namespace: key.namespace),
            nodes: Set(nodes.map(\.name))
        )
        do {
            try await writeSlices(service, backends: backends, zones: zones)
            try await writeEndpoints(service, backends: backends)
        } catch let error as APIError where error.isNamespaceTerminating {
            return .settled
        }
        return .settled
    }

    private func writeSlices(_ service: KubeObject, backends: [ServiceBackend], zones: [String: String]) async throws {
        let all = context.informers.endpointSlices.list(
            index: EndpointSlicePlan.serviceIndex,
            value: "\(service.namespace ?? "")/\(service.name)"
        )
        let existing = all.filter { $0.labels[EndpointSlicePlan.managerLabel] == EndpointSlicePlan.manager }
            .sorted { $0.name < $1.name }
        let plan = EndpointSlicePlan(service: service, backends: backends, existing: existing, zones: zones)
        for slice in plan.create {
            let created = try await context.api.create(.endpointSlices, slice)
            expectations.expectCreation(of: created, by: service.key)
        }
        for slice in plan.update { try await context.api.update(.endpointSlices, slice) }
        for slice in plan.delete {
            expectations.expectDeletion(of: slice, by: service.key)
            try await context.api.deleteIfPresent(.endpointSlices, slice.key)
        }
    }

    private func writeEndpoints(_ service: KubeObject, backends: [ServiceBackend]) async throws {
        let subsets = EndpointsPlan.subsets(of: service, backends: backends)
        let labels = EndpointsPlan.labels(of: service)
        guard let present = context.informers.endpoints.get(service.key) else {
            let object = KubeObject(
                .endpoints,
                namespace: service.namespace,
                name: service.name,
                labels: labels,
                body: ["subsets": subsets]
            )
            do {
                try await context.api.create(.endpoints, object)
            } catch let error as APIError where error.isAlreadyExists {
                throw APIError.conflict(.endpoints, service.name, "it was created meanwhile")
            }
            return
        }
        let isSame = present["subsets"]?.arrayValue ?? [] == subsets.arrayValue ?? []
        guard !isSame || present.labels != labels else { return }
        var changed = present
        changed["subsets"] = subsets
        changed.labels = labels
        try await context.api.update(.endpoints, changed)
    }

    /// Endpoints have no owner reference: they go with their Service by name.
    private func removeEndpoints(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let present = context.informers.endpoints.get(key), present.labels[EndpointsPlan.managerLabel] != nil
        else {
            return .settled
        }
        try await context.api.deleteIfPresent(.endpoints, key)
        return .settled
    }
}
