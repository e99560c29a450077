import Foundation
import KubeCore
import Logging
import TestSupport
import Testing

@testable import NodeAgent

/// Gives every pod an address without making an interface.
private struct PaperNetwork: PodNetwork {
    func attach(podUID: String, namespace: String, name: String, netnsPath: String) async throws -> PodAddress {
        PodAddress(ip: "10.255.0.2", prefixLength: 24, gateway: "10.255.0.1", dnsServer: "10.255.0.1")
    }

    func detach(podUID: String) async throws {}
}

/// A node with an API server of its own; nothing of it is left when `run` returns.
private struct TestNode: Sendable {
    let api: any ResourceAPI
    let configuration: NodeAgentConfiguration
    let logger: Logger

    /// nil when pods can be run here, otherwise why not.
    static let obstacle: Comment? = {
        if getuid() != 0 { return "pods need root" }
        if !FileManager.default.isExecutableFile(atPath: "/usr/sbin/runc") { return "runc is not installed" }
        if monitor == nil { return "outrigger-monitor is not built" }
        return nil
    }()

    static let monitor: String? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let candidates = [
            ProcessInfo.processInfo.environment["OUTRIGGER_MONITOR"] ?? "",
            root.path + "/.build/debug/outrigger-monitor",
            root.path + "/.build/release/outrigger-monitor",
        ]
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    static func run(_ body: (TestNode) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "/outrigger-node-" + UUID().uuidString.prefix(8)
        let instance = "test-" + UUID().uuidString.prefix(8).lowercased()
        var logger = Logger(label: "node")
        logger.logLevel = .warning
        let log = logger
        try await TestCluster.run { cluster in
            var configuration = NodeAgentConfiguration(
                dataDirectory: folder,
                instanceName: instance,
                nodeName: "n1",
                hostIP: "127.0.0.1"
            )
            configuration.monitorPath = monitor ?? ""
            configuration.volumeRefreshInterval = .milliseconds(200)
            try await cluster.api.create(.serviceAccounts, .serviceAccount("default"))
            let node = TestNode(api: cluster.api, configuration: configuration, logger: log)
            let result = await Result.catching { try await body(node) }
            let removal = await Result.catching {
                try await NodeAgent.removeEverything(dataDirectory: folder, instanceName: instance, logger: log)
                try Files.remove(folder)
            }
            try result.get()
            try removal.get()
            #expect(!Mounts.table().contains { $0.target.hasPrefix(folder) })
            #expect(Cgroups.folders("/outrigger/" + instance).isEmpty)
        }
    }

    /// Runs an agent beside `body`; its pods outlive it.
    func withAgent<T: Sendable>(_ body: () async throws -> T) async throws -> T {
        let agent = try NodeAgent(configuration: configuration, api: api, network: PaperNetwork(), logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await agent.run() }
            let result = await Result.catching { try await body() }
            group.cancelAll()
            try await group.waitForAll()
            return try result.get()
        }
    }

    func create(_ name: String, _ spec: JSON) async throws {
        var spec = spec
        spec["nodeName"] = "n1"
        spec["automountServiceAccountToken"] = false
        if spec["terminationGracePeriodSeconds"] == nil { spec["terminationGracePeriodSeconds"] = 1 }
        try await api.create(.pods, KubeObject(.pods, namespace: "default", name: name, body: ["spec": spec]))
    }

    func pod(_ name: String) async throws -> KubeObject { try await api.get(.pods, namespace: "default", name: name) }

    func wait(_ name: String, for what: String, _ condition: @escaping (KubeObject) -> Bool) async throws -> KubeObject
    {
        try await eventually("pod \(name): \(what)", timeout: .seconds(20)) {
            let pod = try await self.pod(name)
            return condition(pod) ? pod : nil
        }
    }

    func log(_ pod: KubeObject, _ container: String = "main", attempt: Int = 0) throws -> String {
        let paths = NodePaths(dataDirectory: configuration.dataDirectory, nodeName: "n1")
        let path = paths.logs(namespace: "default", name: pod.name, uid: pod.uid) + "/\(container)/\(attempt).log"
        return try String(contentsOfFile: path, encoding: .utf8)
    }

    static func container(_ script: String, name: String = "main", _ more: [String: JSON] = [:]) -> JSON {
        var members: [String: JSON] = [
            "name": .string(name), "image": "outrigger.ml/host:1", "command": ["sh", "-c", .string(script)],
        ]
        members.merge(more) { _, new in new }
        return .object(members)
    }
}

@Suite(
    "Pods on this machine",
    .serialized,
    .enabled(if: TestNode.obstacle == nil, TestNode.obstacle ?? "pods cannot be run here"),
    .timeLimit(.minutes(1))
)
struct PodRunTests {
    private func phase(_ pod: KubeObject) -> String? { pod["status", "phase"]?.stringValue }
    private func state(_ pod: KubeObject) -> JSON? { pod["status", "containerStatuses"]?[0]?["state"] }

    @Test("A pod runs to its end on the host image, which hides secrets, and its deletion leaves nothing")
    func runsToTheEnd() async throws {
        try await TestNode.run { node in
            try await node.withAgent {
                let script =
                    "echo out; echo err >&2; hostname; cat /etc/shadow; ls -A /home /root; echo why > /dev/termination-log; exit 3"
                try await node.create("a", ["restartPolicy": "Never", "containers": [TestNode.container(script)]])
                let pod = try await node.wait("a", for: "end") { phase($0) == "Failed" }
                let end = state(pod)?["terminated"]
                #expect(end?["exitCode"] == 3)
                #expect(end?["reason"] == "Error")
                #expect(end?["message"] == "why\n")
                let lines = try node.log(pod).split(separator: "\n").compactMap { LogLine(Array($0.utf8)) }
                #expect(
                    lines.filter { $0.stream == "stdout" }.map { String(decoding: $0.text, as: UTF8.self) } == [
                        "out", "a", "/home:", "", "/root:",
                    ]
                )
                #expect(
                    lines.filter { $0.stream == "stderr" }.map { String(decoding: $0.text, as: UTF8.self) } == ["err"]
                )
                try await node.api.delete(.pods, namespace: "default", name: "a", options: DeleteOptions())
                let pods = node.configuration.dataDirectory + "/nodes/n1/pods"
                try await eventuallyTrue("the pod's folder goes") { Files.list(pods).isEmpty }
            }
        }
    }

    @Test("Containers outlive the agent, and the next one takes them over without starting anything twice")
    func adoption() async throws {
        try await TestNode.run { node in
            let spec: JSON = [
                "containers": [
                    TestNode.container(
                        "echo start; while [ ! -e /flag/f ]; do sleep 0.05; done; exit 5",
                        ["volumeMounts": [["name": "f", "mountPath": "/flag"]]]
                    )
                ], "restartPolicy": "Never", "volumes": [["name": "f", "emptyDir": [:]]],
            ]
            let first = try await node.withAgent {
                try await node.create("a", spec)
                return try await node.wait("a", for: "running") { phase($0) == "Running" }
            }
            let id = first["status", "containerStatuses"]?[0]?["containerID"]
            let own = NodePaths(dataDirectory: node.configuration.dataDirectory, nodeName: "n1").pod(first.uid)
            guard case .running = own.container("main", attempt: 0).presence() else {
                Issue.record("the container ended with its agent")
                return
            }
            // It ends while no agent looks.
            try Files.write(own.volume("f") + "/f", "")
            try await eventuallyTrue("the container ends") { Files.exists(own.container("main", attempt: 0).exit) }
            let last = try await node.withAgent { try await node.wait("a", for: "end") { phase($0) == "Failed" } }
            #expect(state(last)?["terminated"]?["exitCode"] == 5)
            #expect(last["status", "containerStatuses"]?[0]?["containerID"] == id)
            #expect(try node.log(last).split(separator: "\n").count == 1)
        }
    }

    @Test("A failing container is started again at once, then waits")
    func crashLoop() async throws {
        try await TestNode.run { node in
            try await node.withAgent {
                try await node.create("a", ["containers": [TestNode.container("echo run; exit 1")]])
                let pod = try await node.wait("a", for: "CrashLoopBackOff") {
                    state($0)?["waiting"]?["reason"] == "CrashLoopBackOff"
                }
                let entry = pod["status", "containerStatuses"]?[0]
                #expect(entry?["restartCount"] == 1)
                #expect(entry?["lastState"]?["terminated"]?["exitCode"] == 1)
                #expect(try node.log(pod, attempt: 0).contains("run"))
                #expect(try node.log(pod, attempt: 1).contains("run"))
            }
        }
    }

    @Test("Init containers, a sidecar and volumes work together; sidecars end with the work")
    func initAndSidecar() async throws {
        try await TestNode.run { node in
            try await node.api.create(.configMaps, .configMap("cm", data: ["k": "v1"]))
            try await node.withAgent {
                let mounts: JSON = [["name": "e", "mountPath": "/e"], ["name": "c", "mountPath": "/c"]]
                let side = TestNode.container(
                    "trap 'exit 0' TERM; while :; do sleep 0.05; done",
                    name: "side",
                    ["restartPolicy": "Always"]
                )
                let prepare = TestNode.container("cat /c/k > /e/first", name: "prepare", ["volumeMounts": mounts])
                let main = TestNode.container(
                    "cat /e/first; until grep -q v2 /c/k; do sleep 0.05; done; echo updated",
                    ["volumeMounts": mounts]
                )
                let spec: JSON = [
                    "restartPolicy": "Never", "initContainers": [side, prepare], "containers": [main],
                    "volumes": [["name": "e", "emptyDir": [:]], ["name": "c", "configMap": ["name": "cm"]]],
                ]
                try await node.create("a", spec)
                _ = try await node.wait("a", for: "running") { phase($0) == "Running" }
                try await node.api.patch(
                    .configMaps,
                    ObjectKey(namespace: "default", name: "cm"),
                    .merge(["data": ["k": "v2"]])
                )
                let pod = try await node.wait("a", for: "end") { phase($0) == "Succeeded" }
                #expect(try node.log(pod).contains("F v1"[...].dropFirst(2)))
                #expect(try node.log(pod).contains("updated"))
                #expect(pod["status", "initContainerStatuses"]?[0]?["state"]?["terminated"] != nil)
            }
        }
    }

    @Test("Deletion runs preStop, asks politely, and confirms at the API")
    func gracefulDeletion() async throws {
        try await TestNode.run { node in
            try await node.withAgent {
                let hook: JSON = ["preStop": ["exec": ["command": ["sh", "-c", "echo pre > /proc/1/fd/1"]]]]
                let script = "trap 'echo term; exit 0' TERM; while :; do sleep 0.05; done"
                try await node.create(
                    "a",
                    [
                        "terminationGracePeriodSeconds": 20,
                        "containers": [TestNode.container(script, ["lifecycle": hook])],
                    ]
                )
                let pod = try await node.wait("a", for: "running") { phase($0) == "Running" }
                let finalized = try await node.api.patch(
                    .pods,
                    pod.key,
                    .merge(["metadata": ["finalizers": ["example.com/wait"]]])
                )
                try await node.api.delete(.pods, namespace: "default", name: "a", options: DeleteOptions())
                let last = try await node.wait("a", for: "end") { phase($0) == "Succeeded" }
                let texts = try node.log(finalized).split(separator: "\n").compactMap { LogLine(Array($0.utf8)) }
                #expect(texts.map { String(decoding: $0.text, as: UTF8.self) } == ["pre", "term"])
                #expect(state(last)?["terminated"]?["reason"] == "Completed")
                try await node.api.patch(.pods, pod.key, .merge(["metadata": ["finalizers": .null]]))
                try await eventuallyTrue("the pod goes") {
                    try await node.api.find(.pods, namespace: "default", name: "a") == nil
                }
            }
        }
    }

    @Test("Memory beyond the limit is OOMKilled; what cannot start says why")
    func failures() async throws {
        try await TestNode.run { node in
            try await node.withAgent {
                let hungry = TestNode.container(
                    "head -c 200M /dev/zero | tail",
                    ["resources": ["limits": ["memory": "16Mi"]]]
                )
                try await node.create("oom", ["restartPolicy": "Never", "containers": [hungry]])
                try await node.create(
                    "nostart",
                    [
                        "restartPolicy": "Never",
                        "containers": [["name": "main", "image": "outrigger.ml/host:1", "command": ["/nope"]]],
                    ]
                )
                let reference: JSON = ["name": "X", "valueFrom": ["configMapKeyRef": ["name": "no", "key": "k"]]]
                try await node.create("config", ["containers": [TestNode.container("sleep 9", ["env": [reference]])]])
                let oom = try await node.wait("oom", for: "end") { phase($0) == "Failed" }
                #expect(state(oom)?["terminated"]?["reason"] == "OOMKilled")
                let nostart = try await node.wait("nostart", for: "end") { phase($0) == "Failed" }
                #expect(state(nostart)?["terminated"]?["reason"] == "StartError")
                #expect(state(nostart)?["terminated"]?["exitCode"] == 128)
                #expect(state(nostart)?["terminated"]?["message"]?.stringValue?.contains("/nope") == true)
                let config = try await node.wait("config", for: "reason") {
                    state($0)?["waiting"]?["reason"] == "CreateContainerConfigError"
                }
                #expect(state(config)?["waiting"]?["message"] == "configmap \"no\" not found")
            }
        }
    }

    @Test("A replaced image is said on the pod and in an event")
    func mappedImage() async throws {
        try await TestNode.run { node in
            try await node.withAgent {
                try await node.create(
                    "a",
                    [
                        "restartPolicy": "Never",
                        "containers": [TestNode.container("true", ["image": "example.com/x:1"])],
                    ]
                )
                let pod = try await node.wait("a", for: "end") { phase($0) == "Succeeded" }
                #expect(pod.annotations[mappedImagesAnnotation] == "example.com/x:1")
                try await eventuallyTrue("the event comes") {
                    try await node.api.list(.events, namespace: "default").items.contains {
                        $0["reason"] == "ImageMapped"
                    }
                }
            }
        }
    }

    @Test("Probes mark readiness and restart what fails")
    func probes() async throws {
        try await TestNode.run { node in
            try await node.withAgent {
                let ready: JSON = ["exec": ["command": ["test", "-e", "/tmp/ready"]], "periodSeconds": 1]
                let alive: JSON = [
                    "exec": ["command": ["test", "!", "-e", "/tmp/dead"]], "periodSeconds": 1, "failureThreshold": 1,
                ]
                try await node.create(
                    "a",
                    [
                        "containers": [
                            TestNode.container(
                                "trap 'exit 0' TERM; sleep 1; touch /tmp/ready; sleep 1; touch /tmp/dead; while :; do sleep 0.1; done",
                                ["readinessProbe": ready, "livenessProbe": alive]
                            )
                        ]
                    ]
                )
                _ = try await node.wait("a", for: "not ready") {
                    phase($0) == "Running" && !$0.isConditionTrue("Ready")
                }
                _ = try await node.wait("a", for: "ready") { $0.isConditionTrue("Ready") }
                _ = try await node.wait("a", for: "restart") {
                    $0["status", "containerStatuses"]?[0]?["restartCount"] == 1
                }
            }
        }
    }

    @Test("A pod that ended before this node's disk was made keeps its end, and is not run again")
    func endedLongAgo() async throws {
        try await TestNode.run { node in
            try await node.create("a", ["restartPolicy": "Never", "containers": [TestNode.container("exit 1")]])
            var pod = try await node.pod("a")
            pod["status"] = [
                "phase": "Succeeded",
                "containerStatuses": [
                    [
                        "name": "main", "ready": false, "restartCount": 0, "image": "i", "imageID": "",
                        "state": ["terminated": ["exitCode": 0, "reason": "Completed"]],
                    ]
                ],
            ]
            try await node.api.updateStatus(.pods, pod)
            let changes = try await node.api.watch(.pods, namespace: "default", options: WatchOptions())
            try await node.withAgent {
                // Behind it in the queue of the agent, and looked after at the same time.
                try await node.create("b", ["restartPolicy": "Never", "containers": [TestNode.container("exit 0")]])
                let record = NodePaths(dataDirectory: node.configuration.dataDirectory, nodeName: "n1").pod(pod.uid)
                    .record
                try await eventuallyTrue("the agent is done with it") { PodRecord.load(record)?.isTornDown == true }
                _ = try await node.wait("b", for: "end") { phase($0) == "Succeeded" }
                try await node.api.delete(.pods, namespace: "default", name: "a", options: DeleteOptions())
                var phases: Set<String> = []
                watching: for try await event in changes {
                    switch event {
                    case .added(let object), .modified(let object):
                        if object.name == "a" { phases.insert(phase(object) ?? "") }
                    case .deleted(let object): if object.name == "a" { break watching }
                    case .bookmark: continue
                    }
                }
                #expect(phases == ["Succeeded"])
            }
        }
    }

    @Test("The node registers with its capacity and a Lease")
    func registration() async throws {
        try await TestNode.run { node in
            try await node.withAgent {
                let object = try await eventually("the node is ready") {
                    let object = try await node.api.find(.nodes, name: "n1")
                    return object?.isConditionTrue("Ready") == true ? object : nil
                }
                #expect(object["status", "capacity", "pods"] == "110")
                #expect(object["status", "nodeInfo", "bootID"]?.stringValue == Machine.bootID)
                let lease = try await eventually("the lease") {
                    try await node.api.find(.leases, namespace: "kube-node-lease", name: "n1")
                }
                #expect(lease["spec", "holderIdentity"] == "n1")
            }
        }
    }
}
