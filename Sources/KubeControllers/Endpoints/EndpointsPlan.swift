internal import KubeCore

/// The `Endpoints` object of a Service, the older form that some clients still read.
enum EndpointsPlan {
    static let managerLabel = "endpoints.kubernetes.io/managed-by"

    /// `subsets`: one for each set of ports, addresses in order.
    static func subsets(of service: KubeObject, backends: [ServiceBackend]) -> JSON {
        struct Subset {
            var ready: [JSON] = []
            var notReady: [JSON] = []
        }
        var byPorts: [[JSON]: Subset] = [:]
        let publishesAll = service["spec", "publishNotReadyAddresses"]?.boolValue ?? false
        for backend in backends where publishesAll || !backend.isTerminating {
            var members: [String: JSON] = ["ip": .string(backend.address), "targetRef": backend.targetReference]
            members["nodeName"] = PodFacts(backend.pod).nodeName.map(JSON.string)
            members["hostname"] = backend.hostname(in: service).map(JSON.string)
            let ports = backend.ports.map(Self.port)
            if backend.isReady {
                byPorts[ports, default: Subset()].ready.append(.object(members))
            } else {
                byPorts[ports, default: Subset()].notReady.append(.object(members))
            }
        }
        let sorted = byPorts.sorted { JSON.array($0.key).text < JSON.array($1.key).text }
        return .array(
            sorted.map { ports, subset in
                var members: [String: JSON] = [:]
                if !subset.ready.isEmpty { members["addresses"] = .array(byAddress(subset.ready)) }
                if !subset.notReady.isEmpty { members["notReadyAddresses"] = .array(byAddress(subset.notReady)) }
                if !ports.isEmpty { members["ports"] = .array(ports) }
                return .object(members)
            }
        )
    }

    private static func byAddress(_ list: [JSON]) -> [JSON] {
        list.sorted { ($0["ip"]?.stringValue ?? "") < ($1["ip"]?.stringValue ?? "") }
    }

    /// An unnamed port has no name here, an empty one in slices.
    private static func port(_ port: JSON) -> JSON {
        var port = port
        if port["name"]?.stringValue == "" { port["name"] = nil }
        return port
    }

    static func labels(of service: KubeObject) -> [String: String] {
        var labels = service.labels
        labels[managerLabel] = "endpoint-controller"
        labels[EndpointSlicePlan.headlessLabel] = service["spec", "clusterIP"]?.stringValue == "None" ? "" : nil
        return labels
    }
}
