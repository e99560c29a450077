import KubeCore
import Testing

@testable import Scheduling

@Suite struct ResourcesTests {
    @Test func `App containers and sidecars add up, other init containers count by their largest`() {
        let spec: JSON = [
            "containers": [
                ["resources": ["requests": ["cpu": "500m", "memory": "1Gi"]]],
                ["resources": ["requests": ["cpu": "1", "nvidia.com/gpu": "1"]]],
            ],
            "initContainers": [
                ["restartPolicy": "Always", "resources": ["requests": ["cpu": "250m"]]],
                ["resources": ["requests": ["cpu": "2", "memory": "3Gi"]]],
            ],
        ]
        let requests = Resources.requests(ofPodSpec: spec)
        #expect(requests.cpu == 2250)
        #expect(requests.memory == 3 << 30)
        #expect(requests["nvidia.com/gpu"] == 1)
        #expect(requests.pods == 1)
    }

    @Test func `Amounts are written as people write them`() {
        #expect(Resources.text(1500, of: "cpu") == "1500m")
        #expect(Resources.text(2 << 30, of: "memory") == "2Gi")
        #expect(Resources.text(4, of: "nvidia.com/gpu") == "4")
    }
}

@Suite struct PlacementTests {
    private func cluster(_ nodes: [KubeObject], _ pods: [KubeObject] = []) -> Cluster {
        var cluster = Cluster()
        for node in nodes { cluster.upsertNode(node) }
        for pod in pods { cluster.upsertPod(PodRequirements(pod)) }
        return cluster
    }

    private func message(_ decision: PlacementDecision) -> String? {
        if case .unfit(let why) = decision { why.message } else { nil }
    }

    private func place(_ pod: PodRequirements, in cluster: Cluster) -> PlacementDecision {
        var copy = cluster
        return copy.place(pod, policy: .spread)
    }

    private func place(_ pod: KubeObject, in cluster: Cluster, _ policy: ScoringPolicy = .spread) -> PlacementDecision {
        var copy = cluster
        return copy.place(PodRequirements(pod), policy: policy)
    }

    @Test func `The sentence for too little cpu is upstream's`() {
        let cluster = cluster([testNode("a", cpu: "1")])
        let decision = place(testPod("p", cpu: "2"), in: cluster)
        #expect(message(decision) == "0/1 nodes are available: 1 Insufficient cpu.")
    }

    @Test func `Each reason is counted`() {
        let cluster = cluster([
            testNode("a", cpu: "1"), testNode("b", isUnschedulable: true),
            testNode("c", taints: [["key": "gpu", "value": "yes", "effect": "NoSchedule"]]),
        ])
        let decision = place(testPod("p", cpu: "2"), in: cluster)
        #expect(
            message(decision)
                == "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {gpu: yes}, "
                + "1 node(s) were unschedulable."
        )
    }

    @Test func `Without nodes that is what is said`() {
        let cluster = Cluster()
        #expect(
            message(place(testPod("p"), in: cluster))
                == "no nodes available to schedule pods"
        )
    }

    @Test func `The emptiest node is taken, and what is placed counts`() {
        let cluster = cluster([testNode("a"), testNode("b")], [testPod("old", cpu: "2", node: "a")])
        let pod = testPod("p", cpu: "1")
        #expect(place(pod, in: cluster) == .node("b"))
        #expect(place(pod, in: cluster, .pack) == .node("a"))
    }

    @Test func `Extended resources, selectors and node affinity decide`() {
        var cluster = cluster([
            testNode("a", extended: ["nvidia.com/gpu": "1"]), testNode("b", labels: ["zone": "x"]),
        ])
        let gpu = PodRequirements(testPod("g", requests: ["nvidia.com/gpu": "1"]))
        #expect(place(gpu, in: cluster) == .node("a"))
        cluster.assume(gpu, on: "a")
        #expect(
            message(place(testPod("h", requests: ["nvidia.com/gpu": "1"]), in: cluster))
                == "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
        )
        let selected = PodRequirements(testPod("s", spec: ["nodeSelector": ["zone": "x"]]))
        #expect(place(selected, in: cluster) == .node("b"))
        let term: JSON = ["matchFields": [["key": "metadata.name", "operator": "In", "values": ["b"]]]]
        let required: JSON = ["nodeSelectorTerms": [term]]
        let affinity: JSON = ["nodeAffinity": ["requiredDuringSchedulingIgnoredDuringExecution": required]]
        #expect(place(testPod("d", spec: ["affinity": affinity]), in: cluster) == .node("b"))
    }

    @Test func `Host ports collide unless they are on different addresses`() {
        func pod(_ name: String, _ address: String?, node: String? = nil) -> KubeObject {
            var port: [String: JSON] = ["containerPort": 80, "hostPort": 8080]
            port["hostIP"] = address.map(JSON.string)
            let container: JSON = ["name": "main", "image": "x", "ports": [.object(port)]]
            return testPod(name, node: node, spec: ["containers": [container]])
        }
        let cluster = cluster([testNode("a")], [pod("old", "10.0.0.1", node: "a")])
        #expect(place(pod("p", "10.0.0.2"), in: cluster) == .node("a"))
        #expect(
            message(place(pod("q", nil), in: cluster))
                == "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
        )
    }

    @Test func `Anti-affinity holds both ways, affinity lets the first pod in`() {
        func affinity(_ kind: String) -> [String: JSON] {
            let term: JSON = [
                "labelSelector": ["matchLabels": ["app": "a"]], "topologyKey": "kubernetes.io/hostname",
            ]
            return ["affinity": [kind: ["requiredDuringSchedulingIgnoredDuringExecution": [term]]]]
        }
        var cluster = cluster([testNode("a"), testNode("b")])
        let first = PodRequirements(testPod("p0", labels: ["app": "a"], spec: affinity("podAntiAffinity")))
        guard case .node(let node) = cluster.place(first, policy: .spread) else {
            Issue.record("the first pod did not fit")
            return
        }
        cluster.assume(first, on: node)
        let other = node == "a" ? "b" : "a"
        let plain = PodRequirements(testPod("p1", labels: ["app": "a"]))
        #expect(place(plain, in: cluster) == .node(other))
        cluster.assume(plain, on: other)
        let third = PodRequirements(testPod("p2", labels: ["app": "a"], spec: affinity("podAntiAffinity")))
        #expect(message(place(third, in: cluster))?.contains("anti-affinity") == true)
        let near = PodRequirements(testPod("n", labels: ["app": "b"], spec: affinity("podAffinity")))
        if case .unfit = place(near, in: cluster) { Issue.record("affinity to a placed pod failed") }
    }

    @Test func `A pod that ends gives its resources back once`() {
        var cluster = cluster([testNode("a", cpu: "1")], [testPod("p", cpu: "1", node: "a")])
        let isFreed = cluster.upsertPod(PodRequirements(testPod("p", cpu: "1", node: "a", phase: "Succeeded")))
        let isFreedAgain = cluster.removePod(ObjectKey(namespace: "default", name: "p"))
        #expect(isFreed)
        #expect(!isFreedAgain)
        #expect(cluster.node("a")?.used.cpu == 0)
    }
}

@Suite struct SchedulerStateTests {
    @Test func `Pods go by priority and then by age`() {
        var state = SchedulerState(schedulerName: "default-scheduler")
        state.apply(.node(testNode("a", cpu: "2")), now: 0)
        state.apply(.pod(testPod("low", cpu: "1")), now: 0)
        state.apply(.pod(testPod("old", cpu: "1")), now: 0)
        state.apply(.pod(testPod("high", cpu: "1", priority: 10)), now: 0)
        var order: [String] = []
        while let decision = state.decide(now: 0) {
            if case .bind(let pod, _) = decision { order.append(pod.key.name) }
        }
        #expect(order == ["high", "low"])
    }

    @Test func `A pod that does not fit waits for a change and its back-off`() {
        var state = SchedulerState(schedulerName: "default-scheduler")
        state.apply(.pod(testPod("p", cpu: "1")), now: 0)
        guard case .unschedulable = state.decide(now: 0) else {
            Issue.record("it was placed without a node")
            return
        }
        let second = state.decide(now: 0)
        #expect(second == nil)
        _ = state.wake(now: 5)
        let third = state.decide(now: 5)
        #expect(third == nil)
        state.apply(.node(testNode("a")), now: 5)
        _ = state.wake(now: 5)
        guard case .bind(_, let node) = state.decide(now: 5) else {
            Issue.record("it was not placed after the node came")
            return
        }
        #expect(node == "a")
    }

    @Test func `Pods of other schedulers only take room, gated ones wait`() {
        var state = SchedulerState(schedulerName: "default-scheduler")
        state.apply(.node(testNode("a", cpu: "1")), now: 0)
        state.apply(.pod(testPod("v", cpu: "1", scheduler: "volcano")), now: 0)
        let foreign = state.decide(now: 0)
        #expect(foreign == nil)
        state.apply(.pod(testPod("v", cpu: "1", node: "a", scheduler: "volcano")), now: 0)
        state.apply(.pod(testPod("g", cpu: "1", spec: ["schedulingGates": [["name": "x"]]])), now: 0)
        guard case .gated = state.decide(now: 0) else {
            Issue.record("the gate was not said")
            return
        }
        state.apply(.pod(testPod("g", cpu: "1")), now: 0)
        guard case .unschedulable = state.decide(now: 0) else {
            Issue.record("the other scheduler's pod was not counted")
            return
        }
    }
}
