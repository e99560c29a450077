internal import KubeCore

/// Variables that tell a container where Services are.
///
/// Source: Kubernetes documentation, "Accessing the Service, environment variables".
enum ServiceVariables {
    static func make(_ services: [KubeObject]) -> VariableList {
        var variables = VariableList()
        for service in services.sorted(by: { $0.name < $1.name }) {
            let address = service["spec", "clusterIP"]?.stringValue ?? ""
            let ports = service["spec", "ports"]?.arrayValue ?? []
            guard !address.isEmpty, address != "None", let first = ports.first?["port"]?.intValue else { continue }
            let prefix = identifier(service.name)
            variables[prefix + "_SERVICE_HOST"] = address
            variables[prefix + "_SERVICE_PORT"] = String(first)
            for port in ports {
                guard let name = port["name"]?.stringValue, !name.isEmpty, let number = port["port"]?.intValue else {
                    continue
                }
                variables[prefix + "_SERVICE_PORT_" + identifier(name)] = String(number)
            }
            for (index, port) in ports.enumerated() {
                guard let number = port["port"]?.intValue else { continue }
                let transport = port["protocol"]?.stringValue ?? "TCP"
                let url = "\(transport.lowercased())://\(address):\(number)"
                if index == 0 { variables[prefix + "_PORT"] = url }
                let base = "\(prefix)_PORT_\(number)_\(transport.uppercased())"
                variables[base] = url
                variables[base + "_PROTO"] = transport.lowercased()
                variables[base + "_PORT"] = String(number)
                variables[base + "_ADDR"] = address
            }
        }
        return variables
    }

    private static func identifier(_ name: String) -> String {
        String(name.uppercased().map { $0 == "-" || $0 == "." ? "_" : $0 })
    }
}
