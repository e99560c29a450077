internal import KubeCore

/// What happened to a job, as its policies name it.
struct JobEvent: Sendable, Equatable {
    var name: String
    /// nil for events of the job as a whole.
    var task: String?
    var pod: KubeObject?
    var exitCode: Int?
    /// Seconds since 1970 at which it happened; a policy's timeout counts from here.
    var time: Double
}

/// What a policy wants done, and when.
struct PolicyDecision: Sendable, Equatable {
    var event: JobEvent
    var action: String
    /// Seconds since 1970.
    var due: Double
}

enum JobPolicies {
    /// Events that the pods show, in order of time.
    ///
    /// `pods` are those of the present attempt.
    static func events(_ job: VolcanoJob, pods: [KubeObject], group: KubeObject?, now: Double) -> [JobEvent] {
        var events: [JobEvent] = []
        for pod in pods where !pod.isTerminating {
            let facts = PodFacts(pod)
            let task = pod.annotations[VolcanoNames.taskSpec]
            if facts.hasFailed {
                let code = facts.failedExitCode?.code
                events.append(
                    JobEvent(name: "PodFailed", task: task, pod: pod, exitCode: code, time: finished(pod) ?? now)
                )
            } else if facts.phase == "Pending",
                facts.nodeName != nil || group?["status", "phase"]?.stringValue != "Pending"
            {
                let since = pod.creationTimestamp.flatMap { Timestamp.seconds($0) } ?? now
                events.append(JobEvent(name: "PodPending", task: task, pod: pod, exitCode: nil, time: since))
            }
        }
        for task in job.tasks where task.replicas > 0 {
            let mine = pods.filter { $0.annotations[VolcanoNames.taskSpec] == task.name }
            let succeeded = mine.count { PodFacts($0).hasSucceeded }
            let failed = mine.count { PodFacts($0).hasFailed }
            let end = mine.compactMap { finished($0) }.max() ?? now
            if succeeded == task.replicas {
                events.append(JobEvent(name: "TaskCompleted", task: task.name, pod: nil, exitCode: nil, time: end))
            } else if failed > 0, succeeded + failed == task.replicas || job.retryCount >= task.maxRetry {
                events.append(JobEvent(name: "TaskFailed", task: task.name, pod: nil, exitCode: nil, time: end))
            }
        }
        if group?["status", "phase"]?.stringValue == "Unknown" {
            events.append(JobEvent(name: "Unknown", task: nil, pod: nil, exitCode: nil, time: now))
        }
        return events.sorted { $0.time < $1.time }
    }

    /// The end of the last container.
    private static func finished(_ pod: KubeObject) -> Double? {
        (pod["status", "containerStatuses"]?.arrayValue ?? []).compactMap {
            $0["state"]?["terminated"]?["finishedAt"]?.stringValue.flatMap { Timestamp.seconds($0) }
        }.max()
    }

    /// Whether a deleted pod was over before anybody asked for its deletion.
    ///
    /// A kubelet gives a pod that it stops a final phase too, before it lets go of it; so does the garbage collector with those
    /// of a lost node, whose containers nobody saw end.
    static func hadEnded(_ pod: KubeObject) -> Bool {
        guard PodFacts(pod).isFinished, let end = finished(pod) else { return false }
        guard let deadline = pod.deletionTimestamp.flatMap({ Timestamp.seconds($0) }) else { return true }
        let grace = pod["metadata", "deletionGracePeriodSeconds"]?.intValue ?? 0
        return end < deadline - Double(grace)
    }

    /// The first policy that names an event: those of the task before those of the job.
    static func decision(for event: JobEvent, job: VolcanoJob) -> PolicyDecision? {
        let lists = [event.task.flatMap { job.task($0)?.policies } ?? [], job.policies]
        for policies in lists {
            for policy in policies where matches(policy, event) {
                // Without a timeout every new pod would be acted upon the moment it exists.
                if event.name == "PodPending", policy.timeoutSeconds == nil { continue }
                return PolicyDecision(
                    event: event,
                    action: policy.action,
                    due: event.time + (policy.timeoutSeconds ?? 0)
                )
            }
        }
        return nil
    }

    private static func matches(_ policy: VolcanoJob.Policy, _ event: JobEvent) -> Bool {
        if let code = policy.exitCode { return event.name == "PodFailed" && event.exitCode == code }
        if policy.events.contains(event.name) { return true }
        // A pod that waits, or a task that is done, is nothing that "any event" means.
        return policy.events.contains("*") && !["PodPending", "TaskCompleted"].contains(event.name)
    }

    /// What is due now, and when the next decision is.
    static func next(_ events: [JobEvent], job: VolcanoJob, now: Double) -> (due: PolicyDecision?, waitUntil: Double?) {
        let decisions = events.compactMap { decision(for: $0, job: job) }
        let due = decisions.filter { $0.due <= now }.min { $0.due < $1.due }
        let wait = decisions.filter { $0.due > now }.map(\.due).min()
        return (due, wait)
    }
}
