import KubeCore
import Testing

@testable import NodeAgent

@Suite("PodStatus")
struct PodStatusTests {
    static let now: Double = 1_767_225_700  // 2026-01-01T00:01:40Z

    static func input(
        _ spec: JSON,
        _ views: [String: ContainerView],
        outcome: PodDecision.Outcome = .goesOn,
        isInitialized: Bool = true,
        isTornDown: Bool = false,
        status: JSON? = nil
    ) -> PodStatusInput {
        PodStatusInput(
            pod: makePod(spec, status: status),
            containers: views,
            outcome: outcome,
            isInitialized: isInitialized,
            isSandboxReady: true,
            isTornDown: isTornDown,
            isLeaving: false,
            hostIP: "10.0.0.1",
            podIP: "10.0.0.9",
            now: now
        )
    }

    static func condition(_ status: JSON, _ type: String) -> JSON? { ConditionList(status["conditions"])[type] }

    @Test("A running pod is Running and Ready")
    func running() {
        let status = PodStatus.make(Self.input(PodPlanTests.one, ["a": .running()]))
        #expect(status["phase"] == "Running")
        #expect(status["podIP"] == "10.0.0.9")
        #expect(status["podIPs"] == [["ip": "10.0.0.9"]])
        #expect(Self.condition(status, "Ready")?["status"] == "True")
        let entry = status["containerStatuses"]?[0]
        #expect(entry?["ready"] == true)
        #expect(entry?["restartCount"] == 0)
        #expect(entry?["containerID"] == "outrigger://id-0")
        #expect(entry?["state"] == ["running": ["startedAt": "2026-01-01T00:00:00Z"]])
    }

    @Test("Before initialization everything waits as PodInitializing")
    func initializing() {
        let status = PodStatus.make(Self.input(PodPlanTests.withInit(), ["i": .running()], isInitialized: false))
        #expect(status["phase"] == "Pending")
        #expect(status["containerStatuses"]?[0]?["state"] == ["waiting": ["reason": "PodInitializing"]])
        #expect(Self.condition(status, "Initialized")?["message"] == "containers with incomplete status: [i j]")
        #expect(Self.condition(status, "Initialized")?["reason"] == "ContainersNotInitialized")
    }

    @Test("A container that waits for its restart shows CrashLoopBackOff and its end as last state")
    func crashLoop() {
        var view = ContainerView.ended(1, attempt: 2)
        view.backoffUntil = Self.now + 15
        view.state = .exited(exited(1, at: "2026-01-01T00:01:35Z"))
        let status = PodStatus.make(Self.input(PodPlanTests.one, ["a": view]))
        let entry = status["containerStatuses"]?[0]
        #expect(status["phase"] == "Running")
        #expect(
            entry?["state"]?["waiting"] == [
                "reason": "CrashLoopBackOff",
                "message": "back-off 20s restarting failed container=a pod=p_default(u-1)",
            ]
        )
        #expect(entry?["lastState"]?["terminated"]?["exitCode"] == 1)
        #expect(entry?["restartCount"] == 2)
        #expect(Self.condition(status, "ContainersReady")?["message"] == "containers with unready status: [a]")
    }

    @Test("A finished pod tells how")
    func finished() {
        let done = PodStatus.make(
            Self.input(PodPlanTests.one("Never"), ["a": .ended(0)], outcome: .succeeded, isTornDown: true)
        )
        #expect(done["phase"] == "Succeeded")
        #expect(Self.condition(done, "Ready")?["reason"] == "PodCompleted")
        #expect(Self.condition(done, "PodReadyToStartContainers")?["status"] == "False")
        let failed = PodStatus.make(Self.input(PodPlanTests.one("Never"), ["a": .ended(3)], outcome: .failed))
        #expect(failed["phase"] == "Failed")
        let late = PodStatus.make(Self.input(PodPlanTests.one, ["a": .ended(137)], outcome: .deadlineExceeded))
        #expect(late["phase"] == "Failed")
        #expect(late["reason"] == "DeadlineExceeded")
        let stopping = PodStatus.make(
            Self.input(PodPlanTests.one, ["a": .running(stopping: true)], outcome: .deadlineExceeded)
        )
        #expect(stopping["phase"] == "Running")
    }

    @Test("A pod ended from outside has failed unless all its containers ended well")
    func ended() {
        let killed = PodStatus.make(Self.input(PodPlanTests.one, ["a": .ended(137)], isTornDown: true))
        #expect(killed["phase"] == "Failed")
        let well = PodStatus.make(Self.input(PodPlanTests.one, ["a": .ended(0)], isTornDown: true))
        #expect(well["phase"] == "Succeeded")
        let never = PodStatus.make(Self.input(PodPlanTests.one, [:], isTornDown: true))
        #expect(never["phase"] == "Failed")
    }

    @Test("Readiness gates hold Ready back, and foreign conditions stay")
    func gates() {
        let spec: JSON = ["containers": [["name": "a"]], "readinessGates": [["conditionType": "example.com/up"]]]
        let closed = PodStatus.make(Self.input(spec, ["a": .running()]))
        #expect(Self.condition(closed, "ContainersReady")?["status"] == "True")
        #expect(Self.condition(closed, "Ready")?["reason"] == "ReadinessGatesNotReady")
        let present: JSON = [
            "conditions": [
                ["type": "example.com/up", "status": "True"],
                ["type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"],
            ]
        ]
        let open = PodStatus.make(Self.input(spec, ["a": .running()], status: present))
        #expect(Self.condition(open, "Ready")?["status"] == "True")
        #expect(Self.condition(open, "PodScheduled")?["lastTransitionTime"] == "2026-01-01T00:00:00Z")
    }

    @Test("The same situation gives the same status, so nothing is written twice")
    func stable() {
        let first = PodStatus.make(Self.input(PodPlanTests.one, ["a": .running()]))
        var later = Self.input(PodPlanTests.one, ["a": .running()], status: first)
        later.now += 100
        #expect(PodStatus.make(later) == first)
    }

    @Test("A failed preparation keeps a pod Pending, after a run it does not")
    func failing() {
        let failing = ContainerView(state: .failing(reason: "ErrImagePull", message: "m", retryAt: 0))
        let status = PodStatus.make(Self.input(PodPlanTests.one, ["a": failing]))
        #expect(status["phase"] == "Pending")
        #expect(status["containerStatuses"]?[0]?["state"] == ["waiting": ["reason": "ErrImagePull", "message": "m"]])
        var again = failing
        again.previousExit = exited(1)
        #expect(PodStatus.make(Self.input(PodPlanTests.one, ["a": again]))["phase"] == "Running")
    }

    @Test("QoS classes")
    func qualityOfService() {
        func resources(_ json: JSON) -> QoSClass {
            makePod(["containers": [["name": "a", "resources": json]]]).qosClass
        }
        #expect(resources([:]) == .bestEffort)
        #expect(resources(["requests": ["cpu": "1"]]) == .burstable)
        #expect(resources(["limits": ["cpu": "1", "memory": "1Gi"]]) == .guaranteed)
        #expect(resources(["limits": ["cpu": "1", "memory": "1Gi"], "requests": ["cpu": "500m"]]) == .burstable)
    }
}
