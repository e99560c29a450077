import KubeCore
import Testing

@testable import KubeControllers

@Suite struct JobPlanTests {
    private func job(_ spec: [String: JSON], status: JSON? = nil) -> KubeObject {
        var job = workload(.jobs, "work", labels: ["job-name": "work"], more: spec)
        job["status"] = status
        return job
    }

    private func pod(
        _ name: String,
        _ phase: String,
        index: Int? = nil,
        exitCode: Int? = nil,
        isTracked: Bool = true,
        isTerminating: Bool = false
    ) -> KubeObject {
        var pod = runningPod(
            name,
            labels: ["job-name": "work"],
            phase: phase,
            isReady: phase == "Running",
            isTerminating: isTerminating
        )
        if isTracked { pod.finalizers = [JobNames.finalizer] }
        if let index { pod.annotations = [JobNames.index: "\(index)"] }
        if let exitCode {
            let ended: JSON = ["exitCode": JSON(exitCode), "finishedAt": "2024-05-01T09:00:00Z"]
            pod["status", "containerStatuses"] = [["name": "main", "state": ["terminated": ended]]]
        }
        return pod
    }

    private func conditions(_ plan: JobPlan) -> ConditionList { ConditionList(plan.status["conditions"]) }

    @Test func `As many pods as may run and are still needed are made`() {
        let plan = JobPlan(job: job(["completions": 5, "parallelism": 3]), pods: [pod("a", "Running")], now: testNow)
        #expect(plan.create.count == 2)
        #expect(plan.status["active"] == 1 && plan.status["startTime"] != nil)
        let late = JobPlan(
            job: job(["completions": 5, "parallelism": 3], status: ["succeeded": 4]),
            pods: [],
            now: testNow
        )
        #expect(late.create.count == 1)
    }

    @Test func `A finished pod is remembered by uid, released, then counted`() {
        let first = job(["completions": 2, "parallelism": 1])
        let seen = JobPlan(job: first, pods: [pod("a", "Succeeded")], now: testNow)
        #expect(seen.status["uncountedTerminatedPods"]?["succeeded"] == ["uid-a"])
        #expect(seen.status["succeeded"] == nil)
        #expect(seen.release.map(\.name) == ["a"])
        let second = job(["completions": 2, "parallelism": 1], status: seen.status)
        let counted = JobPlan(job: second, pods: [pod("a", "Succeeded", isTracked: false)], now: testNow)
        #expect(counted.status["succeeded"] == 1)
        #expect(counted.status["uncountedTerminatedPods"] == [:])
        #expect(counted.create.count == 1)
    }

    @Test func `The job completes when enough succeeded and nothing runs`() {
        let plan = JobPlan(
            job: job(["completions": 1, "parallelism": 1], status: ["succeeded": 1]),
            pods: [],
            now: testNow
        )
        #expect(conditions(plan).isTrue("Complete") && conditions(plan).isTrue("SuccessCriteriaMet"))
        #expect(plan.status["completionTime"] != nil)
    }

    @Test func `Too many failures fail the job and stop what runs`() {
        let plan = JobPlan(
            job: job(["parallelism": 2, "completions": 2, "backoffLimit": 1], status: ["failed": 2]),
            pods: [pod("a", "Running")],
            now: testNow
        )
        #expect(conditions(plan).isTrue("FailureTarget") && !conditions(plan).isTrue("Failed"))
        #expect(plan.delete.map(\.name) == ["a"] && plan.create.isEmpty)
        let ended = JobPlan(job: job(["backoffLimit": 1], status: plan.status), pods: [], now: testNow)
        #expect(conditions(ended)["Failed"]?["reason"] == "BackoffLimitExceeded")
    }

    @Test func `Indexes are made in order, and each succeeds once`() {
        let spec: [String: JSON] = ["completions": 4, "parallelism": 2, "completionMode": "Indexed"]
        let plan = JobPlan(
            job: job(spec),
            pods: [pod("a", "Succeeded", index: 0), pod("b", "Running", index: 1)],
            now: testNow
        )
        #expect(plan.create == [2])
        #expect(plan.status["completedIndexes"] == "0")
        #expect(IndexSet(parsing: "0-2,5,7,8").text == "0-2,5,7,8")
        #expect(IndexSet([1, 2, 3, 9]).text == "1-3,9")
    }

    @Test func `A suspended job runs nothing, a resumed one goes on`() {
        let held = JobPlan(job: job(["suspend": true]), pods: [pod("a", "Running")], now: testNow)
        #expect(held.delete.count == 1 && conditions(held).isTrue("Suspended") && held.status["startTime"] == nil)
        let resumed = JobPlan(job: job(["suspend": false], status: held.status), pods: [], now: testNow)
        #expect(conditions(resumed).status("Suspended") == "False" && resumed.create.count == 1)
    }

    @Test func `The deadline ends the job`() {
        let start = Timestamp.text(seconds: testNow - 30)
        let plan = JobPlan(
            job: job(["activeDeadlineSeconds": 20], status: ["startTime": .string(start)]),
            pods: [pod("a", "Running")],
            now: testNow
        )
        #expect(conditions(plan)["FailureTarget"]?["reason"] == "DeadlineExceeded")
        let early = JobPlan(
            job: job(["activeDeadlineSeconds": 50], status: ["startTime": .string(start)]),
            pods: [pod("a", "Running")],
            now: testNow
        )
        #expect(early.recheck == 20)
    }

    @Test func `The pod failure policy ignores, and fails at once`() {
        let rules: JSON = [
            ["action": "FailJob", "onExitCodes": ["operator": "In", "values": [42]]],
            ["action": "Ignore", "onExitCodes": ["operator": "In", "values": [7]]],
        ]
        let spec: [String: JSON] = ["podFailurePolicy": ["rules": rules]]
        let ignored = JobPlan(job: job(spec), pods: [pod("a", "Failed", exitCode: 7)], now: testNow)
        #expect(ignored.status["uncountedTerminatedPods"] == [:] && ignored.release.count == 1)
        let fatal = JobPlan(job: job(spec), pods: [pod("a", "Failed", exitCode: 42)], now: testNow)
        #expect(conditions(fatal)["FailureTarget"]?["reason"] == "PodFailurePolicy")
    }

    @Test func `Indexed pods carry their index`() {
        let pod = JobController.pod(job(["completionMode": "Indexed"]), index: 3)
        #expect(pod.annotations[JobNames.index] == "3" && pod["spec", "hostname"] == "work-3")
        #expect(pod["spec", "containers"]?[0]?["env"]?[0]?["name"] == "JOB_COMPLETION_INDEX")
        #expect(pod.finalizers == [JobNames.finalizer])
    }
}
