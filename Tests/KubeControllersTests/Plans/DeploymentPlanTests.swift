import KubeCore
import Testing

@testable import KubeControllers

@Suite struct DeploymentPlanTests {
    private func replicaSet(
        _ deployment: KubeObject,
        _ name: String,
        replicas: Int,
        available: Int? = nil,
        image: String = "v1",
        revision: Int = 1,
        desired: Int? = nil,
        created: String = "2024-05-01T10:00:00Z"
    ) -> KubeObject {
        var set = workload(.replicaSets, name, replicas: replicas, image: image)
        set["metadata", "creationTimestamp"] = .string(created)
        let count = desired ?? DeploymentFacts(deployment).replicas
        set.annotations = [
            DeploymentNames.revision: "\(revision)", DeploymentNames.desiredReplicas: "\(count)",
            DeploymentNames.maxReplicas: "\(count + 1)",
        ]
        let up = available ?? replicas
        set["status"] = [
            "replicas": JSON(replicas), "availableReplicas": JSON(up), "readyReplicas": JSON(up),
            "observedGeneration": 1,
        ]
        return set
    }

    private func strategy(surge: JSON, unavailable: JSON) -> [String: JSON] {
        ["strategy": ["type": "RollingUpdate", "rollingUpdate": ["maxSurge": surge, "maxUnavailable": unavailable]]]
    }

    private func sizes(_ plan: DeploymentPlan) -> [String: Int] {
        Dictionary(plan.scalings.map { ($0.replicaSet.name, $0.to) }, uniquingKeysWith: { _, last in last })
    }

    @Test func `A new deployment gets its replica set at full size`() {
        let deployment = workload(.deployments, "web", replicas: 3)
        let plan = DeploymentPlan(deployment: deployment, replicaSets: [], hasOldPods: false)
        #expect(plan.create?.wantedReplicas == 3)
        #expect(plan.revision == 1)
        let hash = plan.create?.labels[DeploymentNames.hashLabel] ?? ""
        #expect(plan.create?.name == "web-\(hash)")
        #expect(plan.create?["spec", "selector", "matchLabels", "pod-template-hash"]?.stringValue == hash)
    }

    @Test func `A rolling update surges first, then takes the old down as the new become available`() {
        let deployment = workload(
            .deployments,
            "web",
            replicas: 4,
            image: "v2",
            more: strategy(surge: 1, unavailable: 1)
        )
        let old = replicaSet(deployment, "old", replicas: 4)
        let first = DeploymentPlan(deployment: deployment, replicaSets: [old], hasOldPods: false)
        #expect(first.create?.wantedReplicas == 1)
        #expect(first.revision == 2)
        let new = replicaSet(deployment, "new", replicas: 1, available: 0, image: "v2", revision: 2)
        let second = DeploymentPlan(deployment: deployment, replicaSets: [old, new], hasOldPods: false)
        #expect(sizes(second) == ["old": 3])
        let ready = replicaSet(deployment, "new", replicas: 2, available: 2, image: "v2", revision: 2)
        let third = DeploymentPlan(
            deployment: deployment,
            replicaSets: [replicaSet(deployment, "old", replicas: 3), ready],
            hasOldPods: false
        )
        #expect(sizes(third) == ["old": 1])
    }

    @Test func `Old pods that never became available go first`() {
        let deployment = workload(
            .deployments,
            "web",
            replicas: 4,
            image: "v3",
            more: strategy(surge: 1, unavailable: 0)
        )
        let broken = replicaSet(
            deployment,
            "broken",
            replicas: 1,
            available: 0,
            image: "v2",
            revision: 2,
            created: "2024-05-01T11:00:00Z"
        )
        let old = replicaSet(deployment, "old", replicas: 4)
        let new = replicaSet(deployment, "new", replicas: 0, image: "v3", revision: 3, created: "2024-05-01T12:00:00Z")
        let plan = DeploymentPlan(deployment: deployment, replicaSets: [broken, old, new], hasOldPods: false)
        #expect(sizes(plan) == ["broken": 0])
    }

    @Test func `Recreate waits for the last old pod`() {
        let deployment = workload(
            .deployments,
            "web",
            replicas: 2,
            image: "v2",
            more: ["strategy": ["type": "Recreate"]]
        )
        let old = replicaSet(deployment, "old", replicas: 2)
        let first = DeploymentPlan(deployment: deployment, replicaSets: [old], hasOldPods: true)
        #expect(sizes(first) == ["old": 0] && first.create == nil)
        let empty = replicaSet(deployment, "old", replicas: 0)
        #expect(DeploymentPlan(deployment: deployment, replicaSets: [empty], hasOldPods: true).create == nil)
        #expect(
            DeploymentPlan(deployment: deployment, replicaSets: [empty], hasOldPods: false).create?.wantedReplicas == 2
        )
    }

    @Test func `Going back to an old template takes its replica set up again with a new revision`() {
        let deployment = workload(.deployments, "web", replicas: 1, image: "v1")
        let first = replicaSet(deployment, "first", replicas: 0, image: "v1", revision: 1)
        let second = replicaSet(deployment, "second", replicas: 1, image: "v2", revision: 2)
        let plan = DeploymentPlan(deployment: deployment, replicaSets: [first, second], hasOldPods: false)
        #expect(plan.create == nil && plan.foundExisting)
        #expect(plan.revision == 3)
        #expect(plan.update.first { $0.name == "first" }?.annotations[DeploymentNames.revisionHistory] == "1")
        #expect(sizes(plan)["first"] == 1)
    }

    @Test func `Scaling in the middle of a rollout is spread by size`() {
        let deployment = workload(
            .deployments,
            "web",
            replicas: 20,
            image: "v2",
            more: strategy(surge: 0, unavailable: 1)
        )
        let old = replicaSet(deployment, "old", replicas: 8, desired: 10)
        let new = replicaSet(
            deployment,
            "new",
            replicas: 2,
            available: 1,
            image: "v2",
            revision: 2,
            desired: 10,
            created: "2024-05-01T11:00:00Z"
        )
        let plan = DeploymentPlan(deployment: deployment, replicaSets: [old, new], hasOldPods: false)
        #expect(sizes(plan).values.reduce(0, +) == 20)
        #expect((sizes(plan)["old"] ?? 0) > (sizes(plan)["new"] ?? 0))
    }

    @Test func `A paused deployment scales but does not roll`() {
        let deployment = workload(.deployments, "web", replicas: 3, image: "v2", more: ["paused": true])
        let old = replicaSet(deployment, "old", replicas: 1, desired: 1)
        let plan = DeploymentPlan(deployment: deployment, replicaSets: [old], hasOldPods: false)
        #expect(plan.create == nil)
        #expect(sizes(plan) == ["old": 3])
    }

    @Test func `History beyond the limit goes once the rollout is complete`() {
        let deployment = workload(.deployments, "web", replicas: 1, image: "v9", more: ["revisionHistoryLimit": 1])
        let old = (1...3).map { replicaSet(deployment, "old\($0)", replicas: 0, image: "v\($0)", revision: $0) }
        let new = replicaSet(deployment, "new", replicas: 1, image: "v9", revision: 9)
        let plan = DeploymentPlan(deployment: deployment, replicaSets: old + [new], hasOldPods: false)
        #expect(plan.delete.map(\.name) == ["old1", "old2"])
    }

    @Test func `Conditions follow the rollout and its deadline`() {
        let deployment = workload(.deployments, "web", replicas: 1, more: ["progressDeadlineSeconds": 60])
        let waiting = replicaSet(deployment, "new", replicas: 1, available: 0)
        let created = DeploymentStatus(
            deployment: deployment,
            replicaSets: [waiting],
            step: .created("new"),
            collisionCount: nil,
            now: testNow
        )
        let conditions = ConditionList(created.status["conditions"])
        #expect(conditions["Progressing"]?["reason"] == "NewReplicaSetCreated")
        #expect(conditions.status("Available") == "False")
        #expect(created.secondsToDeadline == 60)
        var later = deployment
        later["status"] = created.status
        let late = DeploymentStatus(
            deployment: later,
            replicaSets: [waiting],
            step: .none,
            collisionCount: nil,
            now: testNow + 61
        )
        let progressing = ConditionList(late.status["conditions"])["Progressing"]
        #expect(progressing?["reason"] == "ProgressDeadlineExceeded" && progressing?["status"] == "False")
        later["status"] = late.status
        let done = DeploymentStatus(
            deployment: later,
            replicaSets: [replicaSet(deployment, "new", replicas: 1)],
            step: .none,
            collisionCount: nil,
            now: testNow + 62
        )
        let complete = ConditionList(done.status["conditions"])["Progressing"]
        #expect(complete?["reason"] == "NewReplicaSetAvailable")
        #expect(done.status["availableReplicas"] == 1 && done.secondsToDeadline == nil)
    }
}
