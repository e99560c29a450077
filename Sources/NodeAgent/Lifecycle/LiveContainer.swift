internal import KubeCore

/// A pod worker's knowledge of one container: its newest run on disk and what probes say of it.
struct LiveContainer: Sendable {
    var record: ContainerRecord?
    var paths: ContainerPaths?
    /// Set once the run has ended and its message has been read.
    var exit: ContainerExit?
    var isRunning = false
    var startedAt = ""
    var isStopping = false
    var isStarted = true
    var isReady = true
    var failedProbe: ContainerView.FailedProbe?
    var backoffUntil: Double?
    var previousExit: ContainerExit?
    var previousID: String?
    var failure: (reason: String, message: String, retryAt: Double, wait: Double)?
    /// Numbers below this one are used up although no record of them is left.
    var firstAttempt = 0

    var attempt: Int { record?.attempt ?? firstAttempt - 1 }

    /// What a new run inherits from this one.
    func next(_ record: ContainerRecord, paths: ContainerPaths) -> LiveContainer {
        var next = LiveContainer(record: record, paths: paths)
        next.previousExit = exit ?? previousExit
        next.previousID = exit == nil ? previousID : self.record?.id
        next.firstAttempt = firstAttempt
        return next
    }

    var view: ContainerView {
        var view = ContainerView()
        view.attempt = attempt
        view.isStopping = isStopping
        view.isPostStartDone = record?.isPostStartDone ?? true
        view.isStarted = isStarted
        view.isReady = isReady
        view.failedProbe = failedProbe
        view.backoffUntil = backoffUntil
        view.previousExit = previousExit
        view.previousID = previousID
        view.id = record?.id
        view.imageID = record?.imageID
        if let failure {
            view.state = .failing(reason: failure.reason, message: failure.message, retryAt: failure.retryAt)
            if let exit {
                view.previousExit = exit
                view.previousID = record?.id
            }
        } else if let exit {
            view.state = .exited(exit)
        } else if isRunning {
            view.state = .running(startedAt: startedAt)
        } else if record != nil {
            view.state = .starting
        }
        return view
    }
}
