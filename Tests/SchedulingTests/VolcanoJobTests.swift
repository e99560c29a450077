import KubeCore
import Testing

@testable import Scheduling

@Suite struct VolcanoJobValidationTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var job: KubeObject
        var wantError: String?
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "a good job", job: testJob(tasks: [testTask("worker", 2)]), wantError: nil),
        Case(name: "no tasks", job: testJob(tasks: []), wantError: "spec.tasks: Required value"),
        Case(
            name: "minimum above total",
            job: testJob(tasks: [testTask("worker", 2)], minAvailable: 3),
            wantError:
                "spec.minAvailable: Invalid value: 3: must not be greater than the number of pods of all tasks, 2"
        ),
        Case(
            name: "task twice",
            job: testJob(tasks: [testTask("a", 1), testTask("a", 1)]),
            wantError: "spec.tasks[1].name: Duplicate value"
        ),
        Case(
            name: "event and code",
            job: testJob(
                tasks: [testTask("a", 1)],
                policies: [["event": "PodFailed", "exitCode": 3, "action": "AbortJob"]]
            ),
            wantError: "must not have both an event and an exitCode"
        ),
        Case(
            name: "exit code 0",
            job: testJob(tasks: [testTask("a", 1)], policies: [["exitCode": 0, "action": "AbortJob"]]),
            wantError: "0 is not an error"
        ),
        Case(
            name: "any event with others",
            job: testJob(
                tasks: [testTask("a", 1)],
                policies: [["event": "*", "action": "AbortJob"], ["event": "PodFailed", "action": "RestartJob"]]
            ),
            wantError: "must stand alone"
        ),
        Case(
            name: "unknown action",
            job: testJob(tasks: [testTask("a", 1)], policies: [["event": "PodFailed", "action": "Dance"]]),
            wantError: "spec.policies[0].action: Unsupported value: \"Dance\""
        ),
        Case(
            name: "unknown plugin",
            job: testJob(tasks: [testTask("a", 1)], plugins: ["ssh": []]),
            wantError: "this plugin is not available on this cluster"
        ),
        Case(
            name: "circle",
            job: testJob(tasks: [
                testTask("a", 1, more: ["dependsOn": ["name": ["b"]]]),
                testTask("b", 1, more: ["dependsOn": ["name": ["a"]]]),
            ]),
            wantError: "the tasks a, b depend on each other in a circle"
        ),
        Case(
            name: "mpi without master",
            job: testJob(tasks: [testTask("worker", 1)], plugins: ["mpi": []]),
            wantError: "the mpi plugin needs a task named master"
        ),
    ]

    @Test(arguments: cases) func `Bad jobs are told why`(_ item: Case) {
        let errors = VolcanoJobValidation.validate(VolcanoJob(item.job), queue: testQueue("default"))
        let text = errors.map(\.description).joined(separator: "; ")
        if let want = item.wantError { #expect(text.contains(want)) } else { #expect(text == "") }
    }

    @Test func `A queue must exist and be open`() {
        let job = VolcanoJob(testJob(tasks: [testTask("a", 1)]))
        #expect(VolcanoJobValidation.validate(job, queue: nil).first?.reason == .notFound)
        #expect(VolcanoJobValidation.validate(job, queue: testQueue("default", state: "Closing")).count == 1)
    }

    @Test func `Durations are read as Go writes them`() {
        #expect(GoDuration.seconds("1h30m") == 5400)
        #expect(GoDuration.seconds("250ms") == 0.25)
        #expect(GoDuration.seconds("soon") == nil)
    }
}

@Suite struct VolcanoJobPlanTests {
    private let now = 1_714_557_700.0

    private func pod(
        _ job: KubeObject,
        _ task: String,
        _ index: Int,
        _ phase: String,
        exitCode: Int? = nil,
        isTerminating: Bool = false
    ) -> KubeObject {
        let full = VolcanoJob(job)
        guard let spec = full.task(task) else { return testPod("none") }
        var pod = JobPods.pod(full, spec, index)
        pod["metadata", "uid"] = .string("uid-\(pod.name)")
        pod["status", "phase"] = .string(phase)
        if let exitCode {
            let terminated: JSON = [
                "exitCode": JSON(exitCode), "finishedAt": .string(Timestamp.text(seconds: now - 1)),
            ]
            pod["status", "containerStatuses"] = [["name": "main", "state": ["terminated": terminated]]]
        }
        if isTerminating { pod["metadata", "deletionTimestamp"] = "2024-05-01T10:01:00Z" }
        return pod
    }

    private func plan(
        _ job: KubeObject,
        _ pods: [KubeObject] = [],
        group: String? = "Running",
        commands: [String] = [],
        evictions: [JobEvent] = [],
        errors: [FieldError] = []
    ) -> JobPlan {
        let object = group.map { testGroup("g", minMember: 1, phase: $0) }
        return JobPlan(
            job: VolcanoJob(job),
            pods: pods,
            group: object,
            evictions: evictions,
            commands: commands,
            errors: errors,
            now: now
        )
    }

    @Test func `Pods are made once the group is admitted`() {
        let job = testJob(tasks: [testTask("master", 1), testTask("worker", 2)])
        let waiting = plan(job, group: nil)
        #expect(waiting.create.isEmpty && waiting.syncsCompanions)
        #expect(plan(job, group: "Pending").create.isEmpty)
        let admitted = plan(job, group: "Inqueue")
        #expect(admitted.create.map(\.name) == ["train-master-0", "train-worker-0", "train-worker-1"])
        let first = admitted.create[0]
        #expect(first.annotations["scheduling.k8s.io/group-name"] == "train-uid-job-train")
        #expect(first.labels["volcano.sh/task-spec"] == "master")
        #expect(first["spec", "schedulerName"] == "volcano")
    }

    @Test func `A job runs, completes, and fails by its tasks' minimums`() {
        let job = testJob(tasks: [testTask("worker", 2)])
        #expect(plan(job, [pod(job, "worker", 0, "Running"), pod(job, "worker", 1, "Running")]).phase == "Running")
        #expect(plan(job, [pod(job, "worker", 0, "Running"), pod(job, "worker", 1, "Pending")]).phase == "Pending")
        let done = [pod(job, "worker", 0, "Succeeded", exitCode: 0), pod(job, "worker", 1, "Succeeded", exitCode: 0)]
        #expect(plan(job, done).phase == "Completed")
        let half = [pod(job, "worker", 0, "Succeeded"), pod(job, "worker", 1, "Failed", exitCode: 1)]
        let failed = plan(job, half)
        #expect(failed.phase == "Failed")
        #expect(failed.message == "1 of 2 pods of task worker succeeded, 2 had to")
    }

    @Test func `minSuccess completes the job and stops the rest`() {
        let job = testJob(tasks: [testTask("worker", 2)], more: ["minSuccess": 1])
        let plan = plan(job, [pod(job, "worker", 0, "Succeeded"), pod(job, "worker", 1, "Running")])
        #expect(plan.phase == "Completed")
        #expect(plan.delete.map(\.name) == ["train-worker-1"])
    }

    @Test func `Policies act by event, exit code and task first`() {
        let restart: JSON = ["event": "PodFailed", "action": "RestartJob"]
        let abort: JSON = ["exitCode": 3, "action": "AbortJob"]
        let job = testJob(
            tasks: [testTask("worker", 2, more: ["policies": [abort]])],
            policies: [restart]
        )
        let byCode = plan(job, [pod(job, "worker", 0, "Failed", exitCode: 3), pod(job, "worker", 1, "Running")])
        #expect(byCode.phase == "Aborting")
        #expect(byCode.delete.map(\.name) == ["train-worker-1"])
        let byEvent = plan(job, [pod(job, "worker", 0, "Failed", exitCode: 1), pod(job, "worker", 1, "Running")])
        #expect(byEvent.phase == "Restarting")
        #expect(byEvent.retryCount == 1)
        #expect(byEvent.version == 1)
        #expect(byEvent.delete.count == 2)
        #expect(byEvent.message == "pod train-worker-0 failed with exit code 1")
    }

    @Test func `Restarts end at maxRetry`() {
        let job = testJob(
            tasks: [testTask("worker", 1)],
            policies: [["event": "PodFailed", "action": "RestartJob"]],
            status: ["state": ["phase": "Running"], "retryCount": 2],
            more: ["maxRetry": 3]
        )
        let plan = plan(job, [pod(job, "worker", 0, "Failed", exitCode: 1)])
        #expect(plan.phase == "Failed")
        #expect(plan.reason == "MaxRetryReached")
    }

    @Test func `A restarting job waits for its pods to go`() {
        let job = testJob(tasks: [testTask("worker", 1)], status: ["state": ["phase": "Restarting"], "retryCount": 1])
        #expect(plan(job, [pod(job, "worker", 0, "Running", isTerminating: true)]).phase == "Restarting")
        #expect(plan(job).phase == "Pending")
    }

    @Test func `An eviction of this attempt is an event, and without a policy the pod is made again`() {
        let job = testJob(tasks: [testTask("worker", 1)], status: ["state": ["phase": "Running"]])
        let gone = JobEvent(
            name: "PodEvicted",
            task: "worker",
            pod: pod(job, "worker", 0, "Running"),
            exitCode: nil,
            time: now
        )
        #expect(plan(job, evictions: [gone]).create.count == 1)
        let strict = testJob(
            tasks: [testTask("worker", 1)],
            policies: [["event": "PodEvicted", "action": "TerminateJob"]],
            status: ["state": ["phase": "Running"]]
        )
        #expect(plan(strict, evictions: [gone]).phase == "Terminating")
    }

    @Test(arguments: [
        ("Failed", "2024-05-01T10:00:59Z", true), ("Succeeded", "2024-05-01T10:00:30Z", true),
        ("Failed", "2024-05-01T10:01:04Z", false), ("Failed", nil, false), ("Running", nil, false),
    ])
    func `A deleted pod that only its deletion ended was evicted`(phase: String, end: String?, hadEnded: Bool) {
        var pod = testPod("worker-0", phase: phase)
        pod["metadata", "deletionTimestamp"] = "2024-05-01T10:01:30Z"
        pod["metadata", "deletionGracePeriodSeconds"] = 30
        if let end {
            let terminated: JSON = ["exitCode": 143, "finishedAt": .string(end)]
            pod["status", "containerStatuses"] = [["name": "main", "state": ["terminated": terminated]]]
        }
        #expect(JobPolicies.hadEnded(pod) == hadEnded)
    }

    @Test func `A timeout delays the action`() {
        let job = testJob(
            tasks: [testTask("worker", 1)],
            policies: [["event": "PodFailed", "action": "AbortJob", "timeout": "1m"]],
            status: ["state": ["phase": "Running"]]
        )
        let plan = plan(job, [pod(job, "worker", 0, "Failed", exitCode: 1), pod(job, "worker", 1, "Running")])
        #expect(plan.recheck == now + 59)
    }

    @Test func `Commands abort and resume`() {
        let job = testJob(tasks: [testTask("worker", 1)], status: ["state": ["phase": "Running"]])
        let aborting = plan(job, [pod(job, "worker", 0, "Running")], commands: ["AbortJob"])
        #expect(aborting.phase == "Aborting")
        #expect(aborting.delete.count == 1)
        let stopped = testJob(tasks: [testTask("worker", 1)], status: ["state": ["phase": "Aborting"]])
        #expect(plan(stopped).phase == "Aborted")
        let aborted = testJob(tasks: [testTask("worker", 1)], status: ["state": ["phase": "Aborted"]])
        #expect(plan(aborted, commands: ["ResumeJob"]).phase == "Restarting")
        #expect(plan(aborted).phase == "Aborted")
    }

    @Test func `A refused job says why and makes nothing`() {
        let job = testJob(tasks: [])
        let errors = [FieldError("spec.tasks", .required, "a job needs at least one task")]
        let plan = plan(job, group: nil, errors: errors)
        #expect(plan.phase == "Failed" && plan.reason == "InvalidJob")
        #expect(plan.message == "spec.tasks: Required value: a job needs at least one task")
        #expect(!plan.syncsCompanions)
    }

    @Test func `Scaling down deletes the highest, dependencies hold pods back`() {
        let job = testJob(tasks: [testTask("worker", 1)], status: ["state": ["phase": "Running"]])
        let wide = testJob(tasks: [testTask("worker", 2)])
        let plan1 = plan(job, [pod(wide, "worker", 0, "Running"), pod(wide, "worker", 1, "Running")])
        #expect(plan1.delete.map(\.name) == ["train-worker-1"])
        let chained = testJob(tasks: [testTask("ps", 1), testTask("worker", 1, more: ["dependsOn": ["name": ["ps"]]])])
        #expect(plan(chained, group: "Inqueue").create.map(\.name) == ["train-ps-0"])
    }

    @Test func `pytorch, svc, env and tensorflow set what programs read`() {
        let job = VolcanoJob(
            testJob(
                tasks: [testTask("master", 1), testTask("worker", 2)],
                plugins: ["pytorch": ["--port=29500"], "env": []]
            )
        )
        func variables(_ task: Int, _ index: Int) -> [String: String] {
            let env = JobPods.pod(job, job.tasks[task], index)["spec", "containers"]?[0]?["env"]?.arrayValue ?? []
            return Dictionary(
                env.map { ($0["name"]?.stringValue ?? "", $0["value"]?.stringValue ?? "") },
                uniquingKeysWith: { _, last in last }
            )
        }
        let worker = variables(1, 1)
        #expect(worker["MASTER_ADDR"] == "train-master-0.train")
        #expect(worker["MASTER_PORT"] == "29500")
        #expect(worker["RANK"] == "2" && worker["WORLD_SIZE"] == "3")
        #expect(worker["VC_TASK_INDEX"] == "1")
        #expect(worker["VC_WORKER_HOSTS"] == "train-worker-0.train,train-worker-1.train")
        #expect(variables(0, 0)["RANK"] == "0")
        let pod = JobPods.pod(job, job.tasks[1], 0)
        #expect(pod["spec", "hostname"] == "train-worker-0" && pod["spec", "subdomain"] == "train")
        #expect(JobPlugins.companions(job).map(\.type.plural) == ["configmaps", "services"])
    }

    @Test func `The smallest useful part of a job is what its group asks for`() {
        let job = VolcanoJob(testJob(tasks: [testTask("a", 2, cpu: "1"), testTask("b", 3, cpu: "2")], minAvailable: 3))
        #expect(job.minResources.cpu == 4000)
        let group = JobPods.podGroup(job)
        #expect(group["spec", "minMember"] == 3)
        #expect(group["spec", "minTaskMember"] == ["a": 2, "b": 3])
    }
}
