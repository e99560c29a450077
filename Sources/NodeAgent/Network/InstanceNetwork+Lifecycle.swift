extension InstanceNetwork {
    /// Makes the bridge, its address, the kernel settings and the packet filter table, or completes what is missing of them.
    ///
    /// Safe to repeat while pods run: their interfaces and host ports stay.
    package func ensure() async throws {
        let index = try ensureBridge()
        let netlink = try Netlink()
        try netlink.addAddress(gateway, prefixLength: podCIDR.prefixLength, index: index)
        try netlink.setUp(index)
        // Gives connections of this host to service addresses the bridge's address, which pods can answer.
        try netlink.addRoute(serviceCIDR, source: gateway, index: index)
        try configureKernel()
        try await NetworkTool.applyRules(baseRules())
        try await HostFirewall.open(bridge: bridge, comment: table)
    }

    private func ensureBridge() throws -> UInt32 {
        if let index = Netlink.index(of: bridge) { return index }
        // A bridge without an address of its own takes one of its ports', and pods would lose their gateway when that pod ends.
        let seed = stableHash(id)
        let hardware: [UInt8] = [0x02] + (0..<5).map { UInt8(truncatingIfNeeded: seed >> UInt64($0 * 8)) }
        do {
            try Netlink().addBridge(bridge, address: hardware, mtu: HostNetwork.defaultMTU())
        } catch let error as NetlinkError {
            guard let index = Netlink.index(of: bridge) else {
                throw NodeAgentError(
                    .networkUnavailable,
                    "\(error)",
                    remedy: "run as root on a kernel with bridge support"
                )
            }
            return index
        }
        guard let index = Netlink.index(of: bridge) else {
            throw NodeAgentError(.networkUnavailable, "bridge \(bridge) vanished while it was set up")
        }
        return index
    }

    private func configureKernel() throws {
        try FileSystem.setKernel("/proc/sys/net/ipv4/ip_forward", "1")
        let folder = "/proc/sys/net/ipv4/conf/\(bridge)/"
        // Connections to 127.0.0.1:NODEPORT leave through the bridge.
        try FileSystem.setKernel(folder + "route_localnet", "1")
        // Pods reach each other over this host on one interface, which must not tell them of a shorter way.
        try FileSystem.setKernel(folder + "send_redirects", "0")
        try FileSystem.setKernel("/proc/sys/net/ipv4/conf/all/send_redirects", "0")
        // Loose: pods have single addresses, and answers to node ports may leave by another interface.
        try FileSystem.setKernel(folder + "rp_filter", "2")
    }

    /// Removes interfaces, bridge, routes and tables.
    ///
    /// No error when they are gone already.
    package func remove() async throws {
        for name in FileSystem.names(in: "/sys/class/net/\(bridge)/brif") {
            if let index = Netlink.index(of: name) { try Netlink().deleteLink(index) }
        }
        if let index = Netlink.index(of: bridge) { try Netlink().deleteLink(index) }
        for table in [table, serviceTable] {
            // Deleting a table that is not there fails; adding one that is there does not.
            try await NetworkTool.applyRules("add table ip \(table)\ndelete table ip \(table)\n")
        }
        try await HostFirewall.close(comment: table)
    }

    /// True when the bridge is there.
    package var isPresent: Bool { Netlink.index(of: bridge) != nil }

    /// Base table.
    ///
    /// Maps and sets keep their elements, chains are written anew.
    func baseRules() -> String {
        """
        add table ip \(table)
        add map ip \(table) host_ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
        add map ip \(table) host_address_ports { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
        add set ip \(table) hairpin { type ipv4_addr . ipv4_addr; }
        add chain ip \(table) guard { type filter hook prerouting priority raw; policy accept; }
        add chain ip \(table) ports
        add chain ip \(table) prerouting { type nat hook prerouting priority dstnat; policy accept; }
        add chain ip \(table) output { type nat hook output priority -100; policy accept; }
        add chain ip \(table) postrouting { type nat hook postrouting priority srcnat; policy accept; }
        flush chain ip \(table) guard
        flush chain ip \(table) ports
        flush chain ip \(table) prerouting
        flush chain ip \(table) output
        flush chain ip \(table) postrouting
        add rule ip \(table) guard iifname "\(bridge)" ip daddr 127.0.0.0/8 drop
        add rule ip \(table) ports meta l4proto { tcp, udp } dnat ip addr . port to ip daddr . meta l4proto . th dport map @host_address_ports
        add rule ip \(table) ports fib daddr type local meta l4proto { tcp, udp } dnat ip addr . port to meta l4proto . th dport map @host_ports
        add rule ip \(table) prerouting jump ports
        add rule ip \(table) output oifname "lo" jump ports
        add rule ip \(table) postrouting ct status dnat ip saddr . ip daddr @hairpin masquerade
        add rule ip \(table) postrouting oifname "\(bridge)" ip saddr 127.0.0.0/8 masquerade
        add rule ip \(table) postrouting ip saddr \(podCIDR) ip daddr != \(podCIDR) oifname != "\(bridge)" masquerade

        """
    }
}
