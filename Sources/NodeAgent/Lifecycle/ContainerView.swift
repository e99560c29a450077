/// What is known of one container of a pod when a decision is made.
struct ContainerView: Sendable, Equatable {
    enum State: Sendable, Equatable {
        /// Never tried, or its record is gone with a lost sandbox.
        case absent
        /// Could not be made ready; tried again at `retryAt` (seconds since 1970).
        case failing(reason: String, message: String, retryAt: Double)
        /// Its monitor is at work, the program does not run yet.
        case starting
        /// `startedAt` is RFC 3339.
        case running(startedAt: String)
        case exited(ContainerExit)
    }

    var state: State = .absent
    /// Number of the run that `state` is about; -1 when there was none.
    var attempt = -1
    /// A stop is on its way.
    var isStopping = false
    var isPostStartDone = true
    /// The startup probe has passed, or there is none.
    var isStarted = true
    /// The readiness probe's verdict; true when there is none.
    var isReady = true
    /// A probe says that it must be killed.
    var failedProbe: FailedProbe?
    /// Seconds since 1970 before which it is not started again; only for an ended one.
    var backoffUntil: Double?
    /// How the run before `attempt` ended.
    var previousExit: ContainerExit?
    var previousID: String?
    var id: String?
    var imageID: String?

    struct FailedProbe: Sendable, Equatable {
        var kind: ProbeKind
        var gracePeriodSeconds: Int?
    }

    var isAlive: Bool {
        switch state {
        case .starting, .running: true
        default: false
        }
    }

    var isRunning: Bool { if case .running = state { true } else { false } }

    var exit: ContainerExit? { if case .exited(let exit) = state { exit } else { nil } }

    /// Counts for what comes after it: it runs, its hook is done, its startup probe passed.
    var isUp: Bool { isRunning && isPostStartDone && isStarted }
}
