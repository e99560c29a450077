internal import KubeCore

/// Validation of pod specs, alone and in templates.
///
/// Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1.
enum PodRules {
    static func errors(_ spec: JSON?, path: String, isTemplate: Bool) -> [FieldError] {
        guard let spec, case .object = spec else { return [FieldError(path, .required)] }
        var errors: [FieldError] = []
        let volumes = spec["volumes"]?.arrayValue ?? []
        errors += VolumeRules.errors(volumes, path + ".volumes")
        let volumeNames = Set(volumes.compactMap { $0["name"]?.stringValue })
        errors += ContainerRules.errors(spec, path: path, volumes: volumeNames, isTemplate: isTemplate)
        errors += choices(spec, path)
        errors += numbers(spec, path)
        errors += names(spec, path)
        errors += MetadataRules.labels(spec["nodeSelector"], path: path + ".nodeSelector")
        errors += SecurityRules.pod(spec["securityContext"], path + ".securityContext")
        errors += SchedulingRules.errors(spec, path)
        errors += dnsErrors(spec, path)
        return errors + gateErrors(spec, path)
    }

    static func choice(_ value: JSON?, _ allowed: [String], _ path: String) -> [FieldError] {
        guard let text = value?.stringValue, !text.isEmpty, !allowed.contains(text) else { return [] }
        let list = allowed.map { "\"\($0)\"" }.joined(separator: ", ")
        return [FieldError(path, .notSupported, "supported values: \(list)", badValue: .string(text))]
    }

    private static func choices(_ spec: JSON, _ path: String) -> [FieldError] {
        choice(spec["restartPolicy"], ["Always", "Never", "OnFailure"], path + ".restartPolicy")
            + choice(
                spec["dnsPolicy"],
                ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
                path + ".dnsPolicy"
            )
            + choice(spec["preemptionPolicy"], ["Never", "PreemptLowerPriority"], path + ".preemptionPolicy")
            + choice(spec["os"]?["name"], ["linux", "windows"], path + ".os.name")
    }

    private static func numbers(_ spec: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        if let deadline = spec["activeDeadlineSeconds"]?.intValue, !(1...2_147_483_647).contains(deadline) {
            let text = "must be between 1 and 2147483647, inclusive"
            errors.append(FieldError(path + ".activeDeadlineSeconds", .invalid, text, badValue: JSON(deadline)))
        }
        if let grace = spec["terminationGracePeriodSeconds"]?.intValue, grace < 0 {
            errors.append(negative(path + ".terminationGracePeriodSeconds", grace))
        }
        return errors
    }

    static func negative(_ path: String, _ value: Int) -> FieldError {
        FieldError(path, .invalid, "must be greater than or equal to 0", badValue: JSON(value))
    }

    private static func names(_ spec: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        func check(_ value: JSON?, _ place: String, _ problem: (String) -> String?) {
            guard let text = value?.stringValue, !text.isEmpty, let problem = problem(text) else { return }
            errors.append(FieldError(path + "." + place, .invalid, problem, badValue: .string(text)))
        }
        check(spec["serviceAccountName"], "serviceAccountName", NameRule.subdomainProblem)
        check(spec["nodeName"], "nodeName", NameRule.subdomainProblem)
        check(spec["priorityClassName"], "priorityClassName", NameRule.subdomainProblem)
        check(spec["runtimeClassName"], "runtimeClassName", NameRule.subdomainProblem)
        check(spec["hostname"], "hostname", NameRule.labelProblem)
        check(spec["subdomain"], "subdomain", NameRule.labelProblem)
        for (index, secret) in (spec["imagePullSecrets"]?.arrayValue ?? []).enumerated()
        where (secret["name"]?.stringValue ?? "").isEmpty {
            errors.append(FieldError("\(path).imagePullSecrets[\(index)].name", .required))
        }
        return errors
    }

    private static func dnsErrors(_ spec: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, alias) in (spec["hostAliases"]?.arrayValue ?? []).enumerated() {
            let place = "\(path).hostAliases[\(index)]"
            errors += IPRules.errors(alias["ip"], place + ".ip")
            for (nameIndex, host) in (alias["hostnames"]?.stringArray ?? []).enumerated() {
                if let problem = NameRule.subdomainProblem(host) {
                    errors.append(
                        FieldError("\(place).hostnames[\(nameIndex)]", .invalid, problem, badValue: .string(host))
                    )
                }
            }
        }
        let config = spec["dnsConfig"]
        let servers = config?["nameservers"]?.arrayValue ?? []
        if spec["dnsPolicy"]?.stringValue == "None", servers.isEmpty {
            let text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(FieldError(path + ".dnsConfig.nameservers", .required, text))
        }
        if servers.count > 3 {
            let text = "must not have more than 3 nameservers"
            errors.append(FieldError(path + ".dnsConfig.nameservers", .invalid, text, badValue: .array(servers)))
        }
        for (index, server) in servers.enumerated() {
            errors += IPRules.errors(server, "\(path).dnsConfig.nameservers[\(index)]")
        }
        for (index, option) in (config?["options"]?.arrayValue ?? []).enumerated()
        where (option["name"]?.stringValue ?? "").isEmpty {
            errors.append(FieldError("\(path).dnsConfig.options[\(index)]", .required, "must not be empty"))
        }
        return errors
    }

    private static func gateErrors(_ spec: JSON, _ path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, gate) in (spec["readinessGates"]?.arrayValue ?? []).enumerated() {
            let type = gate["conditionType"]?.stringValue ?? ""
            if LabelSyntax.isQualifiedName(type) { continue }
            errors.append(
                FieldError(
                    "\(path).readinessGates[\(index)].conditionType",
                    .invalid,
                    MetadataRules.qualifiedNameText,
                    badValue: .string(type)
                )
            )
        }
        var names: Set<String> = []
        for (index, gate) in (spec["schedulingGates"]?.arrayValue ?? []).enumerated() {
            let name = gate["name"]?.stringValue ?? ""
            let place = "\(path).schedulingGates[\(index)]"
            if !LabelSyntax.isQualifiedName(name) {
                errors.append(FieldError(place, .invalid, MetadataRules.qualifiedNameText, badValue: .string(name)))
            }
            if !names.insert(name).inserted { errors.append(FieldError(place, .duplicate, badValue: .string(name))) }
        }
        return errors
    }

    static func portNumber(_ number: Int, _ path: String) -> [FieldError] {
        (1...65535).contains(number)
            ? [] : [FieldError(path, .invalid, "must be between 1 and 65535, inclusive", badValue: JSON(number))]
    }

    /// A port's number or the name of a container's port.
    static func portNumberOrName(_ value: JSON?, _ path: String) -> [FieldError] {
        switch value {
        case .int(let number)?: return portNumber(Int(number), path)
        case .string(let name)?:
            guard let problem = portNameProblem(name) else { return [] }
            return [FieldError(path, .invalid, problem, badValue: .string(name))]
        default: return []
        }
    }

    /// IANA service names.
    static func portNameProblem(_ name: String) -> String? {
        if name.utf8.count > 15 { return "must be no more than 15 characters" }
        guard !name.isEmpty, !name.contains("."), LabelSyntax.isSubdomain(name[...]) else {
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
        }
        if !name.contains(where: { $0 >= "a" && $0 <= "z" }) { return "must contain at least one letter (a-z)" }
        return name.contains("--") ? "must not contain consecutive hyphens" : nil
    }
}

/// Addresses and ranges of addresses.
enum IPRules {
    static let text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"

    static func errors(_ value: JSON?, _ path: String) -> [FieldError] {
        let address = value?.stringValue ?? ""
        return isAddress(address) ? [] : [FieldError(path, .invalid, text, badValue: .string(address))]
    }

    static func isAddress(_ text: String) -> Bool { IPv4.parse(text) != nil || isIPv6(text) }

    static func isIPv6(_ text: String) -> Bool {
        guard text.contains(":"), !text.contains("%") else { return false }
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        guard halves.count <= 2 else { return false }
        var count = 0
        for half in halves where !half.isEmpty {
            let groups = half.split(separator: ":", omittingEmptySubsequences: false)
            for (index, group) in groups.enumerated() {
                if index == groups.count - 1, group.contains(".") {
                    guard IPv4.parse(String(group)) != nil else { return false }
                    count += 2
                    continue
                }
                guard (1...4).contains(group.utf8.count), UInt16(group, radix: 16) != nil else { return false }
                count += 1
            }
        }
        return halves.count == 2 ? count < 8 : count == 8
    }

    static func isCIDR(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let bits = Int(parts[1]), String(bits) == parts[1] else { return false }
        if IPv4.parse(String(parts[0])) != nil { return (0...32).contains(bits) }
        return isIPv6(String(parts[0])) && (0...128).contains(bits)
    }

    static func cidrErrors(_ value: JSON?, _ path: String) -> [FieldError] {
        let range = value?.stringValue ?? ""
        if isCIDR(range) { return [] }
        let text = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
        return [FieldError(path, .invalid, text, badValue: .string(range))]
    }
}
