internal import KubeCore
internal import Logging
internal import NIOCore

/// Makes what every cluster has from the start, and repairs it at each start.
struct Bootstrap: Sendable {
    let api: any ResourceAPI
    let configuration: KubeServerConfiguration
    let logger: Logger

    static let namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"]

    /// Namespaces and roles: before the first request is taken.
    func prepare() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in Self.namespaces {
                group.addTask { try await ensure(.namespaces, KubeObject(.namespaces, name: name)) }
            }
            for entry in BootstrapRoles.entries {
                group.addTask { try await reconcile(entry) }
            }
            for (name, value) in [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)] {
                group.addTask { try await ensure(.priorityClasses, Self.priorityClass(name, value)) }
            }
            try await group.waitForAll()
        }
        for (type, object) in BootstrapRoles.nodeLeases { try await ensure(type, object) }
        try await publishAuthority()
    }

    /// The Service `default/kubernetes` and its endpoints.
    func publish(_ advertised: KubeServerConfiguration.Address?) async throws {
        try await ensure(.services, try service())
        guard let advertised else { return }
        try await ensureEndpoints(advertised)
    }

    private func ensure(_ type: ResourceType, _ object: KubeObject) async throws {
        if try await api.find(type, namespace: object.namespace, name: object.name) != nil { return }
        do {
            try await api.create(type, object)
        } catch let error as APIError where error.isAlreadyExists {
            return
        }
    }

    private static func priorityClass(_ name: String, _ value: Int) -> KubeObject {
        let use = name.hasSuffix("node-critical") ? "critical to the node they run on" : "critical to the cluster"
        let description = "Used for system pods that are \(use)"
        return KubeObject(
            .priorityClasses,
            name: name,
            body: ["value": JSON(value), "description": .string(description)]
        )
    }

    /// Adds what is missing from a default role and its binding, unless `autoupdate` was turned off.
    private func reconcile(_ entry: BootstrapRoles.Entry) async throws {
        try await reconcile(.clusterRoles, entry.role, lists: entry.aggregates == nil ? ["rules"] : [])
        if let binding = entry.binding { try await reconcile(.clusterRoleBindings, binding, lists: ["subjects"]) }
    }

    private func reconcile(_ type: ResourceType, _ wanted: KubeObject, lists: [String]) async throws {
        guard var live = try await api.find(type, name: wanted.name) else { return try await ensure(type, wanted) }
        guard live.annotations["rbac.authorization.kubernetes.io/autoupdate"] == "true" else { return }
        let before = live
        for list in lists {
            var elements = live[list]?.arrayValue ?? []
            for element in wanted[list]?.arrayValue ?? [] where !elements.contains(element) { elements.append(element) }
            live[list] = .array(elements)
        }
        live.labels.merge(wanted.labels) { _, new in new }
        if live != before { try await api.update(type, live) }
    }

    /// `kube-public`'s and `kube-system`'s copies of the authority, as clients and extension servers look for them.
    private func publishAuthority() async throws {
        let name = "extension-apiserver-authentication"
        let authority = configuration.clientAuthorityPEM
        if var live = try await api.find(.configMaps, namespace: "kube-system", name: name) {
            guard live["data", "client-ca-file"]?.stringValue != authority else { return }
            live["data", "client-ca-file"] = .string(authority)
            try await api.update(.configMaps, live)
        } else {
            try await ensure(
                .configMaps,
                KubeObject(
                    .configMaps,
                    namespace: "kube-system",
                    name: name,
                    body: ["data": ["client-ca-file": .string(authority)]]
                )
            )
        }
    }

    private func service() throws -> KubeObject {
        var spec: [String: JSON] = [
            "type": "ClusterIP", "sessionAffinity": "None", "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"],
            "ports": [
                [
                    "name": "https", "protocol": "TCP", "port": 443,
                    "targetPort": JSON(configuration.advertised?.port ?? 6443),
                ]
            ],
        ]
        if let address = try? Self.firstServiceAddress(configuration.serviceRange) {
            spec["clusterIP"] = .string(address)
            spec["clusterIPs"] = [.string(address)]
        }
        return KubeObject(
            .services,
            namespace: "default",
            name: "kubernetes",
            labels: ["component": "apiserver", "provider": "kubernetes"],
            body: ["spec": .object(spec)]
        )
    }

    /// The first usable address of a CIDR: the Service `kubernetes` has it.
    static func firstServiceAddress(_ range: String) throws(APIError) -> String {
        let parts = range.split(separator: "/")
        let numbers = (parts.first ?? "").split(separator: ".").compactMap { UInt32($0) }
        guard parts.count == 2, numbers.count == 4, numbers.allSatisfy({ $0 < 256 }), let length = UInt32(parts[1]),
            length < 31
        else { throw .badRequest("service range \"\(range)\" is not an IPv4 CIDR") }
        let base = numbers.reduce(0) { $0 << 8 | $1 }
        let mask: UInt32 = length == 0 ? 0 : ~0 << (32 - length)
        let first = (base & mask) + 1
        return "\(first >> 24).\(first >> 16 & 255).\(first >> 8 & 255).\(first & 255)"
    }

    private func ensureEndpoints(_ advertised: KubeServerConfiguration.Address) async throws {
        let subsets: JSON = [
            [
                "addresses": [["ip": .string(advertised.host)]],
                "ports": [["name": "https", "port": JSON(advertised.port), "protocol": "TCP"]],
            ]
        ]
        try await put(
            .endpoints,
            KubeObject(
                .endpoints,
                namespace: "default",
                name: "kubernetes",
                labels: ["endpointslice.kubernetes.io/skip-mirror": "true"],
                body: ["subsets": subsets]
            ),
            fields: ["subsets"]
        )
        let endpoints: JSON = [
            ["addresses": [.string(advertised.host)], "conditions": ["ready": true]]
        ]
        let ports: JSON = [["name": "https", "port": JSON(advertised.port), "protocol": "TCP"]]
        try await put(
            .endpointSlices,
            KubeObject(
                .endpointSlices,
                namespace: "default",
                name: "kubernetes",
                labels: ["kubernetes.io/service-name": "kubernetes"],
                body: ["addressType": "IPv4", "endpoints": endpoints, "ports": ports]
            ),
            fields: ["endpoints", "ports"]
        )
    }

    private func put(_ type: ResourceType, _ wanted: KubeObject, fields: [String]) async throws {
        guard var live = try await api.find(type, namespace: wanted.namespace, name: wanted.name) else {
            return try await ensure(type, wanted)
        }
        if fields.allSatisfy({ live[$0] == wanted[$0] }) { return }
        for field in fields { live[field] = wanted[field] }
        try await api.update(type, live)
    }
}
