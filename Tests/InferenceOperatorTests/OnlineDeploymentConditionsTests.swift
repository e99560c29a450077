import KubeCore
import MLTypes
import Testing

@testable import InferenceOperator

@Suite struct OnlineDeploymentConditionsTests {
    private let now = 1_767_225_600.0 + 1000

    private func workload(
        _ plan: OnlineDeploymentPlan,
        ready: Int,
        updated: Int,
        total: Int,
        wanted: Int = 1
    ) -> KubeObject {
        var object = plan.deployment
        object["metadata", "generation"] = 1
        object["spec", "replicas"] = JSON(wanted)
        object["status"] = [
            "observedGeneration": 1, "replicas": JSON(total), "updatedReplicas": JSON(updated),
            "readyReplicas": JSON(ready),
            "availableReplicas": JSON(ready),
        ]
        return object
    }

    private func pod(
        _ plan: OnlineDeploymentPlan,
        _ status: JSON,
        name: String = "iris-blue-1",
        old: Bool = false
    ) -> KubeObject {
        KubeObject(
            .pods,
            namespace: "default",
            name: name,
            labels: [OnlineDeploymentPlan.hashKey: old ? "0000" : plan.contentHash],
            body: ["status": status]
        )
    }

    private func container(_ state: JSON, last: JSON? = nil, restarts: Int = 0) -> JSON {
        var members: [String: JSON] = [
            "name": "inference-server", "image": "python:3.11", "ready": false, "state": state,
            "restartCount": JSON(restarts),
        ]
        members["lastState"] = last
        return ["containerStatuses": [.object(members)]]
    }

    private func status(
        _ pods: [KubeObject],
        workload: KubeObject?,
        present: OnlineDeploymentStatus? = nil,
        generation: Int = 1
    ) throws -> OnlineDeploymentStatus {
        let spec = OnlineDeploymentSpec.fixture()
        return OnlineDeploymentConditions(
            object: try spec.object(generation: generation),
            spec: spec,
            deployment: workload,
            pods: pods,
            contentHash: try spec.plan().contentHash,
            now: now
        ).status(present: present)
    }

    @Test("It is Creating until its pods are ready, and then Succeeded")
    func success() throws {
        let plan = try OnlineDeploymentSpec.fixture().plan()
        let none = try status([], workload: nil)
        #expect(none.provisioningState == "Creating" && none.message == "creating its instances")
        let loading = pod(plan, container(["running": [:]]))
        let waiting = try status([loading], workload: workload(plan, ready: 0, updated: 1, total: 1))
        #expect(waiting.provisioningState == "Creating" && waiting.message == "loading the model on pod iris-blue-1")
        let installing = pod(
            plan,
            ["initContainerStatuses": [["name": "environment-prepare", "state": ["running": [:]]]]]
        )
        #expect(
            try status([installing], workload: workload(plan, ready: 0, updated: 1, total: 1)).message
                == "installing the environment's packages on pod iris-blue-1"
        )
        let done = try status([loading], workload: workload(plan, ready: 1, updated: 1, total: 1))
        #expect(done.provisioningState == "Succeeded" && done.reason == nil && done.readyReplicas == 1)
        #expect(done.observedGeneration == 1)
    }

    @Test("A new version is Updating until the old pods are gone")
    func rollout() throws {
        let plan = try OnlineDeploymentSpec.fixture().plan()
        let old = pod(plan, container(["running": [:]]), name: "old", old: true)
        let new = pod(plan, container(["running": [:]]), name: "new")
        let present = OnlineDeploymentStatus(provisioningState: "Succeeded", observedGeneration: 1)
        let half = try status(
            [old, new],
            workload: workload(plan, ready: 2, updated: 1, total: 2),
            present: present,
            generation: 2
        )
        #expect(half.provisioningState == "Updating")
        let done = try status(
            [new],
            workload: workload(plan, ready: 1, updated: 1, total: 1),
            present: present,
            generation: 2
        )
        #expect(done.provisioningState == "Succeeded" && done.observedGeneration == 2)
    }

    struct Broken: Sendable, CustomTestStringConvertible {
        var name: String
        var status: JSON
        var wantState: String
        var wantReason: String
        var testDescription: String { name }
    }

    static let scriptLog = "ValueError: x\n\nThe above exception was the direct cause\n\nUserScriptException: y"
    static let cases: [Broken] = {
        func server(_ state: JSON, last: JSON? = nil, restarts: Int = 0) -> JSON {
            var members: [String: JSON] = [
                "name": "inference-server", "image": "python:3.11", "ready": false, "state": state,
                "restartCount": JSON(restarts),
            ]
            members["lastState"] = last
            return ["containerStatuses": [.object(members)]]
        }
        func terminated(_ code: Int, _ message: String, reason: String = "Error") -> JSON {
            ["terminated": ["exitCode": JSON(code), "message": .string(message), "reason": .string(reason)]]
        }
        func preparing(_ name: String, restarts: Int) -> JSON {
            [
                "initContainerStatuses": [
                    ["name": .string(name), "restartCount": JSON(restarts), "state": terminated(1, "pip: no")]
                ]
            ]
        }
        func unscheduled(_ since: String) -> JSON {
            let condition: JSON = [
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "lastTransitionTime": .string(since),
                "message": "0/1 nodes are available: 1 Insufficient cpu.",
            ]
            return ["conditions": [condition]]
        }
        let backOff: JSON = ["waiting": ["reason": "CrashLoopBackOff"]]
        return [
            Broken(
                name: "init() raised, at once",
                status: server(terminated(3, scriptLog)),
                wantState: "Failed",
                wantReason: "UserScriptInitFailed"
            ),
            Broken(
                name: "init() raised, seen in back-off",
                status: server(backOff, last: terminated(3, scriptLog), restarts: 1),
                wantState: "Failed",
                wantReason: "UserScriptInitFailed"
            ),
            Broken(
                name: "first crash",
                status: server(terminated(1, "boom")),
                wantState: "Creating",
                wantReason: "DeploymentCrashLoopBackOff"
            ),
            Broken(
                name: "third crash",
                status: server(backOff, last: terminated(1, "boom"), restarts: 2),
                wantState: "Failed",
                wantReason: "DeploymentCrashLoopBackOff"
            ),
            Broken(
                name: "out of memory",
                status: server(terminated(137, "", reason: "OOMKilled")),
                wantState: "Failed",
                wantReason: "PodOutOfMemory"
            ),
            Broken(
                name: "image, first try",
                status: server(["waiting": ["reason": "ErrImagePull"]]),
                wantState: "Creating",
                wantReason: "ImagePullLoopBackOff"
            ),
            Broken(
                name: "image, given up",
                status: server(["waiting": ["reason": "ImagePullBackOff"]]),
                wantState: "Failed",
                wantReason: "ImagePullLoopBackOff"
            ),
            Broken(
                name: "secret missing for long",
                status: server(["waiting": ["reason": "CreateContainerConfigError"]]),
                wantState: "Creating",
                wantReason: "ResourceNotReady"
            ),
            Broken(
                name: "environment, first try",
                status: preparing("environment-prepare", restarts: 0),
                wantState: "Creating",
                wantReason: "EnvironmentFailed"
            ),
            Broken(
                name: "environment, second try",
                status: preparing("environment-prepare", restarts: 1),
                wantState: "Failed",
                wantReason: "EnvironmentFailed"
            ),
            Broken(
                name: "download",
                status: preparing("storage-initializer", restarts: 1),
                wantState: "Failed",
                wantReason: "DataDeliveryFailed"
            ),
            Broken(
                name: "no node for ten seconds",
                status: unscheduled("2026-01-01T00:16:30Z"),
                wantState: "Creating",
                wantReason: "PodUnschedulable"
            ),
            Broken(
                name: "no node for minutes",
                status: unscheduled("2026-01-01T00:10:00Z"),
                wantState: "Failed",
                wantReason: "PodUnschedulable"
            ),
        ]
    }()

    @Test("What keeps pods from serving becomes a reason, and a failure once waiting will not help", arguments: cases)
    func broken(_ example: Broken) throws {
        let plan = try OnlineDeploymentSpec.fixture().plan()
        let result = try status([pod(plan, example.status)], workload: workload(plan, ready: 0, updated: 1, total: 1))
        #expect(result.provisioningState == example.wantState)
        #expect(result.reason == example.wantReason)
        #expect(result.message?.isEmpty == false)
        if example.wantReason == "UserScriptInitFailed" {
            #expect(result.logTail == Self.scriptLog)
            #expect(result.message == "init() of score.py failed: ValueError: x")
        }
    }

    @Test("Pods of an older version say nothing about this one")
    func oldPods() throws {
        let plan = try OnlineDeploymentSpec.fixture().plan()
        let broken = pod(
            plan,
            container(["terminated": ["exitCode": 3, "message": .string(Self.scriptLog)]]),
            old: true
        )
        let result = try status([broken], workload: workload(plan, ready: 0, updated: 0, total: 1))
        #expect(result.provisioningState == "Updating" && result.reason == nil)
    }

    @Test("What was delivered stays Succeeded when an instance breaks later, and says so")
    func later() throws {
        let plan = try OnlineDeploymentSpec.fixture().plan()
        let present = OnlineDeploymentStatus(provisioningState: "Succeeded", observedGeneration: 1)
        let broken = pod(plan, container(["terminated": ["exitCode": 137, "reason": "OOMKilled"]]))
        let result = try status([broken], workload: workload(plan, ready: 0, updated: 1, total: 1), present: present)
        #expect(result.provisioningState == "Succeeded")
        #expect(result.reason == "PodOutOfMemory")
        #expect(result.readyReplicas == 0)
    }

    @Test("Instances that run but never get ready fail when the Deployment gives up")
    func expired() throws {
        let plan = try OnlineDeploymentSpec.fixture().plan()
        var workload = workload(plan, ready: 0, updated: 1, total: 1)
        workload["status", "conditions"] = [
            ["type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"]
        ]
        let result = try status([pod(plan, container(["running": [:]]))], workload: workload)
        #expect(result.provisioningState == "Failed" && result.reason == "ResourceNotReady")
        #expect(result.message?.contains("GET / on port 5001") == true)
    }

    @Test("A failure that mends itself becomes a success")
    func mends() throws {
        let plan = try OnlineDeploymentSpec.fixture().plan()
        let present = OnlineDeploymentStatus(
            provisioningState: "Failed",
            reason: "PodUnschedulable",
            observedGeneration: 1
        )
        let result = try status([], workload: workload(plan, ready: 1, updated: 1, total: 1), present: present)
        #expect(result.provisioningState == "Succeeded" && result.reason == nil)
    }
}
