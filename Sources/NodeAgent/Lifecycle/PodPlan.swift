/// What a decision about a pod is based on.
///
/// All times are seconds since 1970.
struct PodSituation: Sendable {
    var pod: PodModel
    var containers: [String: ContainerView]
    var isSandboxReady: Bool
    var hasInitialized: Bool
    var isTornDown: Bool
    /// The object is being deleted, or is gone from the API.
    var isLeaving: Bool
    /// When the pod must end at the latest, from `activeDeadlineSeconds`; nil = never.
    var deadline: Double?
    /// The deadline has already ended the pod.
    var hasExceededDeadline = false
    var now: Double

    func view(_ container: ContainerModel) -> ContainerView { containers[container.name] ?? ContainerView() }
}

/// What to do next for a pod.
struct PodDecision: Sendable, Equatable {
    enum StopReason: Sendable, Equatable {
        /// The pod is deleted or has used up its time.
        case podEnds
        /// A sidecar of a pod that has finished.
        case workIsDone
        case probeFailed(ContainerView.FailedProbe)
    }

    enum Action: Sendable, Equatable {
        case createSandbox
        case start(container: String, attempt: Int)
        case stop(container: String, reason: StopReason)
        /// Nothing runs and nothing will: give up sandbox, volumes, root file systems.
        case tearDown
    }

    /// The verdict on the pod as a whole.
    enum Outcome: Sendable, Equatable {
        case goesOn
        case succeeded
        case failed
        case deadlineExceeded
    }

    var actions: [Action] = []
    /// Look again at this time even if nothing happens.
    var nextLook: Double?
    var outcome: Outcome = .goesOn
    /// Every init container has done its work (sidecars are up).
    var isInitialized = false

    fileprivate mutating func look(at time: Double) { nextLook = min(nextLook ?? time, time) }
}

/// Decides what to do next for a pod.
///
/// Pure: no clock, no disk, no API.
///
/// Source: Kubernetes documentation, "Pod Lifecycle", "Init Containers" and "Sidecar Containers".
enum PodPlan {
    static func decide(_ situation: PodSituation) -> PodDecision {
        var decision = PodDecision()
        decision.isInitialized = situation.hasInitialized
        let isOver = situation.deadline.map { situation.now >= $0 } ?? false
        let hasExceeded = situation.hasExceededDeadline || (isOver && outcome(situation) == .goesOn)
        if situation.isTornDown {
            decision.outcome = situation.hasExceededDeadline ? .deadlineExceeded : outcome(situation)
            return decision
        }
        if hasExceeded {
            decision.outcome = .deadlineExceeded
            stopAll(situation, reason: .podEnds, into: &decision)
            return decision
        }
        if let deadline = situation.deadline, !isOver { decision.look(at: deadline) }
        decision.outcome = outcome(situation)
        if situation.isLeaving {
            stopAll(situation, reason: .podEnds, into: &decision)
            return decision
        }
        if decision.outcome != .goesOn {
            stopAll(situation, reason: .workIsDone, into: &decision)
            return decision
        }
        guard situation.isSandboxReady else {
            decision.actions.append(.createSandbox)
            return decision
        }
        guard initialize(situation, into: &decision) else { return decision }
        decision.isInitialized = true
        run(situation, into: &decision)
        return decision
    }

    /// How the pod ends, or that it goes on.
    static func outcome(_ situation: PodSituation) -> PodDecision.Outcome {
        let policy = situation.pod.restartPolicy
        if policy == .never {
            for container in situation.pod.initContainers where !container.isSidecar && !situation.hasInitialized {
                if let exit = situation.view(container).exit, exit.exitCode != 0 { return .failed }
            }
        }
        var hasFailure = false
        for container in situation.pod.containers {
            guard let exit = situation.view(container).exit, !policy.restarts(afterExitCode: exit.exitCode) else {
                return .goesOn
            }
            if exit.exitCode != 0 { hasFailure = true }
        }
        return hasFailure ? .failed : .succeeded
    }

    /// Stops what runs: all regular containers at once, then sidecars from the last to the first.
    private static func stopAll(
        _ situation: PodSituation,
        reason: PodDecision.StopReason,
        into decision: inout PodDecision
    ) {
        let regular = situation.pod.initContainers.filter { !$0.isSidecar } + situation.pod.containers
        let alive = regular.filter { situation.view($0).isAlive }
        if !alive.isEmpty {
            for container in alive where !situation.view(container).isStopping {
                decision.actions.append(.stop(container: container.name, reason: reason))
            }
            return
        }
        if let last = situation.pod.sidecars.last(where: { situation.view($0).isAlive }) {
            if !situation.view(last).isStopping { decision.actions.append(.stop(container: last.name, reason: reason)) }
            return
        }
        decision.actions.append(.tearDown)
    }

    /// Works through the init containers; true when regular containers may run.
    private static func initialize(_ situation: PodSituation, into decision: inout PodDecision) -> Bool {
        for container in situation.pod.initContainers {
            let view = situation.view(container)
            if container.isSidecar {
                if view.isAlive {
                    stopIfUnhealthy(container, view, into: &decision)
                } else {
                    startWhenDue(container, view, now: situation.now, into: &decision)
                }
                if !situation.hasInitialized, !view.isUp { return false }
                continue
            }
            if situation.hasInitialized { continue }
            if let exit = view.exit, exit.exitCode == 0 { continue }
            if !view.isAlive { startWhenDue(container, view, now: situation.now, into: &decision) }
            return false
        }
        return true
    }

    private static func run(_ situation: PodSituation, into decision: inout PodDecision) {
        let policy = situation.pod.restartPolicy
        for container in situation.pod.containers {
            let view = situation.view(container)
            if view.isAlive {
                stopIfUnhealthy(container, view, into: &decision)
                // The next container waits for this one's hook.
                if !view.isPostStartDone, !view.isStopping { return }
                continue
            }
            if let exit = view.exit, !policy.restarts(afterExitCode: exit.exitCode) { continue }
            startWhenDue(container, view, now: situation.now, into: &decision)
        }
    }

    private static func stopIfUnhealthy(
        _ container: ContainerModel,
        _ view: ContainerView,
        into decision: inout PodDecision
    ) {
        guard let failed = view.failedProbe, view.isRunning, !view.isStopping else { return }
        decision.actions.append(.stop(container: container.name, reason: .probeFailed(failed)))
    }

    private static func startWhenDue(
        _ container: ContainerModel,
        _ view: ContainerView,
        now: Double,
        into decision: inout PodDecision
    ) {
        let due: Double =
            switch view.state {
            case .failing(_, _, let retryAt): retryAt
            case .exited: view.backoffUntil ?? 0
            default: 0
            }
        if now >= due {
            decision.actions.append(.start(container: container.name, attempt: view.attempt + 1))
        } else {
            decision.look(at: due)
        }
    }
}

/// The wait before a container is started again: none after the first end, then 10 s doubling to 300 s, forgotten
/// after ten minutes of running.
enum RestartBackoff {
    static let initial: Double = 10
    static let maximum: Double = 300
    static let forgetAfter: Double = 600

    /// The wait after the next run, given the wait after the present one and how long the present one ran (seconds).
    static func next(after current: Double?, ranFor seconds: Double) -> Double {
        guard let current, seconds < forgetAfter else { return initial }
        return current <= 0 ? initial : min(current * 2, maximum)
    }

    /// The time before which an ended run is not followed by another.
    static func end(wait: Double, finishedAt: Double, ranFor seconds: Double) -> Double {
        seconds >= forgetAfter ? finishedAt : finishedAt + wait
    }
}
