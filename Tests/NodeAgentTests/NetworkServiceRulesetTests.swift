import KubeCore
import Testing

@testable import NodeAgent

private func service(_ name: String, spec: JSON, ingress: String? = nil) -> KubeObject {
    var body: [String: JSON] = ["spec": spec]
    if let ingress { body["status"] = ["loadBalancer": ["ingress": [["ip": .string(ingress)]]]] }
    return KubeObject(.services, namespace: "ns", name: name, body: body)
}

private func slice(_ service: String, port: Int, name: String = "", _ addresses: [(String, Bool, Bool)]) -> KubeObject {
    let endpoints: [JSON] = addresses.map { ip, ready, serving in
        ["addresses": [.string(ip)], "conditions": ["ready": JSON(ready), "serving": JSON(serving)]]
    }
    let ports: JSON = [["name": .string(name), "port": JSON(port), "protocol": "TCP"]]
    return KubeObject(
        .endpointSlices,
        namespace: "ns",
        name: service + "-abc",
        labels: ["kubernetes.io/service-name": service],
        body: ["addressType": "IPv4", "endpoints": .array(endpoints), "ports": ports]
    )
}

private let network = InstanceNetwork(
    id: "0a1b2c3d",
    podCIDR: IPv4Range(IPv4Address(rawValue: 0x0a40_0000), prefixLength: 16),
    serviceCIDR: IPv4Range(IPv4Address(rawValue: 0x0a41_0000), prefixLength: 16)
)

@Suite struct NetworkServiceRulesetTests {
    @Test func `A service balances over its ready endpoints only`() throws {
        let ports = ServicePort.all(
            services: [service("web", spec: ["clusterIP": "10.65.0.9", "ports": [["port": 80]]])],
            slices: [
                slice(
                    "web",
                    port: 8080,
                    [("10.64.0.2", true, true), ("10.64.0.3", false, true), ("10.64.0.4", true, true)]
                )
            ]
        )
        let port = try #require(ports.first)
        #expect(port.endpoints.map(\.description) == ["10.64.0.2 . 8080", "10.64.0.4 . 8080"])
        let rules = ServiceRuleset(ports)
        let chain = try #require(rules.addresses["10.65.0.9 . tcp . 80"])
        #expect(rules.chains[chain]?.first?.contains("numgen random mod 2") == true)
        #expect(rules.hairpins.contains("10.64.0.4 . 10.64.0.4"))
    }

    @Test func `With no ready endpoint those that still serve are used`() {
        let ports = ServicePort.all(
            services: [service("web", spec: ["clusterIP": "10.65.0.9", "ports": [["port": 80]]])],
            slices: [slice("web", port: 8080, [("10.64.0.3", false, true), ("10.64.0.4", false, false)])]
        )
        #expect(ports.first?.endpoints.map(\.ip.description) == ["10.64.0.3"])
    }

    @Test func `A service without endpoints is refused on every address and node port`() {
        let rules = ServiceRuleset(
            ServicePort.all(
                services: [
                    service(
                        "web",
                        spec: [
                            "type": "LoadBalancer", "clusterIP": "10.65.0.9", "externalIPs": ["203.0.113.5"],
                            "ports": [["port": 80, "nodePort": 30080]],
                        ],
                        ingress: "10.64.255.1"
                    )
                ],
                slices: []
            )
        )
        #expect(
            rules.refusedAddresses == [
                "10.65.0.9 . tcp . 80", "203.0.113.5 . tcp . 80", "10.64.255.1 . tcp . 80",
            ]
        )
        #expect(rules.refusedNodePorts == ["tcp . 30080"])
        #expect(rules.chains.isEmpty)
    }

    @Test func `Headless and ExternalName services have no rules`() {
        let ports = ServicePort.all(
            services: [
                service("a", spec: ["clusterIP": "None", "ports": [["port": 80]]]),
                service("b", spec: ["type": "ExternalName", "externalName": "x.org", "ports": [["port": 80]]]),
            ],
            slices: []
        )
        #expect(ports.isEmpty)
    }

    @Test func `Session affinity keeps one set per endpoint`() {
        let rules = ServiceRuleset(
            ServicePort.all(
                services: [
                    service(
                        "web",
                        spec: [
                            "clusterIP": "10.65.0.9", "sessionAffinity": "ClientIP", "ports": [["port": 80]],
                            "sessionAffinityConfig": ["clientIP": ["timeoutSeconds": 60]],
                        ]
                    )
                ],
                slices: [slice("web", port: 8080, [("10.64.0.2", true, true), ("10.64.0.3", true, true)])]
            )
        )
        #expect(rules.affinitySets.count == 2)
        #expect(rules.affinitySets.values.allSatisfy { $0 == 60 })
    }

    @Test func `A change touches only what differs`() {
        func rules(_ second: String) -> ServiceRuleset {
            ServiceRuleset(
                ServicePort.all(
                    services: [
                        service("a", spec: ["clusterIP": "10.65.0.9", "ports": [["port": 80]]]),
                        service("b", spec: ["clusterIP": "10.65.0.10", "ports": [["port": 80]]]),
                    ],
                    slices: [
                        slice("a", port: 1, [("10.64.0.2", true, true)]),
                        slice("b", port: 1, [(second, true, true)]),
                    ]
                )
            )
        }
        let script = rules("10.64.0.4").changeScript(from: rules("10.64.0.3"), table: "t")
        #expect(!script.contains("10.65.0.9 "))
        #expect(script.contains("delete element ip t addresses { 10.65.0.10 . tcp . 80 }"))
        #expect(script.contains("add element ip t addresses { 10.65.0.10 . tcp . 80 : goto s_"))
        #expect(rules("10.64.0.4").changeScript(from: rules("10.64.0.4"), table: "t").isEmpty)
    }

    @Test func `Load balancer addresses are unique and are taken back`() {
        let range = network.loadBalancerRange
        let other = service("o", spec: ["type": "LoadBalancer"], ingress: "10.64.255.1")
        let mine = service("m", spec: ["type": "LoadBalancer"])
        #expect(
            LoadBalancerAddresses.decide(mine, among: [other, mine], range: range)
                == .assign(IPv4Address("10.64.255.2")!)
        )
        #expect(LoadBalancerAddresses.decide(other, among: [other, mine], range: range) == .keep)
        let changed = service("o", spec: ["type": "ClusterIP"], ingress: "10.64.255.1")
        #expect(LoadBalancerAddresses.decide(changed, among: [], range: range) == .clear)
        let foreign = service("f", spec: ["type": "LoadBalancer", "loadBalancerClass": "other/lb"])
        #expect(LoadBalancerAddresses.decide(foreign, among: [], range: range) == .keep)
    }
}

@Suite struct NetworkRangeTests {
    @Test func `Ranges in use are avoided`() throws {
        let first = try #require(InstanceNetwork.choose(id: "00000001", taken: []))
        let second = try #require(InstanceNetwork.choose(id: "00000001", taken: [first.podCIDR]))
        #expect(!second.podCIDR.overlaps(first.podCIDR))
        let all = IPv4Range("10.0.0.0/8")!
        let third = try #require(InstanceNetwork.choose(id: "00000001", taken: [all]))
        #expect(third.podCIDR.description == "172.20.0.0/16")
        #expect(third.serviceCIDR.description == "172.21.0.0/16")
    }

    @Test func `An instance id must be eight hexadecimal digits`() {
        #expect(throws: NodeAgentError.self) { try InstanceNetwork.choose(id: "Hello") }
    }

    @Test func `Routes are read in host byte order`() {
        let table = """
            Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
            eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
            """
        #expect(HostNetwork.routes(table).map(\.description) == ["0.0.0.0/0", "192.0.2.0/24"])
    }

    @Test(arguments: ["1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.x", "+1.2.3.4", ""])
    func `Malformed addresses are refused`(text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test func `Leases survive a restart and addresses go round`() throws {
        let folder = NSTemporaryFolder.make()
        defer { NSTemporaryFolder.remove(folder) }
        let range = IPv4Range("10.64.3.0/24")!
        var leases = try AddressLeases(folder: folder, range: range)
        let first = try leases.acquire(podUID: "u1", pod: "ns/a")
        let second = try leases.acquire(podUID: "u2", pod: "ns/b")
        #expect(first.address.description == "10.64.3.2")
        #expect(try leases.acquire(podUID: "u1", pod: "ns/a") == first)
        _ = try leases.release("u1")
        #expect(try leases.acquire(podUID: "u3", pod: "ns/c").address.description == "10.64.3.4")
        var again = try AddressLeases(folder: folder, range: range)
        #expect(again.lease("u2") == second)
        #expect(try again.acquire(podUID: "u2", pod: "ns/b") == second)
    }

    @Test func `A full range is said to be full`() throws {
        let folder = NSTemporaryFolder.make()
        defer { NSTemporaryFolder.remove(folder) }
        var leases = try AddressLeases(folder: folder, range: IPv4Range("10.64.3.0/24")!)
        for index in 0..<253 { _ = try leases.acquire(podUID: "u\(index)", pod: "ns/p") }
        #expect(throws: NodeAgentError.self) { try leases.acquire(podUID: "more", pod: "ns/p") }
    }

    @Test func `Only dropping input and forward chains of others are opened`() throws {
        let listing = try JSON(
            parsing: """
                {"nftables": [{"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}},
                {"chain": {"family": "ip", "table": "filter", "name": "OUTPUT", "hook": "output", "policy": "drop"}},
                {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "accept"}},
                {"rule": {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 7, "comment": "outrigger_1"}}]}
                """
        )
        #expect(HostFirewall.droppingChains(listing).map(\.name) == ["FORWARD"])
        #expect(HostFirewall.rules(listing, comment: "outrigger_1").map(\.handle) == [7])
    }
}
