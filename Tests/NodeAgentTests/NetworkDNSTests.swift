import KubeCore
import KubeRuntime
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import NodeAgent

private struct Records: ClusterRecords {
    var objects: [KubeObject]

    func service(namespace: String, name: String) -> KubeObject? {
        objects.first { $0.kind == "Service" && $0.namespace == namespace && $0.name == name }
    }
    func slices(namespace: String, service: String) -> [KubeObject] {
        objects.filter {
            $0.kind == "EndpointSlice" && $0.namespace == namespace
                && $0.labels["kubernetes.io/service-name"] == service
        }
    }
    func hasServices(namespace: String) -> Bool { objects.contains { $0.namespace == namespace } }
    func services(address: String) -> [KubeObject] {
        objects.filter { $0.kind == "Service" && $0["spec", "clusterIP"]?.stringValue == address }
    }
    func slices(address: String) -> [KubeObject] {
        objects.filter { slice in
            (slice["endpoints"]?.arrayValue ?? []).contains { $0["addresses"]?.stringArray?.contains(address) == true }
        }
    }
}

private let objects: [KubeObject] = [
    KubeObject(
        .services,
        namespace: "ns",
        name: "web",
        body: ["spec": ["clusterIP": "10.65.0.9", "ports": [["name": "http", "port": 80, "protocol": "TCP"]]]]
    ),
    KubeObject(
        .services,
        namespace: "ns",
        name: "set",
        body: ["spec": ["clusterIP": "None", "ports": [["name": "db", "port": 5432, "protocol": "TCP"]]]]
    ),
    KubeObject(.services, namespace: "ns", name: "empty", body: ["spec": ["clusterIP": "None"]]),
    KubeObject(
        .services,
        namespace: "ns",
        name: "out",
        body: ["spec": ["type": "ExternalName", "externalName": "example.org"]]
    ),
    KubeObject(
        .services,
        namespace: "ns",
        name: "alias",
        body: ["spec": ["type": "ExternalName", "externalName": "web.ns.svc.cluster.local"]]
    ),
    KubeObject(
        .endpointSlices,
        namespace: "ns",
        name: "set-1",
        labels: ["kubernetes.io/service-name": "set"],
        body: [
            "addressType": "IPv4", "ports": [["name": "db", "port": 5432, "protocol": "TCP"]],
            "endpoints": [
                ["addresses": ["10.64.0.2"], "hostname": "set-0", "conditions": ["ready": true]],
                ["addresses": ["10.64.0.3"], "conditions": ["ready": true]],
                ["addresses": ["10.64.0.4"], "conditions": ["ready": false]],
            ],
        ]
    ),
]

private let zone = ClusterZone(
    domain: DNSName("cluster.local"),
    ranges: [IPv4Range(IPv4Address(rawValue: 0x0a40_0000), prefixLength: 15)],
    records: Records(objects: objects)
)

private func query(_ name: String, _ type: DNSType = .a) throws -> DNSQuery {
    try DNSQuery(DNSResponder.message(name: DNSName(name), type: type, id: 7))
}

private func answer(_ name: String, _ type: DNSType = .a) throws -> DNSAnswer {
    guard case .answer(let answer) = zone.outcome(try query(name, type)) else {
        Issue.record("\(name) is not answered by the zone")
        return DNSAnswer()
    }
    return answer
}

private func addresses(_ answer: DNSAnswer) -> [String] {
    answer.answers.compactMap { if case .a(let address) = $0.content { address.description } else { nil } }
}

@Suite struct NetworkDNSTests {
    @Test(arguments: [
        ("web.ns.svc.cluster.local", ["10.65.0.9"]),
        ("WEB.NS.svc.Cluster.Local", ["10.65.0.9"]),
        ("set.ns.svc.cluster.local", ["10.64.0.2", "10.64.0.3"]),
        ("set-0.set.ns.svc.cluster.local", ["10.64.0.2"]),
        ("10-64-0-3.set.ns.svc.cluster.local", ["10.64.0.3"]),
        ("10-64-0-9.ns.pod.cluster.local", ["10.64.0.9"]),
        ("alias.ns.svc.cluster.local", ["10.65.0.9"]),
    ])
    func `Names have addresses`(name: String, want: [String]) throws {
        let answer = try answer(name)
        #expect(answer.code == .noError)
        #expect(addresses(answer) == want)
    }

    @Test(arguments: [
        "nope.ns.svc.cluster.local", "web.other.svc.cluster.local", "empty.ns.svc.cluster.local",
        "x.web.ns.svc.cluster.local", "example.com.ns.svc.cluster.local", "foo.cluster.local",
        "_x._tcp.web.ns.svc.cluster.local",
    ])
    func `Names that do not exist are denied with the zone's SOA`(name: String) throws {
        let answer = try answer(name)
        #expect(answer.code == .nameError)
        #expect(answer.authorities.first?.content.type == .soa)
    }

    @Test(arguments: ["web.ns.svc.cluster.local", "ns.svc.cluster.local", "svc.cluster.local", "cluster.local"])
    func `Names without an address of this kind exist but are empty`(name: String) throws {
        let answer = try answer(name, .aaaa)
        #expect(answer.code == .noError)
        #expect(answer.answers.isEmpty)
        #expect(answer.authorities.first?.content.type == .soa)
    }

    @Test func `Named ports have SRV records with their targets' addresses`() throws {
        let single = try answer("_http._tcp.web.ns.svc.cluster.local", .srv)
        #expect(
            single.answers.map(\.content) == [
                .srv(priority: 0, weight: 100, port: 80, target: DNSName("web.ns.svc.cluster.local"))
            ]
        )
        let set = try answer("_db._tcp.set.ns.svc.cluster.local", .srv)
        #expect(set.answers.count == 2)
        #expect(
            set.additional.map(\.name.description).sorted() == [
                "10-64-0-3.set.ns.svc.cluster.local", "set-0.set.ns.svc.cluster.local",
            ]
        )
    }

    @Test func `Addresses have names`() throws {
        #expect(
            try answer("9.0.65.10.in-addr.arpa", .ptr).answers.map(\.content)
                == [.ptr(DNSName("web.ns.svc.cluster.local"))]
        )
        #expect(
            try answer("2.0.64.10.in-addr.arpa", .ptr).answers.map(\.content)
                == [.ptr(DNSName("set-0.set.ns.svc.cluster.local"))]
        )
        #expect(try answer("77.0.64.10.in-addr.arpa", .ptr).code == .nameError)
        #expect(zone.outcome(try query("8.8.8.8.in-addr.arpa", .ptr)) == .forward)
    }

    @Test func `Other names are forwarded, external names are followed`() throws {
        #expect(zone.outcome(try query("example.org")) == .forward)
        guard case .chase(let records, let target) = zone.outcome(try query("out.ns.svc.cluster.local")) else {
            Issue.record("not followed")
            return
        }
        #expect(target == DNSName("example.org"))
        #expect(records.map(\.content) == [.cname(DNSName("example.org"))])
    }

    @Test func `An answer that does not fit is cut and flagged`() throws {
        let query = try query("many.example")
        let records = (0..<100).map {
            DNSRecord(name: query.name, ttl: 5, content: .a(IPv4Address(rawValue: UInt32($0))))
        }
        let bytes = DNSAnswer(answers: records).encode(for: query, limit: 512)
        #expect(bytes.count <= 512)
        #expect(bytes[2] & 0x02 != 0)
        let response = try #require(DNSResponse(bytes))
        #expect(response.isTruncated)
        #expect(response.answers.count == Int(bytes[7]))
        #expect(DNSResponse(DNSAnswer(answers: records).encode(for: query, limit: 65535))?.answers == records)
    }

    @Test func `Malformed questions never trap`() {
        var generator = SystemRandomNumberGenerator()
        let good = DNSResponder.message(name: DNSName("web.ns.svc.cluster.local"), type: .a)
        for _ in 0..<2000 {
            var bytes = good
            for _ in 0..<4 {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
            guard let query = try? DNSQuery(bytes) else { continue }
            if case .answer(let answer) = zone.outcome(query) { _ = answer.encode(for: query, limit: 512) }
            _ = DNSResponse(bytes)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `Questions over UDP and TCP are answered, unknown names by the upstream, once`() async throws {
        let upstream = try await FakeUpstream.start()
        let api = FixedObjects(objects: objects)
        let logger = Logger(label: "test")
        let services = Informer(api: api, type: .services, logger: logger)
        let slices = Informer(api: api, type: .endpointSlices, logger: logger)
        let loopback = try #require(IPv4Address("127.0.0.1"))
        // The resolver never asks its own address, so the upstream listens on another one.
        let configuration = ClusterDNS.Configuration(
            address: loopback,
            port: 0,
            upstreams: [try #require(IPv4Address("127.0.0.2"))],
            upstreamPort: upstream.port
        )
        let dns = ClusterDNS(configuration: configuration, services: services, slices: slices, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            group.addTask { try await slices.run() }
            group.addTask { try await dns.run() }
            try await services.waitForSync()
            try await slices.waitForSync()
            while dns.boundPort == nil { try await Task.sleep(for: .milliseconds(5)) }
            let port = try #require(dns.boundPort)
            for overTCP in [false, true] {
                let bytes = try await ask("web.ns.svc.cluster.local", port: port, overTCP: overTCP)
                #expect(DNSResponse(bytes)?.answers.map(\.content) == [.a(IPv4Address("10.65.0.9")!)])
            }
            for _ in 0..<3 {
                let bytes = try await ask("example.org", port: port, overTCP: false)
                #expect(DNSResponse(bytes)?.answers.map(\.content) == [.a(IPv4Address("192.0.2.77")!)])
            }
            #expect(upstream.questions == 1)
            group.cancelAll()
            while let result = await group.nextResult() { _ = result }
        }
        try await upstream.stop()
    }

    private func ask(_ name: String, port: Int, overTCP: Bool) async throws -> [UInt8] {
        let forwarder = DNSForwarder(group: MultiThreadedEventLoopGroup.singleton, port: port) {
            [IPv4Address(rawValue: 0x7f00_0001)]
        }
        let message = DNSResponder.message(name: DNSName(name), type: .a, id: 9)
        return try await forwarder.ask(try DNSQuery(message), message: message, overTCP: overTCP).get()
    }
}
