internal import Dispatch
internal import KubeCore
internal import KubeStore
internal import Logging

extension Registry {
    /// Makes what every cluster has: the namespaces, the system priority classes and, when the server's address is given,
    /// the `kubernetes` service with its endpoints. Idempotent.
    package func bootstrap(endpointAddress: String? = nil, endpointPort: Int = 443) async throws {
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            try await ensure(.namespaces, KubeObject(.namespaces, name: name))
        }
        for (name, value) in [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)] {
            let about = "Used for system critical pods that must not be moved from their current node."
            try await ensure(
                .priorityClasses,
                KubeObject(
                    .priorityClasses, name: name, body: ["value": JSON(value), "description": .string(about)]))
        }
        guard let endpointAddress else { return }
        let labels = ["component": "apiserver", "provider": "kubernetes"]
        let port: JSON = ["name": "https", "port": 443, "protocol": "TCP", "targetPort": JSON(endpointPort)]
        try await ensure(
            .services,
            KubeObject(
                .services, namespace: "default", name: "kubernetes", labels: labels,
                body: ["spec": ["clusterIP": .string(services.firstAddress), "ports": [port]]]))
        try await publish(endpointAddress, endpointPort)
    }

    private func publish(_ address: String, _ port: Int) async throws {
        let ports: JSON = [["name": "https", "port": JSON(port), "protocol": "TCP"]]
        if table.find(.endpoints) != nil {
            let subset: JSON = ["addresses": [["ip": .string(address)]], "ports": ports]
            try await put(
                .endpoints,
                KubeObject(
                    .endpoints, namespace: "default", name: "kubernetes",
                    labels: ["endpointslice.kubernetes.io/skip-mirror": "true"], body: ["subsets": [subset]]))
        }
        if table.find(.endpointSlices) != nil {
            let endpoint: JSON = ["addresses": [.string(address)], "conditions": ["ready": true]]
            try await put(
                .endpointSlices,
                KubeObject(
                    .endpointSlices, namespace: "default", name: "kubernetes",
                    labels: ["kubernetes.io/service-name": "kubernetes"],
                    body: ["addressType": "IPv4", "endpoints": [endpoint], "ports": ports]))
        }
    }

    private func ensure(_ type: ResourceType, _ object: KubeObject) async throws {
        guard table.find(type) != nil, try await find(type, namespace: object.namespace, name: object.name) == nil else {
            return
        }
        do {
            try await create(type, object)
        } catch let error as APIError where error.isAlreadyExists {}
    }

    private func put(_ type: ResourceType, _ object: KubeObject) async throws {
        do {
            try await create(type, object)
        } catch let error as APIError where error.isAlreadyExists {
            try await update(type, object)
        }
    }

    /// What the registry does by itself: ends deleted definitions and old Events. Returns when the store is closed or the
    /// task is cancelled.
    package func run() async {
        let cursor = store.cursor(Registry.definitionStorage, after: store.revision)
        var nextExpiry = DispatchTime.now().uptimeNanoseconds + 60_000_000_000
        while true {
            var isWaiting = false
            for definition in store.list(Registry.definitionStorage).objects where definition.isTerminating {
                await cleanUp(definition: definition.name)
                isWaiting = true
            }
            let now = DispatchTime.now().uptimeNanoseconds
            if now >= nextExpiry {
                await expireEvents()
                nextExpiry = now + 60_000_000_000
            }
            let deadline = isWaiting ? min(nextExpiry, now + 1_000_000_000) : nextExpiry
            do throws(StoreError) {
                if case .closed = try await cursor.next(deadline: deadline) { return }
            } catch {
                // Only after a flood of definitions; the list above is read again anyway.
                cursor.move(to: store.revision)
            }
        }
    }

    private func expireEvents() async {
        guard let resource = table.find(.events) else { return }
        let limit = configuration.clock() - Double(configuration.eventSeconds)
        for stored in store.list(resource.storage).objects {
            let event = stored.object
            let texts = [
                event["lastTimestamp"], event["series", "lastObservedTime"], event["eventTime"],
                event["metadata", "creationTimestamp"],
            ].compactMap { $0?.stringValue }
            guard let last = texts.compactMap(Timestamp.seconds).max(), last < limit else { continue }
            do {
                _ = try await remove(resource, stored.namespace, stored.name, DeleteOptions())
            } catch let error as APIError where error.isNotFound {
            } catch {
                configuration.logger.warning("expiring events failed", metadata: ["error": "\(error)"])
                return
            }
        }
    }
}
