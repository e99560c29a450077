import Foundation
import KubeCore
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import NodeAgent

/// These need root.
///
/// They run in a network namespace of their own: the outer test starts this very test program in it.
@Suite struct NetworkNamespaceTests {
    private static let marker = "OUTRIGGER_NETWORK_TEST_NAMESPACE"
    private static let isInside = ProcessInfo.processInfo.environment[marker] != nil
    private static let canRun = geteuid() == 0 && FileManager.default.fileExists(atPath: "/usr/sbin/nft")

    @Test(.enabled(if: canRun && !isInside), .timeLimit(.minutes(3)))
    func `Pods and services reach each other in a private network namespace`() throws {
        let name = "outrigger-test-\(getpid())"
        try #require(try runProgram(["ip", "netns", "add", name]).status == 0)
        defer { _ = try? runProgram(["ip", "netns", "del", name]) }
        try runProgram(["ip", "-n", name, "link", "set", "lo", "up"])
        var command = try String(contentsOfFile: "/proc/self/cmdline", encoding: .utf8).split(separator: "\0").map(
            String.init
        )
        command[0] = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        if let index = command.firstIndex(of: "--filter") {
            command.removeSubrange(index..<min(index + 2, command.count))
        }
        let result = try runProgram(
            ["timeout", "-s", "KILL", "60", "ip", "netns", "exec", name] + command + [
                "--filter", "NetworkNamespaceTests",
            ],
            environment: [Self.marker: name]
        )
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.contains("inside the namespace") && result.output.contains("passed"), "\(result.output)")
    }

    @Test(.enabled(if: isInside), .timeLimit(.minutes(2)))
    func `inside the namespace`() async throws {
        let network = try InstanceNetwork.choose(id: "00c0ffee")
        try await network.ensure()
        try await network.ensure()
        let folder = NSTemporaryFolder.make()
        defer { NSTemporaryFolder.remove(folder) }
        var pods: [TestPod] = []
        defer { for pod in pods { pod.stop() } }
        let logger = Logger(label: "test")
        let cni = try BridgePodNetwork(network: network, nodeIndex: 0, stateFolder: folder + "/0", logger: logger)
        let other = try BridgePodNetwork(network: network, nodeIndex: 1, stateFolder: folder + "/1", logger: logger)
        for (index, plugin) in [cni, cni, other].enumerated() {
            let pod = try TestPod(name: "orpod\(index)-\(getpid())", answer: "pod\(index)")
            pods.append(pod)
            let address = try await plugin.attach(
                podUID: "uid-\(index)",
                namespace: "ns",
                name: pod.name,
                netnsPath: pod.path
            )
            #expect(
                try await plugin.attach(podUID: "uid-\(index)", namespace: "ns", name: pod.name, netnsPath: pod.path)
                    == address
            )
            pod.address = address.ip
            try pod.serve()
        }
        // Host to pod, pod to pod on the same and on another node.
        for pod in pods { #expect(try fetch("\(pod.address):8080") == pod.answer) }
        #expect(try fetch("\(pods[1].address):8080", from: pods[0]) == "pod1")
        #expect(try fetch("\(pods[2].address):8080", from: pods[0]) == "pod2")

        let services = Self.services(network, pods)
        try await NetworkTool.applyRules(ServiceRuleset(services).fullScript(network))
        let cluster = "\(network.serviceCIDR.address(9)):80"
        for source in [nil, pods[0], pods[2]] {
            var seen: Set<String> = []
            for _ in 0..<24 { seen.insert(try fetch(cluster, from: source)) }
            #expect(seen == ["pod0", "pod2"], "from \(source?.name ?? "the host")")
        }
        // A pod through its own service, node ports on loopback and the bridge, load balancer, host port.
        #expect(try fetch("\(network.serviceCIDR.address(10)):80", from: pods[1]) == "pod1")
        #expect(try fetch("127.0.0.1:30081") == "pod1")
        #expect(try fetch("\(network.gateway):30081") == "pod1")
        #expect(try fetch("\(network.gateway):30081", from: pods[1]) == "pod1")
        #expect(try fetch("\(network.loadBalancerRange.address(1)):80") == "pod1")
        #expect(try fetch("\(network.loadBalancerRange.address(1)):80", from: pods[0]) == "pod1")
        let sticky = "\(network.serviceCIDR.address(11)):80"
        let first = try fetch(sticky, from: pods[1])
        for _ in 0..<20 { #expect(try fetch(sticky, from: pods[1]) == first) }
        // An unrelated change keeps it.
        let changed = ServiceRuleset(Array(services.dropFirst()))
        try await NetworkTool.applyRules(
            changed.changeScript(from: ServiceRuleset(services), table: network.serviceTable)
        )
        for _ in 0..<20 { #expect(try fetch(sticky, from: pods[1]) == first) }
        // Refused at once: no endpoints, and an address that no service has.
        for port in [
            "\(network.serviceCIDR.address(12)):80", "\(network.serviceCIDR.address(99)):80", "127.0.0.1:30089",
        ] {
            let answer = try fetch(port)
            #expect(answer == "refused", "\(port)")
            guard !port.hasPrefix("127") else { continue }
            let fromPod = try fetch(port, from: pods[0])
            #expect(fromPod == "refused", "\(port) from a pod")
        }
        try await cni.publish(
            podUID: "uid-0",
            address: PodAddress(
                ip: pods[0].address,
                prefixLength: 32,
                gateway: network.gateway.description,
                dnsServer: network.gateway.description
            ),
            hostPorts: [PodHostPort(transport: .tcp, hostPort: 18080, containerPort: 8080)]
        )
        #expect(try fetch("127.0.0.1:18080") == "pod0")
        #expect(try fetch("\(network.gateway):18080", from: pods[2]) == "pod0")
        #expect(try fetch("\(network.gateway):18080", from: pods[0]) == "pod0")
        await #expect(throws: NodeAgentError.self) {
            try await cni.publish(
                podUID: "uid-1",
                address: PodAddress(ip: pods[1].address, prefixLength: 32, gateway: "", dnsServer: ""),
                hostPorts: [PodHostPort(transport: .tcp, hostPort: 18080, containerPort: 8080)]
            )
        }
        // A new process of the agent knows its pods and frees those that are gone.
        let restarted = try BridgePodNetwork(network: network, nodeIndex: 0, stateFolder: folder + "/0", logger: logger)
        try await restarted.retain(podUIDs: ["uid-1"])
        #expect(try fetch("127.0.0.1:18080") == "refused")
        #expect(try fetch("\(pods[1].address):8080") == "pod1")
        try await Self.runServices(network, pods[1]) { try fetch($0) }
        try await restarted.detach(podUID: "uid-1")
        try await restarted.detach(podUID: "uid-1")
        try await network.remove()
        try await network.remove()
        let rest = try runProgram(["sh", "-c", "nft list tables; ip -o link; ip route"]).output
        #expect(!rest.contains("outrigger_") && !rest.contains("or00c0ffee") && !rest.contains("orv"), "\(rest)")
    }

    private static func services(_ network: InstanceNetwork, _ pods: [TestPod]) -> [ServicePort] {
        func port(_ index: Int, _ pods: [TestPod]) -> ServicePort {
            ServicePort(
                name: "ns/s\(index):80",
                transport: "tcp",
                port: 80,
                nodePort: 30071 + index,
                clusterIPs: [network.serviceCIDR.address(index)],
                externalIPs: [],
                loadBalancerIPs: index == 10 ? [network.loadBalancerRange.address(1)] : [],
                sourceRanges: [],
                affinitySeconds: index == 11 ? 60 : nil,
                endpoints: pods.compactMap { pod in
                    IPv4Address(pod.address).map { ServicePort.Endpoint(ip: $0, port: 8080) }
                }
            )
        }
        return [port(9, [pods[0], pods[2]]), port(10, [pods[1]]), port(11, pods), port(12, [])].map { service in
            var service = service
            if service.name == "ns/s12:80" { service.nodePort = 30089 }
            return service
        }
    }

    /// From objects of the API to a working address and name.
    private static func runServices(
        _ network: InstanceNetwork,
        _ pod: TestPod,
        _ fetch: (String) throws -> String
    ) async throws {
        let address = "\(network.serviceCIDR.address(40))"
        let service = KubeObject(
            .services,
            namespace: "ns",
            name: "web",
            body: ["spec": ["clusterIP": .string(address), "ports": [["port": 80]]]]
        )
        let endpoints: JSON = [["addresses": [.string(pod.address)], "conditions": ["ready": true]]]
        let slice = KubeObject(
            .endpointSlices,
            namespace: "ns",
            name: "web-1",
            labels: [ServicePort.serviceNameLabel: "web"],
            body: ["addressType": "IPv4", "endpoints": endpoints, "ports": [["port": 8080, "protocol": "TCP"]]]
        )
        let services = ServiceNetwork(
            api: FixedObjects(objects: [service, slice]),
            network: network,
            logger: Logger(label: "test")
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            var answer = ""
            for _ in 0..<100 where answer != "pod1" {
                try await Task.sleep(for: .milliseconds(20))
                answer = try fetch("\(address):80")
            }
            #expect(answer == "pod1")
            let forwarder = DNSForwarder(group: MultiThreadedEventLoopGroup.singleton) { [network.gateway] }
            let message = DNSResponder.message(name: DNSName("web.ns.svc.cluster.local"), type: .a, id: 9)
            let bytes = try await forwarder.ask(try DNSQuery(message), message: message, overTCP: true).get()
            #expect(DNSResponse(bytes)?.answers.map(\.content) == [.a(network.serviceCIDR.address(40))])
            group.cancelAll()
            while let ended = await group.nextResult() { _ = ended }
        }
    }

    /// The body, or `refused`, or another failure of curl.
    private func fetch(_ target: String, from pod: TestPod? = nil) throws -> String {
        let enter = pod.map { ["ip", "netns", "exec", $0.name] } ?? []
        let result = try runProgram(enter + ["curl", "-s", "--noproxy", "*", "-m", "1", "http://\(target)/"])
        switch result.status {
        case 0: return result.output
        case 7: return "refused"
        default: return "curl exit \(result.status)"
        }
    }
}

/// A network namespace with a small web server.
private final class TestPod {
    let name: String
    let answer: String
    var address = ""
    private var server: Int32?

    var path: String { "/var/run/netns/" + name }

    init(name: String, answer: String) throws {
        self.name = name
        self.answer = answer
        try #require(try runProgram(["ip", "netns", "add", name]).status == 0)
    }

    func serve() throws {
        let program = """
            import http.server
            class H(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    self.send_response(200); self.send_header('content-length', '\(answer.utf8.count)'); self.end_headers()
                    self.wfile.write(b'\(answer)')
                def log_message(self, *a): pass
            s = http.server.ThreadingHTTPServer(('0.0.0.0', 8080), H)
            import sys
            open(sys.argv[1], 'w').close()
            s.serve_forever()
            """
        // The shell ends at once and leaves the server behind, which is up when its file is there.
        let ready = NSTemporaryDirectory() + "/" + name
        let line =
            "ip netns exec \(name) python3 -c \(quoted(program)) \(ready) >/dev/null 2>&1 & echo $!; while [ ! -e \(ready) ]; do sleep 0.05; done; rm \(ready)"
        server = Int32(runShell(line).output.split(separator: "\n").first ?? "")
    }

    func stop() {
        if let server { kill(server, SIGKILL) }
        _ = try? runProgram(["ip", "netns", "del", name])
    }
}
