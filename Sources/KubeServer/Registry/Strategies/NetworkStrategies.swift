internal import KubeCore

struct EndpointSliceStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        let type = object["addressType"]?.stringValue ?? ""
        if type.isEmpty { errors.append(FieldError("addressType", .required)) }
        errors += PodRules.choice(object["addressType"], ["FQDN", "IPv4", "IPv6"], "addressType")
        let endpoints = object["endpoints"]?.arrayValue ?? []
        if endpoints.count > 1000 {
            errors.append(
                FieldError("endpoints", .tooMany, "must have at most 1000 items", badValue: JSON(endpoints.count))
            )
        }
        for (index, endpoint) in endpoints.enumerated() {
            errors += Self.endpointErrors(endpoint, "endpoints[\(index)]", type)
        }
        return errors + Self.portErrors(object["ports"]?.arrayValue ?? [])
    }

    private static func endpointErrors(_ endpoint: JSON, _ path: String, _ type: String) -> [FieldError] {
        var errors: [FieldError] = []
        let addresses = endpoint["addresses"]?.stringArray ?? []
        if addresses.isEmpty {
            errors.append(FieldError(path + ".addresses", .required, "must contain at least 1 address"))
        }
        if addresses.count > 100 {
            let text = "must have at most 100 items"
            errors.append(FieldError(path + ".addresses", .tooMany, text, badValue: JSON(addresses.count)))
        }
        for (index, address) in addresses.enumerated() {
            let place = "\(path).addresses[\(index)]"
            switch type {
            case "IPv4":
                if let number = IPv4.parse(address) {
                    errors += AddressRules.special(number, address, place)
                } else {
                    errors.append(FieldError(place, .invalid, IPRules.text, badValue: .string(address)))
                }
            case "IPv6":
                if !IPRules.isIPv6(address) {
                    errors.append(FieldError(place, .invalid, IPRules.text, badValue: .string(address)))
                }
            case "FQDN":
                if let problem = NameRule.subdomainProblem(address) {
                    errors.append(FieldError(place, .invalid, problem, badValue: .string(address)))
                }
            default: break
            }
        }
        if let host = endpoint["hostname"]?.stringValue, let problem = NameRule.labelProblem(host) {
            errors.append(FieldError(path + ".hostname", .invalid, problem, badValue: .string(host)))
        }
        return errors
    }

    private static func portErrors(_ ports: [JSON]) -> [FieldError] {
        var errors: [FieldError] = []
        if ports.count > 20_000 {
            errors.append(FieldError("ports", .tooMany, "must have at most 20000 items", badValue: JSON(ports.count)))
        }
        var names: Set<String> = []
        for (index, port) in ports.enumerated() {
            let path = "ports[\(index)]"
            let name = port["name"]?.stringValue ?? ""
            if !name.isEmpty, let problem = NameRule.labelProblem(name) {
                errors.append(FieldError(path + ".name", .invalid, problem, badValue: .string(name)))
            }
            if !names.insert(name).inserted {
                errors.append(FieldError(path + ".name", .duplicate, badValue: .string(name)))
            }
            errors += PodRules.choice(port["protocol"], ["SCTP", "TCP", "UDP"], path + ".protocol")
            if let number = port["port"]?.intValue { errors += PodRules.portNumber(number, path + ".port") }
        }
        return errors
    }

    func validateUpdate(_ object: KubeObject, old: KubeObject, _ context: StrategyContext) -> [FieldError] {
        guard object["addressType"] != old["addressType"] else { return [] }
        return [
            FieldError("addressType", .invalid, "field is immutable", badValue: object["addressType"] ?? .null)
        ]
    }
}

/// Addresses that no endpoint may have.
enum AddressRules {
    static func special(_ address: UInt32, _ text: String, _ path: String) -> [FieldError] {
        let detail: String
        switch address {
        case 0: detail = "may not be unspecified (0.0.0.0)"
        case _ where address >> 16 == 169 << 8 | 254:
            detail = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
        case _ where address >> 8 == 224 << 16:
            detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        // The server's own Service may lead to a loopback address: only this machine uses it then.
        case _ where address >> 24 == 127 && RequestScope.current != nil:
            detail = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
        default: return []
        }
        return [FieldError(path, .invalid, detail, badValue: .string(text))]
    }
}

struct EndpointsStrategy: Strategy {
    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, subset) in (object["subsets"]?.arrayValue ?? []).enumerated() {
            let path = "subsets[\(index)]"
            let ready = subset["addresses"]?.arrayValue ?? []
            let unready = subset["notReadyAddresses"]?.arrayValue ?? []
            if ready.isEmpty, unready.isEmpty {
                errors.append(FieldError(path, .required, "must specify `addresses` or `notReadyAddresses`"))
            }
            for (field, list) in [("addresses", ready), ("notReadyAddresses", unready)] {
                for (position, address) in list.enumerated() {
                    let place = "\(path).\(field)[\(position)].ip"
                    let text = address["ip"]?.stringValue ?? ""
                    if let number = IPv4.parse(text) {
                        errors += AddressRules.special(number, text, place)
                    } else if !IPRules.isIPv6(text) {
                        errors.append(FieldError(place, .invalid, IPRules.text, badValue: .string(text)))
                    }
                }
            }
            let ports = subset["ports"]?.arrayValue ?? []
            for (position, port) in ports.enumerated() {
                let place = "\(path).ports[\(position)]"
                let name = port["name"]?.stringValue ?? ""
                if name.isEmpty, ports.count > 1 {
                    errors.append(FieldError(place + ".name", .required))
                } else if !name.isEmpty, let problem = NameRule.labelProblem(name) {
                    errors.append(FieldError(place + ".name", .invalid, problem, badValue: .string(name)))
                }
                errors += PodRules.portNumber(port["port"]?.intValue ?? 0, place + ".port")
                errors += PodRules.choice(port["protocol"], ["SCTP", "TCP", "UDP"], place + ".protocol")
            }
        }
        return errors
    }
}

struct NetworkPolicyStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        let spec = object["spec"] ?? [:]
        var errors = SchedulingRules.selector(spec["podSelector"], "spec.podSelector")
        for (field, peers) in [("ingress", "from"), ("egress", "to")] {
            for (index, rule) in (spec[field]?.arrayValue ?? []).enumerated() {
                let path = "spec.\(field)[\(index)]"
                for (position, port) in (rule["ports"]?.arrayValue ?? []).enumerated() {
                    errors += Self.portErrors(port, "\(path).ports[\(position)]")
                }
                for (position, peer) in (rule[peers]?.arrayValue ?? []).enumerated() {
                    errors += Self.peerErrors(peer, "\(path).\(peers)[\(position)]")
                }
            }
        }
        let types = spec["policyTypes"]?.stringArray ?? []
        if types.count > 2 {
            let text = "may not specify more than two policyTypes"
            errors.append(FieldError("spec.policyTypes", .invalid, text, badValue: JSON(types)))
        }
        for (index, type) in types.enumerated() {
            errors += PodRules.choice(.string(type), ["Egress", "Ingress"], "spec.policyTypes[\(index)]")
        }
        return errors
    }

    private static func portErrors(_ port: JSON, _ path: String) -> [FieldError] {
        var errors = PodRules.choice(port["protocol"], ["SCTP", "TCP", "UDP"], path + ".protocol")
        errors += PodRules.portNumberOrName(port["port"], path + ".port")
        guard let end = port["endPort"]?.intValue else { return errors }
        errors += PodRules.portNumber(end, path + ".endPort")
        switch port["port"] {
        case .int(let start)?:
            if end < start {
                let text = "must be greater than or equal to `port`"
                errors.append(FieldError(path + ".endPort", .invalid, text, badValue: JSON(end)))
            }
        case nil, .null?:
            errors.append(FieldError(path + ".endPort", .required, "may not be specified when `port` is not specified"))
        default:
            errors.append(
                FieldError(
                    path + ".endPort",
                    .invalid,
                    "may not be specified when `port` is non-numeric",
                    badValue: JSON(end)
                )
            )
        }
        return errors
    }

    private static func peerErrors(_ peer: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let fields = ["podSelector", "namespaceSelector", "ipBlock"].filter { !(peer[$0]?.isNull ?? true) }
        if fields.isEmpty { errors.append(FieldError(path, .required, "must specify a peer")) }
        if fields.count > 1, fields.contains("ipBlock") {
            let text = "may not specify both ipBlock and another peer"
            errors.append(FieldError(path, .forbidden, text))
        }
        for field in ["podSelector", "namespaceSelector"] {
            errors += SchedulingRules.selector(peer[field], "\(path).\(field)")
        }
        guard let block = peer["ipBlock"], !block.isNull else { return errors }
        let range = block["cidr"]?.stringValue ?? ""
        if range.isEmpty {
            errors.append(FieldError(path + ".ipBlock.cidr", .required))
        } else {
            errors += IPRules.cidrErrors(block["cidr"], path + ".ipBlock.cidr")
        }
        for (index, except) in (block["except"]?.arrayValue ?? []).enumerated() {
            errors += IPRules.cidrErrors(except, "\(path).ipBlock.except[\(index)]")
        }
        return errors
    }
}

struct IngressStrategy: Strategy {
    var tracksGeneration: Bool { true }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        let spec = object["spec"] ?? [:]
        var errors: [FieldError] = []
        let rules = spec["rules"]?.arrayValue ?? []
        if rules.isEmpty, spec["defaultBackend"]?.isNull ?? true {
            let text = "either `defaultBackend` or `rules` must be specified"
            errors.append(FieldError("spec", .invalid, text, badValue: .array(rules)))
        }
        if let backend = spec["defaultBackend"], !backend.isNull {
            errors += Self.backendErrors(backend, "spec.defaultBackend")
        }
        for (index, rule) in rules.enumerated() {
            let path = "spec.rules[\(index)]"
            if let host = rule["host"]?.stringValue, !host.isEmpty {
                let name = host.hasPrefix("*.") ? String(host.dropFirst(2)) : host
                if let problem = NameRule.subdomainProblem(name) {
                    errors.append(FieldError(path + ".host", .invalid, problem, badValue: .string(host)))
                }
            }
            guard let http = rule["http"], !http.isNull else { continue }
            let paths = http["paths"]?.arrayValue ?? []
            if paths.isEmpty { errors.append(FieldError(path + ".http.paths", .required)) }
            for (position, entry) in paths.enumerated() {
                let place = "\(path).http.paths[\(position)]"
                if (entry["pathType"]?.stringValue ?? "").isEmpty {
                    errors.append(FieldError(place + ".pathType", .required, "pathType must be specified"))
                }
                errors += PodRules.choice(
                    entry["pathType"],
                    ["Exact", "ImplementationSpecific", "Prefix"],
                    place + ".pathType"
                )
                let text = entry["path"]?.stringValue ?? ""
                if entry["pathType"]?.stringValue != "ImplementationSpecific", !text.hasPrefix("/") {
                    errors.append(
                        FieldError(place + ".path", .invalid, "must be an absolute path", badValue: .string(text))
                    )
                }
                errors += Self.backendErrors(entry["backend"] ?? [:], place + ".backend")
            }
        }
        return errors
    }

    private static func backendErrors(_ backend: JSON, _ path: String) -> [FieldError] {
        let service = backend["service"].flatMap { $0.isNull ? nil : $0 }
        let resource = backend["resource"].flatMap { $0.isNull ? nil : $0 }
        if service != nil, resource != nil {
            return [FieldError(path, .invalid, "cannot set both resource and service backends", badValue: "")]
        }
        guard let service else {
            return resource == nil ? [FieldError(path, .required, "service or resource backend is required")] : []
        }
        var errors: [FieldError] = []
        let name = service["name"]?.stringValue ?? ""
        if name.isEmpty {
            errors.append(FieldError(path + ".service.name", .required))
        } else if let problem = NameRule.dns1035Problem(name) {
            errors.append(FieldError(path + ".service.name", .invalid, problem, badValue: .string(name)))
        }
        let hasName = !(service["port"]?["name"]?.stringValue ?? "").isEmpty
        let number = service["port"]?["number"]?.intValue ?? 0
        if hasName, number != 0 {
            errors.append(FieldError(path, .invalid, "cannot set both port name & port number", badValue: ""))
        } else if !hasName, number == 0 {
            errors.append(FieldError(path, .required, "port name or number is required"))
        } else if number != 0 {
            errors += PodRules.portNumber(number, path + ".service.port.number")
        }
        return errors
    }
}
