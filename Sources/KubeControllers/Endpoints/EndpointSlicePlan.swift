internal import KubeCore

/// The EndpointSlices of a Service: kept as they are where possible, so that a change of one pod touches one slice.
struct EndpointSlicePlan: Sendable, Equatable {
    static let serviceLabel = "kubernetes.io/service-name"
    static let managerLabel = "endpointslice.kubernetes.io/managed-by"
    static let manager = "endpointslice-controller.k8s.io"
    static let headlessLabel = "service.kubernetes.io/headless"
    /// Index of slices by `namespace/service`.
    static let serviceIndex = "service"
    static let maximumEndpoints = 100

    var create: [KubeObject] = []
    var update: [KubeObject] = []
    var delete: [KubeObject] = []

    /// - `existing`: slices of this Service that this controller manages.
    /// - `zones`: zone of each node, where known.
    init(service: KubeObject, backends: [ServiceBackend], existing: [KubeObject], zones: [String: String]) {
        var byPorts: [[JSON]: [JSON]] = [:]
        for backend in backends {
            byPorts[backend.ports, default: []].append(Self.endpoint(backend, service: service, zones: zones))
        }
        // A Service without pods still has one, empty slice: clients then know that it was looked at.
        if byPorts.isEmpty { byPorts[[]] = [] }
        let labels = Self.labels(of: service)
        var unused = existing.filter { !$0.isTerminating }
        for (ports, endpoints) in byPorts.sorted(by: { JSON.array($0.key).text < JSON.array($1.key).text }) {
            let mine = unused.filter { ($0["ports"]?.arrayValue ?? []) == ports }
            unused.removeAll { slice in mine.contains { $0.uid == slice.uid } }
            distribute(endpoints, ports, over: mine, service: service, labels: labels)
        }
        // Slices of other ports are rewritten instead of replaced.
        while let slice = unused.first {
            unused.removeFirst()
            if let fresh = create.first {
                create.removeFirst()
                var changed = slice
                changed["endpoints"] = fresh["endpoints"]
                changed["ports"] = fresh["ports"]
                changed.labels = labels
                update.append(changed)
            } else {
                delete.append(slice)
            }
        }
    }

    private mutating func distribute(
        _ endpoints: [JSON],
        _ ports: [JSON],
        over slices: [KubeObject],
        service: KubeObject,
        labels: [String: String]
    ) {
        func identity(_ endpoint: JSON) -> String { endpoint["targetRef"]?["uid"]?.stringValue ?? endpoint.text }
        var wanted: [String: JSON] = [:]
        var order: [String] = []
        for endpoint in endpoints {
            wanted[identity(endpoint)] = endpoint
            order.append(identity(endpoint))
        }
        var contents: [[JSON]] = slices.map { slice in
            (slice["endpoints"]?.arrayValue ?? []).compactMap { wanted.removeValue(forKey: identity($0)) }
        }
        var rest = order.compactMap { wanted[$0] }[...]
        for index in contents.indices {
            let room = Self.maximumEndpoints - contents[index].count
            contents[index] += rest.prefix(room)
            rest = rest.dropFirst(room)
        }
        for (slice, content) in zip(slices, contents) {
            if content.isEmpty, contents.contains(where: { !$0.isEmpty }) || !rest.isEmpty {
                delete.append(slice)
                continue
            }
            guard (slice["endpoints"]?.arrayValue ?? []) != content || slice.labels != labels else { continue }
            var changed = slice
            changed["endpoints"] = .array(content)
            changed.labels = labels
            update.append(changed)
        }
        while !rest.isEmpty || (slices.isEmpty && endpoints.isEmpty) {
            create.append(
                Self.slice(Array(rest.prefix(Self.maximumEndpoints)), ports, service: service, labels: labels)
            )
            rest = rest.dropFirst(Self.maximumEndpoints)
            if rest.isEmpty { break }
        }
    }

    private static func slice(
        _ endpoints: [JSON],
        _ ports: [JSON],
        service: KubeObject,
        labels: [String: String]
    ) -> KubeObject {
        var slice = KubeObject(["apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"])
        slice["metadata", "generateName"] = .string(PodTemplate.generateName(service.name))
        slice.namespace = service.namespace
        slice.labels = labels
        slice.ownerReferences = [service.controllerReference()]
        slice["addressType"] = .string(addressType(service))
        slice["endpoints"] = .array(endpoints)
        slice["ports"] = .array(ports)
        return slice
    }

    private static func addressType(_ service: KubeObject) -> String {
        let family = service["spec", "ipFamilies"]?.arrayValue?.first?.stringValue
        return family == "IPv6" ? "IPv6" : "IPv4"
    }

    static func labels(of service: KubeObject) -> [String: String] {
        var labels = service.labels
        labels[serviceLabel] = service.name
        labels[managerLabel] = manager
        labels[headlessLabel] = service["spec", "clusterIP"]?.stringValue == "None" ? "" : nil
        return labels
    }

    private static func endpoint(_ backend: ServiceBackend, service: KubeObject, zones: [String: String]) -> JSON {
        let conditions: JSON = [
            "ready": JSON(backend.isReady), "serving": JSON(backend.isServing),
            "terminating": JSON(backend.isTerminating),
        ]
        var members: [String: JSON] = [
            "addresses": .array([.string(backend.address)]), "conditions": conditions,
            "targetRef": backend.targetReference,
        ]
        members["hostname"] = backend.hostname(in: service).map(JSON.string)
        if let node = PodFacts(backend.pod).nodeName {
            members["nodeName"] = .string(node)
            members["zone"] = zones[node].map(JSON.string)
        }
        return .object(members)
    }
}
