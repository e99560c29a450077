/// The content of the services' packet filter table, and the script that leads from one content to another.
///
/// A chain's name holds a digest of its rules, so an existing chain never changes: a change adds chains, moves the map's elements
/// over and removes the old chains, in one transaction. Affinity sets stay, and with them which client has which endpoint.
struct ServiceRuleset: Equatable {
    /// Name → rules.
    private(set) var chains: [String: [String]] = [:]
    /// Name → timeout in seconds.
    private(set) var affinitySets: [String: Int] = [:]
    /// `address . protocol . port` → chain.
    private(set) var addresses: [String: String] = [:]
    /// `protocol . port` → chain.
    private(set) var nodePorts: [String: String] = [:]
    /// Addresses and node ports of services without endpoints.
    private(set) var refusedAddresses: Set<String> = []
    private(set) var refusedNodePorts: Set<String> = []
    /// `address . address` of each endpoint.
    private(set) var hairpins: Set<String> = []

    init() {}

    init(_ ports: [ServicePort]) {
        for port in ports { add(port) }
    }

    private mutating func add(_ port: ServicePort) {
        let suffix = "\(port.transport) . \(port.port)"
        let open = port.clusterIPs + port.externalIPs
        guard !port.endpoints.isEmpty else {
            for ip in open + port.loadBalancerIPs { refusedAddresses.insert("\(ip) . \(suffix)") }
            if let nodePort = port.nodePort { refusedNodePorts.insert("\(port.transport) . \(nodePort)") }
            return
        }
        for endpoint in port.endpoints { hairpins.insert("\(endpoint.ip) . \(endpoint.ip)") }
        let chain = port.affinitySeconds.map { affinityChain(port, seconds: $0) } ?? balancingChain(port)
        for ip in open { addresses["\(ip) . \(suffix)"] = chain }
        if !port.loadBalancerIPs.isEmpty {
            let guarded = guardedChain(port, inner: chain)
            for ip in port.loadBalancerIPs { addresses["\(ip) . \(suffix)"] = guarded }
        }
        if let nodePort = port.nodePort { nodePorts["\(port.transport) . \(nodePort)"] = chain }
    }

    private mutating func balancingChain(_ port: ServicePort) -> String {
        let start = "meta l4proto \(port.transport) dnat ip addr . port to"
        if port.endpoints.count == 1 {
            return addChain([
                "meta l4proto \(port.transport) dnat to \(port.endpoints[0].ip):\(port.endpoints[0].port)"
            ])
        }
        let choices = port.endpoints.enumerated().map { "\($0.offset) : \($0.element)" }.joined(separator: ", ")
        return addChain(["\(start) numgen random mod \(port.endpoints.count) map { \(choices) }"])
    }

    /// One set of clients per endpoint, refreshed by each new connection.
    private mutating func affinityChain(_ port: ServicePort, seconds: Int) -> String {
        var known: [String] = []
        var choices: [String] = []
        for (index, endpoint) in port.endpoints.enumerated() {
            let set = "a_" + stableHex("\(port.name) \(endpoint) \(seconds)", digits: 16)
            affinitySets[set] = seconds
            let chain = addChain([
                "update @\(set) { ip saddr timeout \(seconds)s }",
                "meta l4proto \(port.transport) dnat to \(endpoint.ip):\(endpoint.port)",
            ])
            known.append("ip saddr @\(set) goto \(chain)")
            choices.append("\(index) : goto \(chain)")
        }
        return addChain(
            known + ["numgen random mod \(choices.count) vmap { \(choices.joined(separator: ", ")) }"]
        )
    }

    private mutating func guardedChain(_ port: ServicePort, inner: String) -> String {
        guard !port.sourceRanges.isEmpty else { return inner }
        let ranges = port.sourceRanges.map(\.description).joined(separator: ", ")
        return addChain(["ip saddr != { \(ranges) } drop", "goto \(inner)"])
    }

    private mutating func addChain(_ rules: [String]) -> String {
        let name = "s_" + stableHex(rules.joined(separator: "\n"), digits: 16)
        chains[name] = rules
        return name
    }
}

extension ServiceRuleset {
    /// Makes the table from nothing, replacing what is there under its name.
    func fullScript(_ network: InstanceNetwork) -> String {
        let table = network.serviceTable
        let type = "ipv4_addr . inet_proto . inet_service"
        return """
            add table ip \(table)
            delete table ip \(table)
            add table ip \(table)
            add map ip \(table) addresses { type \(type) : verdict; }
            add map ip \(table) node_ports { type inet_proto . inet_service : verdict; }
            add set ip \(table) refused { type \(type); }
            add set ip \(table) refused_node_ports { type inet_proto . inet_service; }
            add set ip \(table) hairpin { type ipv4_addr . ipv4_addr; }
            add chain ip \(table) services
            add chain ip \(table) refusals
            add chain ip \(table) refuse
            add chain ip \(table) prerouting { type nat hook prerouting priority dstnat; policy accept; }
            add chain ip \(table) output { type nat hook output priority -100; policy accept; }
            add chain ip \(table) postrouting { type nat hook postrouting priority srcnat; policy accept; }
            add chain ip \(table) refuse_input { type filter hook input priority -1; policy accept; }
            add chain ip \(table) refuse_forward { type filter hook forward priority -1; policy accept; }
            add chain ip \(table) refuse_output { type filter hook output priority -1; policy accept; }
            add rule ip \(table) services ip daddr . meta l4proto . th dport vmap @addresses
            add rule ip \(table) services fib daddr type local meta l4proto . th dport vmap @node_ports
            add rule ip \(table) prerouting jump services
            add rule ip \(table) output jump services
            add rule ip \(table) postrouting ct status dnat ip saddr . ip daddr @hairpin masquerade
            add rule ip \(table) postrouting oifname "\(network.bridge)" ip saddr 127.0.0.0/8 masquerade
            add rule ip \(table) refuse meta l4proto tcp reject with tcp reset
            add rule ip \(table) refuse reject with icmp type port-unreachable
            add rule ip \(table) refusals ip daddr . meta l4proto . th dport @refused goto refuse
            add rule ip \(table) refusals fib daddr type local meta l4proto . th dport @refused_node_ports goto refuse
            add rule ip \(table) refusals ip daddr { \(network.serviceCIDR), \(network.loadBalancerRange) } goto refuse
            add rule ip \(table) refuse_input ct state new jump refusals
            add rule ip \(table) refuse_forward ct state new jump refusals
            add rule ip \(table) refuse_output ct state new jump refusals

            """ + changeScript(from: ServiceRuleset(), table: table)
    }

    /// Leads from `old` to this content; empty when they are equal.
    func changeScript(from old: ServiceRuleset, table: String) -> String {
        var script = ""
        for (name, seconds) in affinitySets.sorted(by: { $0.key < $1.key }) where old.affinitySets[name] == nil {
            script += "add set ip \(table) \(name) { type ipv4_addr; flags dynamic,timeout; timeout \(seconds)s; }\n"
        }
        let newChains = chains.keys.filter { old.chains[$0] == nil }.sorted()
        for name in newChains { script += "add chain ip \(table) \(name)\n" }
        for name in newChains {
            for rule in chains[name] ?? [] { script += "add rule ip \(table) \(name) \(rule)\n" }
        }
        script += Self.mapChange("addresses", table, from: old.addresses, to: addresses)
        script += Self.mapChange("node_ports", table, from: old.nodePorts, to: nodePorts)
        script += Self.setChange("refused", table, from: old.refusedAddresses, to: refusedAddresses)
        script += Self.setChange("refused_node_ports", table, from: old.refusedNodePorts, to: refusedNodePorts)
        script += Self.setChange("hairpin", table, from: old.hairpins, to: hairpins)
        let oldChains = old.chains.keys.filter { chains[$0] == nil }.sorted()
        for name in oldChains { script += "flush chain ip \(table) \(name)\n" }
        for name in oldChains { script += "delete chain ip \(table) \(name)\n" }
        for name in old.affinitySets.keys.sorted() where affinitySets[name] == nil {
            script += "delete set ip \(table) \(name)\n"
        }
        return script
    }

    private static func mapChange(
        _ map: String,
        _ table: String,
        from old: [String: String],
        to new: [String: String]
    ) -> String {
        let removed = old.filter { new[$0.key] != $0.value }.keys
        let added = new.filter { old[$0.key] != $0.value }.map { "\($0.key) : goto \($0.value)" }
        return elements("delete", map, table, Array(removed)) + elements("add", map, table, added)
    }

    private static func setChange(_ set: String, _ table: String, from old: Set<String>, to new: Set<String>) -> String
    {
        elements("delete", set, table, Array(old.subtracting(new)))
            + elements("add", set, table, Array(new.subtracting(old)))
    }

    private static func elements(_ verb: String, _ container: String, _ table: String, _ elements: [String]) -> String {
        guard !elements.isEmpty else { return "" }
        return "\(verb) element ip \(table) \(container) { \(elements.sorted().joined(separator: ", ")) }\n"
    }
}
