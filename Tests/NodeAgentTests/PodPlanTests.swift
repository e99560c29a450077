import KubeCore
import Testing

@testable import NodeAgent

@Suite("PodPlan")
struct PodPlanTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var spec: JSON
        var views: [String: ContainerView] = [:]
        var isSandboxReady = true
        var hasInitialized = false
        var isTornDown = false
        var isLeaving = false
        var deadline: Double?
        var hasExceededDeadline = false
        var now: Double = 100
        var wantActions: [PodDecision.Action]
        var wantOutcome = PodDecision.Outcome.goesOn
        var wantLook: Double?
        var wantInitialized: Bool?
    }

    static let one: JSON = ["containers": [["name": "a"]]]
    static func one(_ policy: String) -> JSON { ["restartPolicy": .string(policy), "containers": [["name": "a"]]] }
    static let two: JSON = ["containers": [["name": "a"], ["name": "b"]]]
    static func withInit(_ policy: String = "Always") -> JSON {
        [
            "restartPolicy": .string(policy), "initContainers": [["name": "i"], ["name": "j"]],
            "containers": [["name": "a"]],
        ]
    }
    static func withSidecars(_ policy: String = "Always") -> JSON {
        [
            "restartPolicy": .string(policy),
            "initContainers": [
                ["name": "s", "restartPolicy": "Always"], ["name": "i"], ["name": "t", "restartPolicy": "Always"],
            ],
            "containers": [["name": "a"]],
        ]
    }
    static let unhealthy = ContainerView.FailedProbe(kind: .liveness, gracePeriodSeconds: 3)
    static let sick: ContainerView = {
        var view = ContainerView.running()
        view.failedProbe = unhealthy
        return view
    }()
    static let hooking: ContainerView = {
        var view = ContainerView.running()
        view.isPostStartDone = false
        return view
    }()

    static let cases: [Case] =
        basics + restarts + initContainers + sidecars + endings

    static let basics: [Case] = [
        Case(
            testDescription: "A new pod gets its sandbox first",
            spec: one,
            isSandboxReady: false,
            wantActions: [.createSandbox]
        ),
        Case(
            testDescription: "With a sandbox all containers start",
            spec: two,
            wantActions: [.start(container: "a", attempt: 0), .start(container: "b", attempt: 0)],
            wantInitialized: true
        ),
        Case(testDescription: "A pod that runs needs nothing", spec: one, views: ["a": .running()], wantActions: []),
        Case(
            testDescription: "A failed preparation is tried again when due",
            spec: one,
            views: ["a": ContainerView(state: .failing(reason: "ErrImagePull", message: "", retryAt: 90))],
            wantActions: [.start(container: "a", attempt: 0)]
        ),
        Case(
            testDescription: "A failed preparation waits",
            spec: one,
            views: ["a": ContainerView(state: .failing(reason: "ErrImagePull", message: "", retryAt: 110))],
            wantActions: [],
            wantLook: 110
        ),
        Case(
            testDescription: "A container waits for the hook of the one before it",
            spec: two,
            views: ["a": hooking],
            wantActions: []
        ),
        Case(
            testDescription: "A container whose liveness probe failed is stopped",
            spec: one,
            views: ["a": sick],
            wantActions: [.stop(container: "a", reason: .probeFailed(unhealthy))]
        ),
    ]

    static let restarts: [Case] = [
        Case(
            testDescription: "Always restarts after success",
            spec: one("Always"),
            views: ["a": .ended(0)],
            wantActions: [.start(container: "a", attempt: 1)]
        ),
        Case(
            testDescription: "A restart waits for its back-off",
            spec: one("Always"),
            views: ["a": .ended(1, attempt: 4, backoffUntil: 130)],
            wantActions: [],
            wantLook: 130
        ),
        Case(
            testDescription: "OnFailure restarts after failure",
            spec: one("OnFailure"),
            views: ["a": .ended(1)],
            wantActions: [.start(container: "a", attempt: 1)]
        ),
        Case(
            testDescription: "OnFailure ends after success",
            spec: one("OnFailure"),
            views: ["a": .ended(0)],
            wantActions: [.tearDown],
            wantOutcome: .succeeded
        ),
        Case(
            testDescription: "Never ends after failure",
            spec: one("Never"),
            views: ["a": .ended(1)],
            wantActions: [.tearDown],
            wantOutcome: .failed
        ),
        Case(
            testDescription: "One of two has ended: the pod goes on",
            spec: ["restartPolicy": "Never", "containers": [["name": "a"], ["name": "b"]]],
            views: ["a": .ended(1), "b": .running()],
            wantActions: []
        ),
    ]

    static let initContainers: [Case] = [
        Case(
            testDescription: "Init containers come first and one by one",
            spec: withInit(),
            wantActions: [.start(container: "i", attempt: 0)],
            wantInitialized: false
        ),
        Case(
            testDescription: "The next waits for the first",
            spec: withInit(),
            views: ["i": .running()],
            wantActions: []
        ),
        Case(
            testDescription: "The next starts after the first's success",
            spec: withInit(),
            views: ["i": .ended(0)],
            wantActions: [.start(container: "j", attempt: 0)]
        ),
        Case(
            testDescription: "Regular containers start after the last",
            spec: withInit(),
            views: ["i": .ended(0), "j": .ended(0)],
            wantActions: [.start(container: "a", attempt: 0)],
            wantInitialized: true
        ),
        Case(
            testDescription: "A failed init container is repeated",
            spec: withInit(),
            views: ["i": .ended(1)],
            wantActions: [.start(container: "i", attempt: 1)]
        ),
        Case(
            testDescription: "A failed init container ends a Never pod",
            spec: withInit("Never"),
            views: ["i": .ended(1)],
            wantActions: [.tearDown],
            wantOutcome: .failed
        ),
        Case(
            testDescription: "An initialized pod does not run its init containers again",
            spec: withInit(),
            views: ["a": .ended(1, backoffUntil: 50)],
            hasInitialized: true,
            wantActions: [.start(container: "a", attempt: 1)]
        ),
    ]

    static let sidecars: [Case] = [
        Case(
            testDescription: "A sidecar that is not up holds up what follows",
            spec: withSidecars(),
            views: ["s": .running(up: false)],
            wantActions: []
        ),
        Case(
            testDescription: "A sidecar that is up lets the next start",
            spec: withSidecars(),
            views: ["s": .running()],
            wantActions: [.start(container: "i", attempt: 0)]
        ),
        Case(
            testDescription: "A sidecar is started again while the pod runs",
            spec: withSidecars(),
            views: ["s": .ended(0), "i": .ended(0), "t": .running(), "a": .running()],
            hasInitialized: true,
            wantActions: [.start(container: "s", attempt: 1)]
        ),
        Case(
            testDescription: "A sidecar that fell does not hold up a restart after initialization",
            spec: withSidecars(),
            views: ["s": .ended(0, backoffUntil: 200), "i": .ended(0), "t": .running(), "a": .ended(1)],
            hasInitialized: true,
            wantActions: [.start(container: "a", attempt: 1)],
            wantLook: 200
        ),
        Case(
            testDescription: "Work is done: the last sidecar stops first",
            spec: withSidecars("Never"),
            views: ["s": .running(), "i": .ended(0), "t": .running(), "a": .ended(0)],
            hasInitialized: true,
            wantActions: [.stop(container: "t", reason: .workIsDone)],
            wantOutcome: .succeeded
        ),
        Case(
            testDescription: "While the last sidecar stops the first goes on",
            spec: withSidecars("Never"),
            views: ["s": .running(), "i": .ended(0), "t": .running(stopping: true), "a": .ended(0)],
            hasInitialized: true,
            wantActions: [],
            wantOutcome: .succeeded
        ),
        Case(
            testDescription: "Then the first stops",
            spec: withSidecars("Never"),
            views: ["s": .running(), "i": .ended(0), "t": .ended(143), "a": .ended(0)],
            hasInitialized: true,
            wantActions: [.stop(container: "s", reason: .workIsDone)],
            wantOutcome: .succeeded
        ),
    ]

    static let endings: [Case] = [
        Case(
            testDescription: "A deleted pod stops all regular containers at once",
            spec: two,
            views: ["a": .running(), "b": .running()],
            isLeaving: true,
            wantActions: [.stop(container: "a", reason: .podEnds), .stop(container: "b", reason: .podEnds)]
        ),
        Case(
            testDescription: "A stop is asked for once",
            spec: two,
            views: ["a": .running(stopping: true), "b": .ended(143)],
            isLeaving: true,
            wantActions: []
        ),
        Case(
            testDescription: "A deleted pod that never ran is torn down",
            spec: one,
            isSandboxReady: false,
            isLeaving: true,
            wantActions: [.tearDown]
        ),
        Case(
            testDescription: "A deleted pod does not restart what ended",
            spec: one,
            views: ["a": .ended(1)],
            isLeaving: true,
            wantActions: [.tearDown]
        ),
        Case(
            testDescription: "Before its deadline the pod runs",
            spec: one,
            views: ["a": .running()],
            deadline: 150,
            wantActions: [],
            wantLook: 150
        ),
        Case(
            testDescription: "The deadline ends the pod",
            spec: one,
            views: ["a": .running()],
            deadline: 100,
            wantActions: [.stop(container: "a", reason: .podEnds)],
            wantOutcome: .deadlineExceeded
        ),
        Case(
            testDescription: "The deadline stays the reason",
            spec: one("Never"),
            views: ["a": .ended(143)],
            deadline: 90,
            hasExceededDeadline: true,
            wantActions: [.tearDown],
            wantOutcome: .deadlineExceeded
        ),
        Case(
            testDescription: "A pod that ended by itself is not blamed on the deadline",
            spec: one("Never"),
            views: ["a": .ended(0)],
            deadline: 90,
            wantActions: [.tearDown],
            wantOutcome: .succeeded
        ),
        Case(
            testDescription: "A torn-down pod needs nothing",
            spec: one("Never"),
            views: ["a": .ended(0)],
            isTornDown: true,
            wantActions: [],
            wantOutcome: .succeeded
        ),
    ]

    @Test("Decisions", arguments: cases)
    func decides(_ example: Case) {
        let situation = PodSituation(
            pod: makePod(example.spec),
            containers: example.views,
            isSandboxReady: example.isSandboxReady,
            hasInitialized: example.hasInitialized,
            isTornDown: example.isTornDown,
            isLeaving: example.isLeaving,
            deadline: example.deadline,
            hasExceededDeadline: example.hasExceededDeadline,
            now: example.now
        )
        let decision = PodPlan.decide(situation)
        #expect(decision.actions == example.wantActions)
        #expect(decision.outcome == example.wantOutcome)
        #expect(decision.nextLook == example.wantLook)
        if let want = example.wantInitialized { #expect(decision.isInitialized == want) }
    }

    @Test("Waits double from 10 s to 300 s and are forgotten after ten minutes")
    func backoffDoubles() {
        var waits: [Double] = []
        var wait: Double? = 0
        for _ in 0..<7 {
            wait = RestartBackoff.next(after: wait, ranFor: 1)
            waits.append(wait ?? -1)
        }
        #expect(waits == [10, 20, 40, 80, 160, 300, 300])
        #expect(RestartBackoff.next(after: 300, ranFor: 601) == 10)
        #expect(RestartBackoff.end(wait: 40, finishedAt: 1000, ranFor: 5) == 1040)
        #expect(RestartBackoff.end(wait: 40, finishedAt: 1000, ranFor: 700) == 1000)
    }
}
