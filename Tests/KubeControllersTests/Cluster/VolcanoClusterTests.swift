import KubeCore
import KubeServer
import Scheduling
import Testing
import TestSupport

@testable import KubeControllers

@Suite struct VolcanoClusterTests {
    private func job(
        _ name: String,
        replicas: Int,
        cpu: String,
        ends: String? = nil,
        policies: [JSON] = []
    ) -> KubeObject {
        let container: JSON = ["name": "main", "image": "busybox", "resources": ["requests": ["cpu": .string(cpu)]]]
        var template: JSON = ["spec": ["containers": [container], "restartPolicy": "Never"]]
        if let ends { template["metadata"] = ["labels": ["test/ends": .string(ends)]] }
        let task: JSON = ["name": "worker", "replicas": JSON(replicas), "template": template]
        var spec: [String: JSON] = ["tasks": [task], "schedulerName": "volcano", "plugins": ["env": [], "svc": []]]
        if !policies.isEmpty { spec["policies"] = .array(policies) }
        return KubeObject(VolcanoNames.jobs, namespace: "default", name: name, body: ["spec": .object(spec)])
    }

    private func phase(_ cluster: ControllerHarness, _ name: String) async throws -> String? {
        try await cluster.api.get(VolcanoNames.jobs, namespace: "default", name: name)["status", "state", "phase"]?
            .stringValue
    }

    @Test(.timeLimit(.minutes(1))) func `A gang runs as a whole and completes`() async throws {
        try await ControllerHarness.run(withVolcano: true) { cluster in
            try await cluster.api.create(VolcanoNames.jobs, job("train", replicas: 2, cpu: "1", ends: "Succeeded"))
            try await cluster.wait("the job completes") { try await phase(cluster, "train") == "Completed" }
            let job = try await cluster.api.get(VolcanoNames.jobs, namespace: "default", name: "train")
            let history = (job["status", "conditions"]?.arrayValue ?? []).compactMap { $0["status"]?.stringValue }
            #expect(history.last == "Completed")
            #expect(try await cluster.api.find(VolcanoNames.queues, name: "default") != nil)
            #expect(try await cluster.api.find(.services, namespace: "default", name: "train") != nil)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `A gang that does not fit waits as a whole, says why, and starts when there is room`() async throws {
        try await ControllerHarness.run(nodes: [.node("n1", cpu: "4")], withVolcano: true) { cluster in
            try await cluster.api.create(VolcanoNames.jobs, job("first", replicas: 3, cpu: "1"))
            try await cluster.wait("the first runs") { try await phase(cluster, "first") == "Running" }
            try await cluster.api.create(VolcanoNames.jobs, job("second", replicas: 2, cpu: "2"))
            let group = try await eventually("the reason is said", timeout: .seconds(40)) { () -> KubeObject? in
                let groups = try await cluster.api.list(VolcanoNames.podGroups, namespace: "default").items
                return groups.first { $0.name.hasPrefix("second") && $0.isConditionTrue("Unschedulable") }
            }
            let message = group.condition("Unschedulable")?["message"]?.stringValue ?? ""
            #expect(message.contains("default/first (3)"))
            let placed = try await cluster.pods().filter { $0.name.hasPrefix("second") && PodFacts($0).nodeName != nil }
            #expect(placed.isEmpty)
            try await cluster.api.delete(
                VolcanoNames.jobs,
                namespace: "default",
                name: "first",
                options: DeleteOptions(propagation: .background)
            )
            try await cluster.wait("the second runs") { try await phase(cluster, "second") == "Running" }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `A failed pod restarts the job until maxRetry`() async throws {
        try await ControllerHarness.run(withVolcano: true) { cluster in
            let policy: JSON = ["event": "PodFailed", "action": "RestartJob"]
            try await cluster.api.create(
                VolcanoNames.jobs,
                job("flaky", replicas: 1, cpu: "1", ends: "Failed", policies: [policy])
            )
            try await cluster.wait("the job fails") { try await phase(cluster, "flaky") == "Failed" }
            let job = try await cluster.api.get(VolcanoNames.jobs, namespace: "default", name: "flaky")
            #expect(job["status", "state", "reason"] == "MaxRetryReached")
            #expect(job["status", "retryCount"] == 3)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `Commands abort a job and resume it`() async throws {
        try await ControllerHarness.run(withVolcano: true) { cluster in
            try await cluster.api.create(VolcanoNames.jobs, job("long", replicas: 1, cpu: "1"))
            try await cluster.wait("the job runs") { try await phase(cluster, "long") == "Running" }
            let live = try await cluster.api.get(VolcanoNames.jobs, namespace: "default", name: "long")
            func command(_ action: String) async throws {
                let target: JSON = [
                    "apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "name": "long", "uid": .string(live.uid),
                ]
                try await cluster.api.create(
                    VolcanoNames.commands,
                    KubeObject(
                        VolcanoNames.commands,
                        namespace: "default",
                        name: action.lowercased(),
                        body: ["action": .string(action), "target": target]
                    )
                )
            }
            try await command("AbortJob")
            try await cluster.wait("the job is aborted") { try await phase(cluster, "long") == "Aborted" }
            try await command("ResumeJob")
            try await cluster.wait("the job runs again") { try await phase(cluster, "long") == "Running" }
        }
    }

    @Test(.timeLimit(.minutes(1))) func `A bad job is refused with a reason`() async throws {
        try await ControllerHarness.run(withVolcano: true) { cluster in
            var bad = job("bad", replicas: 1, cpu: "1")
            bad["spec", "queue"] = "nowhere"
            try await cluster.api.create(VolcanoNames.jobs, bad)
            try await cluster.wait("the job is refused") { try await phase(cluster, "bad") == "Failed" }
            let job = try await cluster.api.get(VolcanoNames.jobs, namespace: "default", name: "bad")
            #expect(job["status", "state", "message"]?.stringValue?.contains("nowhere") == true)
        }
    }
}
