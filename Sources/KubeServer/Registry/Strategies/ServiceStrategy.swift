internal import KubeCore
internal import KubeStore

/// Services: addresses and node ports are given out, kept and taken back here.
struct ServiceStrategy: Strategy {
    var nameRule: NameRule { .dns1035 }

    func prepareForCreate(_ object: inout KubeObject, _ context: StrategyContext) throws {
        object["status"] = ["loadBalancer": [:]]
        try fill(&object, old: nil, context)
    }

    func prepareForUpdate(_ object: inout KubeObject, old: KubeObject, _ context: StrategyContext) throws {
        guard context.subresource == nil else { return }
        try fill(&object, old: old, context)
    }

    func finish(_ object: KubeObject?, old: KubeObject?, isCommitted: Bool, _ context: StrategyContext) async {
        let services = context.registry.services
        switch (object, old, isCommitted) {
        case (nil, let old?, true): services.release(old)
        case (let object?, let old?, true): services.release(old, kept: object)
        // A failed write: what it took goes back, what the stored object has stays.
        case (let object?, let old, false):
            let stored = context.registry.store.find("services", namespace: object.namespace ?? "", name: object.name)
            services.release(object, kept: old ?? stored?.object)
        default: break
        }
    }

    private func fill(_ object: inout KubeObject, old: KubeObject?, _ context: StrategyContext) throws {
        var spec = object["spec"] ?? [:]
        let previous = old?["spec"]
        let type = spec["type"]?.stringValue ?? ""
        guard ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].contains(type) else {
            object["spec"] = spec
            return
        }
        if type == "ExternalName" {
            for field in [
                "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy",
                "externalTrafficPolicy",
                "healthCheckNodePort", "allocateLoadBalancerNodePorts",
            ] { spec[field] = nil }
            object["spec"] = spec
            return
        }
        if spec["ipFamilyPolicy"] == nil { spec["ipFamilyPolicy"] = "SingleStack" }
        if spec["ipFamilies"] == nil { spec["ipFamilies"] = ["IPv4"] }
        var errors: [FieldError] = []
        allocateAddress(&spec, previous, owner: object.key.description, context, &errors)
        allocatePorts(&spec, previous, type: type, owner: object.key.description, context, &errors)
        object["spec"] = spec
        if !errors.isEmpty { throw APIError.invalid(.services, object.name, errors) }
    }

    private func allocateAddress(
        _ spec: inout JSON,
        _ previous: JSON?,
        owner: String,
        _ context: StrategyContext,
        _ errors: inout [FieldError]
    ) {
        var asked = spec["clusterIP"]?.stringValue ?? ""
        let list = spec["clusterIPs"]?.stringArray ?? []
        if asked.isEmpty, let first = list.first { asked = first }
        // A PUT or patch without the address keeps it.
        if asked.isEmpty, let kept = previous?["clusterIP"]?.stringValue { asked = kept }
        let before = previous?["clusterIP"]?.stringValue ?? ""
        if !before.isEmpty, asked != before {
            errors.append(
                FieldError("spec.clusterIPs[0]", .invalid, "may not change once set", badValue: JSON([asked]))
            )
            return
        }
        if asked == "None" {
            spec["clusterIP"] = "None"
            spec["clusterIPs"] = ["None"]
            return
        }
        if asked == before, !before.isEmpty {
            spec["clusterIP"] = .string(before)
            spec["clusterIPs"] = JSON([before])
            return
        }
        if context.isDryRun, asked.isEmpty { return }
        do throws(FieldError) {
            let address = try context.registry.services.address(asked.isEmpty ? nil : asked, owner: owner)
            spec["clusterIP"] = .string(address)
            spec["clusterIPs"] = JSON([address])
        } catch {
            errors.append(error)
        }
    }

    private func allocatePorts(
        _ spec: inout JSON,
        _ previous: JSON?,
        type: String,
        owner: String,
        _ context: StrategyContext,
        _ errors: inout [FieldError]
    ) {
        let isExposed = type == "NodePort" || type == "LoadBalancer"
        // Left over from another type.
        if !isExposed, (spec["externalIPs"]?.arrayValue ?? []).isEmpty { spec["externalTrafficPolicy"] = nil }
        if type != "LoadBalancer" { spec["allocateLoadBalancerNodePorts"] = nil }
        let wasExposed = ["NodePort", "LoadBalancer"].contains(previous?["type"]?.stringValue ?? "")
        let wants = type == "NodePort" || (type == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] == true)
        var ports = spec["ports"]?.arrayValue ?? []
        for index in ports.indices {
            if !isExposed {
                // Going back to ClusterIP gives the ports back unless the client insists.
                if wasExposed || ports[index]["nodePort"] == 0 { ports[index]["nodePort"] = nil }
                continue
            }
            var asked = ports[index]["nodePort"]?.intValue ?? 0
            if asked == 0, wasExposed {
                let same = (previous?["ports"]?.arrayValue ?? []).first {
                    $0["port"] == ports[index]["port"] && $0["protocol"] == ports[index]["protocol"]
                }
                asked = same?["nodePort"]?.intValue ?? 0
            }
            guard asked != 0 || wants else { continue }
            if asked == 0, context.isDryRun { continue }
            do throws(FieldError) {
                let port = try context.registry.services.port(
                    asked == 0 ? nil : asked,
                    owner: owner,
                    path: "spec.ports[\(index)].nodePort"
                )
                ports[index]["nodePort"] = JSON(port)
            } catch {
                errors.append(error)
            }
        }
        if spec["ports"] != nil { spec["ports"] = .array(ports) }
        let needsCheck = type == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
        if !needsCheck {
            spec["healthCheckNodePort"] = nil
        } else if spec["healthCheckNodePort"]?.intValue ?? 0 == 0, !context.isDryRun {
            let kept = previous?["healthCheckNodePort"]?.intValue
            do throws(FieldError) {
                let port = try context.registry.services.port(kept, owner: owner, path: "spec.healthCheckNodePort")
                spec["healthCheckNodePort"] = JSON(port)
            } catch {
                errors.append(error)
            }
        }
    }

    func validate(_ object: KubeObject, _ context: StrategyContext) -> [FieldError] {
        let spec = object["spec"] ?? [:]
        let type = spec["type"]?.stringValue ?? ""
        var errors = PodRules.choice(
            spec["type"],
            ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
            "spec.type"
        )
        errors += PodRules.choice(spec["sessionAffinity"], ["ClientIP", "None"], "spec.sessionAffinity")
        errors += MetadataRules.labels(spec["selector"], path: "spec.selector")
        let ports = spec["ports"]?.arrayValue ?? []
        if type == "ExternalName" {
            let name = spec["externalName"]?.stringValue ?? ""
            if name.isEmpty {
                errors.append(FieldError("spec.externalName", .required))
            }
        } else if ports.isEmpty, spec["clusterIP"] != "None" {
            errors.append(FieldError("spec.ports", .required))
        }
        errors += Self.trafficErrors(spec, type)
        if type == "ExternalName", !(spec["externalName"]?.stringValue ?? "").isEmpty {
            let name = spec["externalName"]?.stringValue ?? ""
            let host = name.hasSuffix(".") ? String(name.dropLast()) : name
            if let problem = NameRule.subdomainProblem(host.lowercased()) {
                errors.append(FieldError("spec.externalName", .invalid, problem, badValue: .string(name)))
            }
        }
        if type == "LoadBalancer" || type == "NodePort", spec["clusterIP"] == "None" {
            errors.append(
                FieldError(
                    "spec.clusterIPs[0]",
                    .invalid,
                    "may not be set to 'None' for \(type) services",
                    badValue: "None"
                )
            )
        }
        return errors + portErrors(ports, type)
    }

    private static func trafficErrors(_ spec: JSON, _ type: String) -> [FieldError] {
        var errors: [FieldError] = []
        errors += PodRules.choice(spec["internalTrafficPolicy"], ["Cluster", "Local"], "spec.internalTrafficPolicy")
        errors += PodRules.choice(spec["externalTrafficPolicy"], ["Cluster", "Local"], "spec.externalTrafficPolicy")
        errors += PodRules.choice(
            spec["ipFamilyPolicy"],
            ["PreferDualStack", "RequireDualStack", "SingleStack"],
            "spec.ipFamilyPolicy"
        )
        let external = spec["externalIPs"]?.arrayValue ?? []
        for (index, address) in external.enumerated() {
            let path = "spec.externalIPs[\(index)]"
            let text = address.stringValue ?? ""
            if let number = IPv4.parse(text) {
                errors += AddressRules.special(number, text, path)
            } else if !IPRules.isIPv6(text) {
                errors.append(FieldError(path, .invalid, IPRules.text, badValue: address))
            }
        }
        if spec["externalTrafficPolicy"] != nil, type == "ClusterIP", external.isEmpty {
            let text = "may only be set for externally-accessible services"
            errors.append(
                FieldError("spec.externalTrafficPolicy", .invalid, text, badValue: spec["externalTrafficPolicy"] ?? "")
            )
        }
        let ranges = spec["loadBalancerSourceRanges"]?.arrayValue ?? []
        if !ranges.isEmpty, type != "LoadBalancer" {
            let text = "may only be used when `type` is 'LoadBalancer'"
            errors.append(FieldError("spec.LoadBalancerSourceRanges", .forbidden, text))
        }
        for (index, range) in ranges.enumerated() {
            errors += IPRules.cidrErrors(range, "spec.LoadBalancerSourceRanges[\(index)]")
        }
        if spec["loadBalancerClass"] != nil, type != "LoadBalancer" {
            let text = "may only be used when `type` is 'LoadBalancer'"
            errors.append(FieldError("spec.loadBalancerClass", .forbidden, text))
        }
        if spec["allocateLoadBalancerNodePorts"] != nil, type != "LoadBalancer" {
            let text = "may only be used when `type` is 'LoadBalancer'"
            errors.append(FieldError("spec.allocateLoadBalancerNodePorts", .forbidden, text))
        }
        if spec["sessionAffinity"]?.stringValue == "ClientIP",
            let seconds = spec["sessionAffinityConfig"]?["clientIP"]?["timeoutSeconds"]?.intValue,
            !(1...86400).contains(seconds)
        {
            errors.append(
                FieldError(
                    "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
                    .invalid,
                    "must be greater than 0 and less than 86400",
                    badValue: JSON(seconds)
                )
            )
        }
        return errors
    }

    private func portErrors(_ ports: [JSON], _ type: String) -> [FieldError] {
        var errors: [FieldError] = []
        var names: Set<String> = []
        var numbers: Set<String> = []
        for (index, port) in ports.enumerated() {
            let path = "spec.ports[\(index)]"
            let name = port["name"]?.stringValue ?? ""
            if name.isEmpty {
                if ports.count > 1 { errors.append(FieldError(path + ".name", .required)) }
            } else if let problem = NameRule.labelProblem(name) {
                errors.append(FieldError(path + ".name", .invalid, problem, badValue: .string(name)))
            } else if !names.insert(name).inserted {
                errors.append(FieldError(path + ".name", .duplicate, badValue: .string(name)))
            }
            let number = port["port"]?.intValue ?? 0
            errors += PodRules.portNumber(number, path + ".port")
            errors += PodRules.choice(port["protocol"], ["SCTP", "TCP", "UDP"], path + ".protocol")
            let pair = "\(port["protocol"]?.stringValue ?? "")/\(number)"
            if !numbers.insert(pair).inserted {
                errors.append(
                    FieldError(path, .duplicate, badValue: ["port": JSON(number), "protocol": port["protocol"] ?? ""])
                )
            }
            errors += PodRules.portNumberOrName(port["targetPort"], path + ".targetPort")
            if (port["nodePort"]?.intValue ?? 0) != 0, type == "ClusterIP" || type == "ExternalName" {
                let text = "may not be used when `type` is '\(type)'"
                errors.append(FieldError(path + ".nodePort", .forbidden, text))
            }
            if let application = port["appProtocol"]?.stringValue, !LabelSyntax.isQualifiedName(application) {
                errors.append(
                    FieldError(
                        path + ".appProtocol",
                        .invalid,
                        MetadataRules.qualifiedNameText,
                        badValue: .string(application)
                    )
                )
            }
        }
        return errors
    }
}
