import KubeCore
import Testing

@testable import KubeControllers

@Suite struct EndpointSlicePlanTests {
    private let service = owned(
        KubeObject(
            .services,
            namespace: "default",
            name: "web",
            body: ["spec": ["selector": ["app": "a"], "ports": [["name": "http", "port": 80, "targetPort": 8080]]]]
        )
    )

    private func backends(_ pods: [KubeObject]) -> [ServiceBackend] {
        ServiceBackend.all(of: service, pods: pods, nodes: ["n1"])
    }

    @Test func `Ready, serving and terminating follow the pod`() {
        let plan = EndpointSlicePlan(
            service: service,
            backends: backends([
                runningPod("ready"), runningPod("starting", isReady: false), runningPod("leaving", isTerminating: true),
                runningPod("done", phase: "Succeeded"), runningPod("lost", node: "n9"),
                runningPod("no-address", ip: nil),
            ]),
            existing: [],
            zones: [:]
        )
        let endpoints = plan.create.first?["endpoints"]?.arrayValue ?? []
        let states = Dictionary(
            endpoints.map { ($0["targetRef"]?["name"]?.stringValue ?? "", $0["conditions"]) },
            uniquingKeysWith: { first, _ in first }
        )
        #expect(states.count == 3)
        #expect(states["ready"] == ["ready": true, "serving": true, "terminating": false])
        #expect(states["starting"] == ["ready": false, "serving": false, "terminating": false])
        #expect(states["leaving"] == ["ready": false, "serving": true, "terminating": true])
        #expect(plan.create.first?["ports"]?[0]?["port"] == 8080)
        #expect(plan.create.first?.labels["kubernetes.io/service-name"] == "web")
    }

    @Test func `A service without pods has one empty slice, and nothing changes twice`() {
        let plan = EndpointSlicePlan(service: service, backends: [], existing: [], zones: [:])
        #expect(plan.create.count == 1 && plan.create.first?["endpoints"] == [])
        let made = owned(plan.create[0], uid: "s1")
        let again = EndpointSlicePlan(service: service, backends: [], existing: [made], zones: [:])
        #expect(again == EndpointSlicePlan(service: service, backends: [], existing: [made], zones: [:]))
        #expect(again.create.isEmpty && again.update.isEmpty && again.delete.isEmpty)
        let filled = EndpointSlicePlan(
            service: service,
            backends: backends([runningPod("a")]),
            existing: [made],
            zones: [:]
        )
        #expect(filled.create.isEmpty && filled.update.count == 1)
    }

    @Test func `More than a hundred pods take a second slice, and one pod touches one`() {
        let many = (0..<150).map { runningPod("p\($0)", ip: "10.0.0.\($0)") }
        let plan = EndpointSlicePlan(service: service, backends: backends(many), existing: [], zones: [:])
        #expect(plan.create.map { $0["endpoints"]?.arrayValue?.count } == [100, 50])
        let slices = plan.create.enumerated().map { owned($0.element, uid: "s\($0.offset)") }
        let less = EndpointSlicePlan(
            service: service,
            backends: backends(Array(many.dropLast())),
            existing: slices,
            zones: [:]
        )
        #expect(less.update.count == 1 && less.create.isEmpty && less.delete.isEmpty)
    }

    @Test func `Endpoints part ready from not ready`() {
        let subsets = EndpointsPlan.subsets(
            of: service,
            backends: backends([runningPod("a"), runningPod("b", isReady: false, ip: "10.0.0.2")])
        )
        #expect(subsets[0]?["addresses"]?.arrayValue?.count == 1)
        #expect(subsets[0]?["notReadyAddresses"]?[0]?["ip"] == "10.0.0.2")
        #expect(subsets[0]?["ports"]?[0]?["name"] == "http")
    }
}

@Suite struct GarbageTests {
    private func object(
        _ name: String,
        owner: OwnerReference? = nil,
        finalizers: [String] = [],
        isTerminating: Bool = false
    ) -> KubeObject {
        var object = owned(KubeObject(.configMaps, namespace: "default", name: name))
        if let owner { object.ownerReferences = [owner] }
        object.finalizers = finalizers
        if isTerminating { object["metadata", "deletionTimestamp"] = "2024-05-01T10:05:00Z" }
        return object
    }

    @Test func `Dependents are looked at when their owner goes, or was never there`() {
        var graph = OwnerGraph()
        let owner = object("owner")
        let first = graph.upsert(.configMaps, owner)
        #expect(first.isEmpty)
        let present = graph.upsert(.configMaps, object("child", owner: owner.controllerReference()))
        #expect(present.isEmpty)
        let gone = graph.remove(uid: "uid-owner")
        #expect(gone == ["uid-child"])
        let absent = graph.upsert(.configMaps, object("lost", owner: owner.controllerReference()))
        #expect(absent == ["uid-lost"])
    }

    @Test func `An owner that waits is looked at when its last dependent goes`() {
        var graph = OwnerGraph()
        let owner = object("owner")
        _ = graph.upsert(.configMaps, owner)
        _ = graph.upsert(.configMaps, object("child", owner: owner.controllerReference()))
        let waiting = graph.upsert(
            .configMaps,
            object("owner", finalizers: ["foregroundDeletion"], isTerminating: true)
        )
        #expect(waiting == ["uid-owner"])
        let done = graph.remove(uid: "uid-child")
        #expect(done == ["uid-owner"])
    }

    @Test func `An owner of another namespace owns nothing`() {
        var graph = OwnerGraph()
        _ = graph.upsert(.configMaps, object("owner"))
        var child = object("child", owner: object("owner").controllerReference())
        child.namespace = "other"
        let look = graph.upsert(.configMaps, child)
        #expect(look == ["uid-child"])
    }

    @Test func `Verdicts follow the owners`() {
        let owner = object("owner").controllerReference()
        let child = object("child", owner: owner)
        func judge(_ present: Int, _ absent: Int, _ waiting: Int, dependents: Bool = false) -> GarbageVerdict {
            .judge(
                child,
                present: Array(repeating: owner, count: present),
                absent: Array(repeating: owner, count: absent),
                waiting: Array(repeating: owner, count: waiting),
                hasDependents: dependents
            )
        }
        #expect(judge(0, 0, 0) == .keep)
        #expect(judge(1, 0, 0) == .keep)
        #expect(judge(1, 1, 0) == .detach([owner.uid]))
        #expect(judge(0, 1, 0) == .delete(.background))
        #expect(judge(0, 0, 1, dependents: true) == .delete(.foreground))
    }
}

@Suite struct NodeAndDaemonTests {
    private func node(
        _ name: String,
        ready: String = "True",
        taints: [JSON] = [],
        labels: [String: String] = [:]
    ) -> KubeObject {
        owned(
            KubeObject(
                .nodes,
                name: name,
                labels: labels,
                body: [
                    "spec": ["taints": .array(taints)],
                    "status": ["conditions": [["type": "Ready", "status": .string(ready)]]],
                ]
            )
        )
    }

    @Test func `Taints follow the node's conditions and keep the time they were added`() {
        let lost = NodeLifecyclePlan.taints(of: node("a", ready: "Unknown"), now: "t1") ?? []
        #expect(lost.compactMap { $0["effect"]?.stringValue } == ["NoSchedule", "NoExecute"])
        #expect(lost.allSatisfy { $0["key"] == "node.kubernetes.io/unreachable" })
        #expect(NodeLifecyclePlan.taints(of: node("a", ready: "Unknown", taints: lost), now: "t2") == nil)
        let own: JSON = ["key": "mine", "effect": "NoSchedule"]
        #expect(NodeLifecyclePlan.taints(of: node("a", taints: lost + [own]), now: "t2") == [own])
    }

    @Test func `Pods leave a tainted node when their toleration ends`() {
        let taint: JSON = [
            "key": "node.kubernetes.io/unreachable", "effect": "NoExecute",
            "timeAdded": .string(Timestamp.text(seconds: testNow - 100)),
        ]
        var pod = runningPod("p")
        #expect(TaintEvictionPlan(pod: pod, taints: [taint], now: testNow) == .evict(after: 0))
        pod["spec", "tolerations"] = [
            [
                "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": 300,
            ]
        ]
        #expect(TaintEvictionPlan(pod: pod, taints: [taint], now: testNow) == .evict(after: 200))
        pod["spec", "tolerations"] = [["operator": "Exists"]]
        #expect(TaintEvictionPlan(pod: pod, taints: [taint], now: testNow) == .stay)
    }

    @Test func `A daemon set covers the nodes that qualify, by affinity on their names`() {
        let set = workload(.daemonSets, "agent", more: [:])
        let tainted: JSON = ["key": "gpu", "effect": "NoSchedule"]
        let plan = DaemonSetPlan(
            daemonSet: set,
            nodes: [node("a"), node("b", taints: [tainted]), node("c")],
            pods: [],
            hash: "h",
            now: testNow
        )
        #expect(plan.create == ["a", "c"] && plan.desired == 2)
        let pod = DaemonSetPlan.pod(set, node: "a", hash: "h")
        #expect(DaemonSetPlan.target(of: pod) == "a")
        #expect((pod["spec", "tolerations"]?.arrayValue?.count ?? 0) >= 5)
    }

    @Test func `A daemon set's update replaces as many pods as may be missing`() {
        let set = workload(.daemonSets, "agent", more: [:])
        let labels = ["app": "a", DaemonSetPlan.hashLabel: "old"]
        let pods = [runningPod("p-a", labels: labels, node: "a"), runningPod("p-b", labels: labels, node: "b")]
        let plan = DaemonSetPlan(daemonSet: set, nodes: [node("a"), node("b")], pods: pods, hash: "new", now: testNow)
        #expect(plan.delete.count == 1 && plan.updated == 0 && plan.available == 2)
    }
}

@Suite struct StatefulSetPlanTests {
    private func pod(_ ordinal: Int, hash: String = "new", isReady: Bool = true) -> KubeObject {
        runningPod("db-\(ordinal)", labels: ["app": "a", DaemonSetPlan.hashLabel: hash], isReady: isReady)
    }

    private func plan(_ replicas: Int, _ pods: [KubeObject], more: [String: JSON] = [:]) -> StatefulSetPlan {
        StatefulSetPlan(
            statefulSet: workload(.statefulSets, "db", replicas: replicas, more: more),
            pods: pods,
            currentHash: "old",
            updateHash: "new",
            now: testNow
        )
    }

    @Test func `Pods are made one after the other, each when the one before is ready`() {
        #expect(plan(3, []).create.map(\.ordinal) == [0])
        #expect(plan(3, [pod(0, isReady: false)]).create.isEmpty)
        #expect(plan(3, [pod(0)]).create.map(\.ordinal) == [1])
        #expect(plan(3, [], more: ["podManagementPolicy": "Parallel"]).create.map(\.ordinal) == [0, 1, 2])
    }

    @Test func `Scaling down goes from the highest`() {
        #expect(plan(1, [pod(0), pod(1), pod(2)]).delete.map(\.name) == ["db-2"])
    }

    @Test func `A rolling update goes from the highest down to the partition`() {
        let rolling: [String: JSON] = ["updateStrategy": ["type": "RollingUpdate", "rollingUpdate": ["partition": 1]]]
        let old = [pod(0, hash: "old"), pod(1, hash: "old"), pod(2, hash: "old")]
        #expect(plan(3, old, more: rolling).delete.map(\.name) == ["db-2"])
        let half = [pod(0, hash: "old"), pod(1, hash: "old"), pod(2)]
        #expect(plan(3, half, more: rolling).delete.map(\.name) == ["db-1"])
        let done = [pod(0, hash: "old"), pod(1), pod(2)]
        #expect(plan(3, done, more: rolling).delete.isEmpty)
    }

    @Test func `Pods have their names, claims and place in DNS`() {
        let template: JSON = ["metadata": ["name": "data"], "spec": ["accessModes": ["ReadWriteOnce"]]]
        let set = workload(
            .statefulSets,
            "db",
            replicas: 1,
            more: ["serviceName": "db", "volumeClaimTemplates": [template]]
        )
        let pod = StatefulSetPlan.pod(set, ordinal: 0, template: set["spec", "template"], hash: "h")
        #expect(pod.name == "db-0" && pod["spec", "hostname"] == "db-0" && pod["spec", "subdomain"] == "db")
        #expect(pod["spec", "volumes"]?[0]?["persistentVolumeClaim"]?["claimName"] == "data-db-0")
        #expect(StatefulSetPlan.claims(set, ordinal: 0).map(\.object.name) == ["data-db-0"])
    }
}

@Suite struct SmallPlanTests {
    @Test func `A budget counts what may go`() {
        let budget = owned(
            KubeObject(.podDisruptionBudgets, namespace: "default", name: "b", body: ["spec": ["minAvailable": "50%"]])
        )
        let status = DisruptionBudgetPlan.status(
            of: budget,
            pods: [runningPod("a"), runningPod("b"), runningPod("c", isReady: false)],
            expected: 3,
            now: "t"
        )
        #expect(status["desiredHealthy"] == 2 && status["currentHealthy"] == 2 && status["disruptionsAllowed"] == 0)
    }

    @Test func `Load balancers are told where they are reached`() {
        var service = KubeObject(.services, namespace: "default", name: "s", body: ["spec": ["type": "LoadBalancer"]])
        #expect(
            LoadBalancerController.status(of: service, addresses: ["10.1.0.1"])
                == ["ingress": [["ip": "10.1.0.1", "ipMode": "VIP"]]]
        )
        service["spec", "type"] = "ClusterIP"
        #expect(LoadBalancerController.status(of: service, addresses: ["10.1.0.1"]) == [:])
    }

    @Test func `The oldest finished pods go when there are too many`() {
        let pods = (0..<4).map { runningPod("p\($0)", phase: "Succeeded", created: "2024-05-01T1\($0):00:00Z") }
        #expect(PodGarbageController.surplus(pods, limit: 2).map(\.name) == ["p0", "p1"])
    }

    @Test func `What remains in a namespace is said`() {
        var content = NamespaceContent()
        content.remaining = ["pods": 2]
        content.finalizers = ["x/y": 1]
        let status = content.status(of: KubeObject(.namespaces, name: "n"), now: "t")
        let remaining = ConditionList(status["conditions"])["NamespaceContentRemaining"]
        #expect(
            remaining?["message"]
                == "Some resources are remaining: pods has 2 resource instances"
        )
        #expect(status["phase"] == "Terminating")
    }

    @Test func `Schedules are read and followed`() throws {
        let start = Timestamp.seconds("2024-05-01T10:20:30Z") ?? 0
        func next(_ text: String) throws -> String? {
            try CronSchedule(text, timeZone: nil).next(after: start).map { Timestamp.text(seconds: $0) }
        }
        #expect(try next("*/15 * * * *") == "2024-05-01T10:30:00Z")
        #expect(try next("0 9 * * mon-fri") == "2024-05-02T09:00:00Z")
        #expect(try next("0 0 29 2 *") == "2028-02-29T00:00:00Z")
        #expect(try next("@hourly") == "2024-05-01T11:00:00Z")
        #expect(throws: CronScheduleError.self) { try CronSchedule("61 * * * *", timeZone: nil) }
        #expect(throws: CronScheduleError.self) { try CronSchedule("* * *", timeZone: nil) }
    }

    @Test func `The smallest volume that fits is taken`() {
        func volume(_ name: String, _ size: String) -> KubeObject {
            owned(
                KubeObject(
                    StorageTypes.persistentVolumes,
                    name: name,
                    body: ["spec": ["capacity": ["storage": .string(size)], "accessModes": ["ReadWriteOnce"]]]
                )
            )
        }
        let claim = owned(
            KubeObject(
                .persistentVolumeClaims,
                namespace: "default",
                name: "c",
                body: ["spec": ["accessModes": ["ReadWriteOnce"], "resources": ["requests": ["storage": "2Gi"]]]]
            )
        )
        let match = VolumePlan.match(claim, among: [volume("s", "1Gi"), volume("l", "9Gi"), volume("m", "3Gi")])
        #expect(match?.name == "m")
    }
}
