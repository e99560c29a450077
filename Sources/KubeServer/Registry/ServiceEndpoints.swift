internal import KubeCore
internal import KubeStore

/// Finds an address behind a Service, for calls that the server itself makes.
struct ServiceEndpoints: Sendable {
    struct Address: Sendable, Hashable {
        var host: String
        var port: Int
    }

    let store: ObjectStore

    /// Which port of a Service is meant.
    enum Port: Sendable, Hashable {
        case number(Int)
        /// Empty for a port without a name.
        case name(String)
    }

    /// A ready address of the Service, chosen at random.
    ///
    /// With `podsOnly` an address counts only while a pod has it.
    ///
    /// - Throws: 404 for a Service that is not there, 503 for a port or address that is not.
    func resolve(
        namespace: String,
        name: String,
        port: Port,
        podsOnly: Bool,
        shownAs shown: String? = nil
    ) throws(APIError) -> Address {
        guard let service = store.find("services", namespace: namespace, name: name)?.object else {
            throw APIError.notFound(.services, name)
        }
        let portName = try Self.portName(port, of: service)
        let none = Self.unavailable("no endpoints available for service \"\(shown ?? name)\"")
        var found: [Address] = []
        for (addresses, ports) in candidates(namespace, name) {
            guard let number = ports[portName] else { continue }
            for address in addresses where !podsOnly || isPod(address, namespace) {
                found.append(Address(host: address.host, port: number))
            }
        }
        guard let chosen = found.randomElement() else { throw none }
        return chosen
    }

    static func unavailable(_ message: String) -> APIError {
        APIError(code: 503, reason: .serviceUnavailable, message: message)
    }

    private static func portName(_ port: Port, of service: KubeObject) throws(APIError) -> String {
        switch port {
        case .name(let name): return name
        case .number(let number):
            let ports = service["spec", "ports"]?.arrayValue ?? []
            guard let match = ports.first(where: { $0["port"]?.intValue == number }) else {
                throw unavailable("no service port \(number) found for service \"\(service.name)\"")
            }
            return match["name"]?.stringValue ?? ""
        }
    }

    private struct Candidate {
        var host: String
        var pod: String?
    }

    /// Ready addresses with the ports by name, from slices, or from Endpoints where there are none.
    private func candidates(_ namespace: String, _ name: String) -> [([Candidate], [String: Int])] {
        let slices = store.list("endpointslices.discovery.k8s.io", namespace: namespace).objects
            .filter { $0.labels["kubernetes.io/service-name"] == name }.map(\.object)
        if !slices.isEmpty {
            return slices.map { slice in
                let ready = (slice["endpoints"]?.arrayValue ?? [])
                    .filter { $0["conditions"]?["ready"]?.boolValue ?? true }
                let addresses = ready.flatMap { endpoint in
                    (endpoint["addresses"]?.stringArray ?? []).prefix(1)
                        .map { Candidate(host: $0, pod: Self.pod(endpoint)) }
                }
                return (addresses, Self.ports(slice["ports"]))
            }
        }
        let endpoints = store.find("endpoints", namespace: namespace, name: name)?.object
        return (endpoints?["subsets"]?.arrayValue ?? []).map { subset in
            let addresses = (subset["addresses"]?.arrayValue ?? []).compactMap { address in
                address["ip"]?.stringValue.map { Candidate(host: $0, pod: Self.pod(address)) }
            }
            return (addresses, Self.ports(subset["ports"]))
        }
    }

    private static func pod(_ endpoint: JSON) -> String? {
        guard let target = endpoint["targetRef"], target["kind"]?.stringValue == "Pod" else { return nil }
        return target["name"]?.stringValue
    }

    private static func ports(_ list: JSON?) -> [String: Int] {
        var ports: [String: Int] = [:]
        for port in list?.arrayValue ?? [] {
            if let number = port["port"]?.intValue { ports[port["name"]?.stringValue ?? ""] = number }
        }
        return ports
    }

    private func isPod(_ candidate: Candidate, _ namespace: String) -> Bool {
        guard let name = candidate.pod,
            let pod = store.find("pods", namespace: namespace, name: name)?.object
        else { return false }
        let own = (pod["status", "podIPs"]?.arrayValue ?? []).compactMap { $0["ip"]?.stringValue }
        return pod["status", "podIP"]?.stringValue == candidate.host || own.contains(candidate.host)
    }
}
