internal import KubeCore

extension BuiltInCells.Row {
    var service: [JSON] {
        let ports = list("spec", "ports").map { port -> String in
            let number = port["port"]?.intValue ?? 0
            let node = port["nodePort"]?.intValue ?? 0
            let transport = port["protocol"]?.stringValue ?? "TCP"
            return node > 0 ? "\(number):\(node)/\(transport)" : "\(number)/\(transport)"
        }
        return [
            name, text("spec", "type", or: ""), text("spec", "clusterIP"), .string(externalAddress),
            .string(ports.isEmpty ? "<none>" : ports.joined(separator: ",")), age,
            .string(Self.labels(object["spec", "selector"])),
        ]
    }

    private var externalAddress: String {
        let own = object["spec", "externalIPs"]?.stringArray ?? []
        switch scalar("spec", "type") ?? "ClusterIP" {
        case "ExternalName": return scalar("spec", "externalName") ?? "<none>"
        case "LoadBalancer":
            let given = list("status", "loadBalancer", "ingress").compactMap {
                $0["ip"]?.stringValue ?? $0["hostname"]?.stringValue
            }
            let all = given + own
            return all.isEmpty ? "<pending>" : all.joined(separator: ",")
        default: return own.isEmpty ? "<none>" : own.joined(separator: ",")
        }
    }

    var endpoints: String {
        var items: [String] = []
        for subset in list("subsets") {
            let addresses = (subset["addresses"]?.arrayValue ?? []).compactMap { $0["ip"]?.stringValue }
            let ports = (subset["ports"]?.arrayValue ?? []).compactMap { $0["port"]?.intValue }
            if ports.isEmpty { items += addresses }
            for port in ports { items += addresses.map { $0.contains(":") ? "[\($0)]:\(port)" : "\($0):\(port)" } }
        }
        return Self.shortened(items, or: "<none>")
    }

    var slicePorts: String {
        Self.shortened(
            list("ports").map { $0["port"]?.intValue.map(String.init) ?? $0["name"]?.stringValue ?? "*" },
            or: "<unset>"
        )
    }

    var sliceAddresses: String {
        Self.shortened(list("endpoints").flatMap { $0["addresses"]?.stringArray ?? [] }, or: "<unset>")
    }

    var ingress: [JSON] {
        let rules = list("spec", "rules")
        let hosts = rules.compactMap { $0["host"]?.stringValue }.filter { !$0.isEmpty }
        let shown = Self.shortened(hosts, or: "*")
        let addresses = list("status", "loadBalancer", "ingress").compactMap {
            $0["ip"]?.stringValue ?? $0["hostname"]?.stringValue
        }
        return [
            name, text("spec", "ingressClassName"), .string(shown), .string(addresses.joined(separator: ",")),
            .string(list("spec", "tls").isEmpty ? "80" : "80, 443"), age,
        ]
    }

    var classParameters: String {
        guard let kind = scalar("spec", "parameters", "kind") else { return "<none>" }
        let group = scalar("spec", "parameters", "apiGroup").map { "." + $0 } ?? ""
        return kind + group + "/" + (scalar("spec", "parameters", "name") ?? "")
    }

    var node: [JSON] {
        var status: [String] = []
        switch object.condition("Ready")?["status"]?.stringValue {
        case "True": status.append("Ready")
        case nil: status.append("Unknown")
        default: status.append("NotReady")
        }
        if object["spec", "unschedulable"] == true { status.append("SchedulingDisabled") }
        let prefix = "node-role.kubernetes.io/"
        var roles = Set(object.labels.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) })
        if let role = object.labels["kubernetes.io/role"], !role.isEmpty { roles.insert(role) }
        roles.remove("")
        let role = roles.isEmpty ? "<none>" : roles.sorted().joined(separator: ",")
        func address(_ type: String) -> JSON {
            let found = list("status", "addresses").first { $0["type"]?.stringValue == type }
            return .string(found?["address"]?.stringValue ?? "<none>")
        }
        return [
            name, .string(status.joined(separator: ",")), .string(role), age,
            text("status", "nodeInfo", "kubeletVersion", or: ""), address("InternalIP"), address("ExternalIP"),
            text("status", "nodeInfo", "osImage", or: "<unknown>"),
            text("status", "nodeInfo", "kernelVersion", or: "<unknown>"),
            text("status", "nodeInfo", "containerRuntimeVersion", or: "<unknown>"),
        ]
    }

    /// An Event of either API.
    var event: [JSON] {
        let subject = object["involvedObject"] ?? object["regarding"] ?? [:]
        let source = object["source"] ?? object["deprecatedSource"] ?? [:]
        let component =
            source["component"]?.stringValue
            ?? scalar("reportingComponent") ?? scalar("reportingController") ?? ""
        let host = source["host"]?.stringValue ?? scalar("reportingInstance") ?? ""
        let started = scalar("eventTime")
        let first = scalar("firstTimestamp") ?? scalar("deprecatedFirstTimestamp") ?? started
        let last =
            scalar("series", "lastObservedTime") ?? scalar("lastTimestamp")
            ?? scalar("deprecatedLastTimestamp") ?? first
        let count =
            object["series", "count"]?.intValue ?? object["count"]?.intValue
            ?? object["deprecatedCount"]?.intValue ?? 1
        let target = (subject["kind"]?.stringValue ?? "").lowercased() + "/" + (subject["name"]?.stringValue ?? "")
        let message = scalar("message") ?? scalar("note") ?? ""
        return [
            .string(since(last)), text("type", or: ""), text("reason", or: ""), .string(target),
            .string(subject["fieldPath"]?.stringValue ?? ""),
            .string(host.isEmpty ? component : component + ", " + host),
            .string(message.trimmed), .string(since(first)), JSON(max(count, 1)), name,
        ]
    }
}

extension String {
    fileprivate var trimmed: String {
        var rest = self[...]
        while rest.last?.isWhitespace ?? false { rest.removeLast() }
        while rest.first?.isWhitespace ?? false { rest.removeFirst() }
        return String(rest)
    }
}
