internal import KubeCore

/// A pod behind a Service, with the ports resolved for it.
struct ServiceBackend: Sendable, Equatable {
    var pod: KubeObject
    var address: String
    var ports: [JSON]
    var isReady: Bool
    var isServing: Bool
    var isTerminating: Bool

    /// Backends of `service` among the pods of its namespace; those without address or of an unknown node are left out.
    static func all(of service: KubeObject, pods: [KubeObject], nodes: Set<String>) -> [ServiceBackend] {
        guard let selector = service["spec", "selector"]?.stringMap, !selector.isEmpty else { return [] }
        let matcher = LabelSelector(matching: selector)
        let publishesAll = service["spec", "publishNotReadyAddresses"]?.boolValue ?? false
        return pods.filter { matcher.matches($0.labels) }.compactMap { pod in
            let facts = PodFacts(pod)
            guard !facts.isFinished, let address = facts.podIP, let node = facts.nodeName, nodes.contains(node) else {
                return nil
            }
            guard let ports = ports(of: service, for: pod) else { return nil }
            let isServing = facts.isReady
            return ServiceBackend(
                pod: pod,
                address: address,
                ports: ports,
                isReady: publishesAll || (isServing && !facts.isTerminating),
                isServing: isServing,
                isTerminating: facts.isTerminating
            )
        }.sorted { $0.pod.name < $1.pod.name }
    }

    /// Ports as EndpointSlices write them; nil when a named port of the Service is missing in the pod.
    private static func ports(of service: KubeObject, for pod: KubeObject) -> [JSON]? {
        let specified = service["spec", "ports"]?.arrayValue ?? []
        var result: [JSON] = []
        for port in specified {
            let transport = port["protocol"]?.stringValue ?? "TCP"
            guard let number = number(port["targetPort"] ?? port["port"], transport, in: pod) else { continue }
            var members: [String: JSON] = [
                "name": port["name"] ?? "", "port": JSON(number), "protocol": .string(transport),
            ]
            members["appProtocol"] = port["appProtocol"]
            result.append(.object(members))
        }
        return specified.isEmpty || !result.isEmpty ? result : nil
    }

    private static func number(_ target: JSON?, _ transport: String, in pod: KubeObject) -> Int? {
        if let number = target?.intValue { return number }
        guard let name = target?.stringValue else { return nil }
        let sidecars = (pod["spec", "initContainers"]?.arrayValue ?? [])
            .filter { $0["restartPolicy"]?.stringValue == "Always" }
        for container in (pod["spec", "containers"]?.arrayValue ?? []) + sidecars {
            for port in container["ports"]?.arrayValue ?? []
            where port["name"]?.stringValue == name && port["protocol"]?.stringValue ?? "TCP" == transport {
                return port["containerPort"]?.intValue
            }
        }
        return nil
    }

    var targetReference: JSON {
        var members: [String: JSON] = ["kind": "Pod", "name": .string(pod.name), "uid": .string(pod.uid)]
        members["namespace"] = pod.namespace.map(JSON.string)
        return .object(members)
    }

    /// A pod with a hostname below the Service's name has a DNS name of its own.
    func hostname(in service: KubeObject) -> String? {
        guard let hostname = pod["spec", "hostname"]?.stringValue, !hostname.isEmpty,
            pod["spec", "subdomain"]?.stringValue == service.name
        else { return nil }
        return hostname
    }
}
