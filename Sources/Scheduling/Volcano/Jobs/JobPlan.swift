internal import KubeCore

/// The next step of a Volcano Job, decided from it, its pods and its PodGroup.
struct JobPlan: Sendable {
    /// Which pods a kill spares.
    enum Keep: Sendable, Equatable {
        case none
        case finished
    }

    var phase: String
    var reason = ""
    var message = ""
    var retryCount: Int
    var version: Int
    var create: [KubeObject] = []
    var delete: [KubeObject] = []
    /// Create or update the PodGroup and the plugins' objects.
    var syncsCompanions = false
    /// Seconds since 1970 at which to look again.
    var recheck: Double?

    private static let finalPhases: Set<String> = ["Completed", "Failed", "Terminated"]

    static func isFinal(_ phase: String) -> Bool { finalPhases.contains(phase) }

    /// - `pods`: all pods of the job, terminating ones too.
    /// - `evictions`: pods of the present attempt that somebody else deleted while they ran.
    /// - `commands`: actions asked for by Command objects, oldest first.
    /// - `errors`: what validation found; a job never runs with errors.
    init(
        job: VolcanoJob,
        pods: [KubeObject],
        group: KubeObject?,
        evictions: [JobEvent],
        commands: [String],
        errors: [FieldError],
        now: Double
    ) {
        phase = job.phase
        retryCount = job.retryCount
        version = job.version
        reason = job.object["status", "state", "reason"]?.stringValue ?? ""
        message = job.object["status", "state", "message"]?.stringValue ?? ""
        guard !job.object.isTerminating else { return }
        // Only a job that never ran can be refused: later its queue may close without any harm to it.
        if !errors.isEmpty, job.phase == "Pending", pods.isEmpty, group == nil {
            enter("Failed", "InvalidJob", errors.map(\.description).joined(separator: "; "))
            return
        }
        if take(commands, job: job, pods: pods) { return }
        switch phase {
        case "Pending", "Running": proceed(job, pods, group, evictions, now)
        case "Restarting": restart(job, pods)
        case "Aborting": wind(pods, into: "Aborted")
        case "Terminating": wind(pods, into: "Terminated")
        case "Completing": wind(pods, into: "Completed")
        default: kill(pods, keep: .finished)
        }
    }

    private mutating func enter(_ phase: String, _ reason: String = "", _ message: String = "") {
        self.phase = phase
        self.reason = reason
        self.message = message
    }

    /// Commands win over what the pods show.
    private mutating func take(_ commands: [String], job: VolcanoJob, pods: [KubeObject]) -> Bool {
        for command in commands {
            switch command {
            case "ResumeJob" where phase == "Aborted" || phase == "Aborting":
                act("RestartJob", "CommandIssued", "resumed by a command", job, pods)
                return true
            case "ResumeJob": continue
            case "AbortJob", "TerminateJob", "CompleteJob", "RestartJob":
                guard !Self.isFinal(phase), phase != "Aborted" || command == "TerminateJob" else { continue }
                act(command, "CommandIssued", "\(command) was asked for by a command", job, pods)
                return true
            default: continue
            }
        }
        return false
    }

    private mutating func act(
        _ action: String,
        _ reason: String,
        _ message: String,
        _ job: VolcanoJob,
        _ pods: [KubeObject],
        event: JobEvent? = nil
    ) {
        switch action {
        case "AbortJob":
            version += 1
            kill(pods, keep: .finished)
            enter("Aborting", reason, message)
        case "TerminateJob":
            version += 1
            kill(pods, keep: .finished)
            enter("Terminating", reason, message)
        case "CompleteJob":
            version += 1
            kill(pods, keep: .finished)
            enter("Completing", reason, message)
        case "RestartJob", "RestartTask", "RestartPod", "RestartPartition":
            retryCount += 1
            version += 1
            guard retryCount < max(job.maxRetry, 1) else {
                kill(pods, keep: .finished)
                enter("Failed", "MaxRetryReached", "\(message); it was tried \(retryCount) times, as maxRetry says")
                return
            }
            kill(Self.scope(of: action, pods, event), keep: .none)
            enter("Restarting", reason, message)
        default: break
        }
    }

    private static func scope(of action: String, _ pods: [KubeObject], _ event: JobEvent?) -> [KubeObject] {
        switch action {
        case "RestartPod": event?.pod.map { pod in pods.filter { $0.name == pod.name } } ?? []
        case "RestartTask": pods.filter { $0.annotations[VolcanoNames.taskSpec] == event?.task }
        default: pods
        }
    }

    private mutating func kill(_ pods: [KubeObject], keep: Keep) {
        delete = pods.filter { pod in !pod.isTerminating && (keep == .none || !PodFacts(pod).isFinished) }
    }

    /// Everything that still runs is stopped; then the job is where it was going.
    private mutating func wind(_ pods: [KubeObject], into end: String) {
        kill(pods, keep: .finished)
        if !pods.contains(where: { !PodFacts($0).isFinished }) { enter(end, reason, message) }
    }

    /// Waits for killed pods to go.
    private mutating func restart(_ job: VolcanoJob, _ pods: [KubeObject]) {
        if !pods.contains(where: \.isTerminating) { enter("Pending", reason, message) }
    }

    private mutating func proceed(
        _ job: VolcanoJob,
        _ pods: [KubeObject],
        _ group: KubeObject?,
        _ evictions: [JobEvent],
        _ now: Double
    ) {
        let events = evictions + JobPolicies.events(job, pods: pods, group: group, now: now)
        let (due, wait) = JobPolicies.next(events, job: job, now: now)
        recheck = wait
        if let due {
            act(due.action, due.event.name, Self.sentence(due.event), job, pods, event: due.event)
            if !delete.isEmpty || phase != job.phase { return }
        }
        if let end = ended(job, pods) {
            kill(pods, keep: .finished)
            enter(end.phase, end.reason, end.message)
            return
        }
        syncsCompanions = true
        let groupPhase = group?["status", "phase"]?.stringValue ?? ""
        if group != nil, !groupPhase.isEmpty, groupPhase != "Pending" { sync(job, pods) }
        let alive = pods.count { !$0.isTerminating && ["Running", "Succeeded", "Failed"].contains(PodFacts($0).phase) }
        if alive >= job.minAvailable, job.minAvailable > 0 || !pods.isEmpty {
            if phase != "Running" { enter("Running") }
        } else if phase == "Running" {
            enter("Pending", "PodsPending", "fewer than minAvailable pods run")
        }
    }

    private static func sentence(_ event: JobEvent) -> String {
        let subject = event.pod.map { "pod \($0.name)" } ?? event.task.map { "task \($0)" } ?? "the job"
        switch event.name {
        case "PodFailed":
            let code = event.exitCode.map { " with exit code \($0)" } ?? ""
            return "\(subject) failed\(code)"
        case "PodEvicted": return "\(subject) was deleted while it ran"
        case "PodPending": return "\(subject) stayed pending for too long"
        case "TaskCompleted": return "\(subject) completed"
        case "TaskFailed": return "\(subject) failed"
        case "Unknown": return "only a part of the job's pods could be placed"
        default: return "\(subject): \(event.name)"
        }
    }

    private func ended(_ job: VolcanoJob, _ pods: [KubeObject]) -> (phase: String, reason: String, message: String)? {
        let present = pods.filter { !$0.isTerminating }
        let succeeded = present.count { PodFacts($0).hasSucceeded }
        let failed = present.count { PodFacts($0).hasFailed }
        if let minimum = job.minSuccess, succeeded >= minimum {
            return ("Completed", "MinSuccessReached", "\(succeeded) pods succeeded, minSuccess is \(minimum)")
        }
        guard job.totalReplicas > 0, succeeded + failed >= job.totalReplicas else { return nil }
        if let minimum = job.minSuccess {
            return ("Failed", "MinSuccessMissed", "\(succeeded) pods succeeded, minSuccess is \(minimum)")
        }
        for task in job.tasks {
            let own = present.count { $0.annotations[VolcanoNames.taskSpec] == task.name && PodFacts($0).hasSucceeded }
            if own < task.minAvailable {
                return (
                    "Failed", "TaskFailed",
                    "\(own) of \(task.replicas) pods of task \(task.name) succeeded, \(task.minAvailable) had to"
                )
            }
        }
        return succeeded >= job.minAvailable
            ? ("Completed", "", "")
            : ("Failed", "PodsFailed", "\(succeeded) pods succeeded, minAvailable is \(job.minAvailable)")
    }

    /// Creates missing pods and deletes those above `replicas`.
    private mutating func sync(_ job: VolcanoJob, _ pods: [KubeObject]) {
        var names: Set<String> = []
        for pod in pods { names.insert(pod.name) }
        var wanted: Set<String> = []
        for task in job.tasks {
            let mayStart = Self.dependenciesHold(task, job, pods)
            for index in 0..<max(task.replicas, 0) {
                let name = job.podName(task, index)
                wanted.insert(name)
                if mayStart, !names.contains(name) { create.append(JobPods.pod(job, task, index)) }
            }
        }
        delete = pods.filter { !$0.isTerminating && !wanted.contains($0.name) }
    }

    private static func dependenciesHold(_ task: VolcanoJob.Task, _ job: VolcanoJob, _ pods: [KubeObject]) -> Bool {
        guard !task.dependsOn.isEmpty else { return true }
        let ready = task.dependsOn.map { name -> Bool in
            guard let other = job.task(name) else { return true }
            let good = pods.count {
                let facts = PodFacts($0)
                return $0.annotations[VolcanoNames.taskSpec] == name && (facts.isReady || facts.hasSucceeded)
            }
            return good >= max(other.minAvailable, 1)
        }
        return task.dependsOnAny ? ready.contains(true) : !ready.contains(false)
    }
}
