import KubeCore
import Testing

@testable import KubeControllers

@Suite struct ReplicaSetPlanTests {
    @Test func `Missing pods are made, finished and leaving ones do not count`() {
        let set = workload(.replicaSets, "web", replicas: 3)
        let pods = [
            runningPod("a"), runningPod("b", phase: "Failed"), runningPod("c", isTerminating: true),
        ]
        #expect(ReplicaSetPlan(replicaSet: set, pods: pods, now: testNow).podsToCreate == 2)
    }

    @Test func `Surplus pods go in upstream's order`() {
        let set = workload(.replicaSets, "web", replicas: 1)
        let pods = [
            runningPod("ready-old", created: "2024-05-01T08:00:00Z"),
            runningPod("unassigned", node: nil, phase: "Pending", isReady: false),
            runningPod("pending", node: "n2", phase: "Pending", isReady: false),
            runningPod("not-ready", node: "n3", isReady: false),
        ]
        let plan = ReplicaSetPlan(replicaSet: set, pods: pods, now: testNow)
        #expect(plan.podsToDelete.map(\.name) == ["unassigned", "pending", "not-ready"])
    }

    @Test func `Status counts what is there`() {
        let set = workload(.replicaSets, "web", replicas: 2, more: ["minReadySeconds": 10])
        let fresh: JSON = [
            "type": "Ready", "status": "True", "lastTransitionTime": .string(Timestamp.text(seconds: testNow - 1)),
        ]
        var young = runningPod("young")
        young["status", "conditions"] = [fresh]
        let status = ReplicaSetPlan.status(
            of: set,
            pods: [runningPod("a"), young],
            failure: ("FailedCreate", "no"),
            now: testNow
        )
        #expect(status["replicas"] == 2 && status["readyReplicas"] == 2 && status["availableReplicas"] == 1)
        #expect(ConditionList(status["conditions"]).isTrue("ReplicaFailure"))
        #expect(status["observedGeneration"] == 1)
    }

    @Test func `The hash of a template depends only on what it holds`() {
        let one: JSON = ["metadata": ["labels": ["a": "1", "b": "2"]], "spec": [:]]
        let same: JSON = ["spec": [:], "metadata": ["labels": ["b": "2", "a": "1"]]]
        #expect(PodTemplate.hash(one) == PodTemplate.hash(same))
        #expect(PodTemplate.hash(one) != PodTemplate.hash(one, collisions: 1))
    }

    @Test func `Numbers and percentages are resolved as asked`() {
        #expect(IntOrPercent.resolve("25%", of: 10, roundingUp: true) == 3)
        #expect(IntOrPercent.resolve("25%", of: 10, roundingUp: false) == 2)
        #expect(IntOrPercent.resolve(4, of: 10, roundingUp: true) == 4)
        #expect(IntOrPercent.resolve("many", of: 10, roundingUp: true) == nil)
    }

    @Test func `An owner keeps, adopts and releases by its selector`() {
        let set = workload(.replicaSets, "web")
        let ownership = Ownership(
            owner: set,
            selector: LabelSelector(matching: ["app": "a"]),
            owned: [runningPod("mine"), runningPod("changed", labels: ["app": "b"])],
            orphans: [runningPod("free"), runningPod("other", labels: ["app": "b"])]
        )
        #expect(ownership.kept.map(\.name) == ["mine"])
        #expect(ownership.adopted.map(\.name) == ["free"])
        #expect(ownership.released.map(\.name) == ["changed"])
    }
}
