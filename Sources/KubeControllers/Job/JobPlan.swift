internal import KubeCore

/// The next step of a Job, decided from it and its pods.
///
/// Finished pods are counted in two steps, so that none is lost or counted twice: first their uids go to
/// `uncountedTerminatedPods`, then their finalizers go, then they become numbers. Source: KEP 2307.
struct JobPlan: Sendable {
    /// Written before anything else.
    var status: JSON
    /// Pods whose tracking finalizer can go once `status` is written.
    var release: [KubeObject] = []
    var delete: [KubeObject] = []
    /// One entry per pod to create: its index, or nil.
    var create: [Int?] = []
    /// Seconds until something is due although nothing changes.
    var recheck: Double?
    /// An event to record once the status is written.
    var event: (isWarning: Bool, reason: String, message: String)?

    /// - `pods`: managed pods, in any state.
    init(job: KubeObject, pods: [KubeObject], now: Double) {
        var book = JobBook(job: job, pods: pods, now: now)
        status = job["status"] ?? .object([:])
        guard !job.isTerminating else {
            release = pods.filter { $0.finalizers.contains(JobNames.finalizer) }
            return
        }
        let facts = JobFacts(job)
        if facts.finishedCondition != nil {
            release = pods.filter { $0.finalizers.contains(JobNames.finalizer) }
            return
        }
        book.countFinished()
        release = book.release
        let outcome = JobOutcome(facts: facts, book: book, now: now)
        book.conditions = outcome.conditions
        event = outcome.event
        recheck = outcome.recheck
        switch outcome.next {
        case .run:
            create = book.missing(facts)
            delete = book.surplus(facts, now: now)
            if let wait = book.backoff(facts, now: now), !create.isEmpty {
                create = []
                recheck = min(recheck ?? wait, wait)
            }
        case .stop: delete = book.active
        }
        status = book.status(outcome: outcome, facts: facts, now: now)
    }
}

/// The counts of a Job while a step is worked out.
struct JobBook: Sendable {
    let job: KubeObject
    let pods: [KubeObject]
    let isIndexed: Bool
    /// Neither finished nor being deleted.
    let active: [KubeObject]
    let terminating: [KubeObject]
    let ready: Int
    var succeeded: Int
    var failed: Int
    var uncountedSucceeded: Set<String>
    var uncountedFailed: Set<String>
    var completedIndexes: IndexSet
    var failedIndexes: IndexSet
    var conditions: ConditionList
    var release: [KubeObject] = []
    /// Failures of pods by index, for backoffLimitPerIndex.
    var failuresPerIndex: [Int: Int] = [:]
    /// A rule of the pod failure policy that fails the whole Job.
    var policyFailure: String?
    /// When the last pods failed.
    var lastFailure: Double?
    var recentFailures = 0

    init(job: KubeObject, pods: [KubeObject], now: Double) {
        self.job = job
        self.pods = pods
        isIndexed = JobFacts(job).isIndexed
        active = pods.filter { PodFacts($0).isActive }
        terminating = pods.filter { $0.isTerminating && !PodFacts($0).isFinished }
        ready = active.count { PodFacts($0).isReady }
        succeeded = job["status", "succeeded"]?.intValue ?? 0
        failed = job["status", "failed"]?.intValue ?? 0
        let uncounted = job["status", "uncountedTerminatedPods"]
        uncountedSucceeded = Set(uncounted?["succeeded"]?.stringArray ?? [])
        uncountedFailed = Set(uncounted?["failed"]?.stringArray ?? [])
        completedIndexes = IndexSet(parsing: job["status", "completedIndexes"]?.stringValue ?? "")
        failedIndexes = IndexSet(parsing: job["status", "failedIndexes"]?.stringValue ?? "")
        conditions = ConditionList(job["status", "conditions"])
    }

    /// Everything that ended, counted or about to be.
    var totalSucceeded: Int { isIndexed ? completedIndexes.values.count : succeeded + uncountedSucceeded.count }
    var totalFailed: Int { failed + uncountedFailed.count }

    /// Nothing runs, and every pod that ended is in the numbers.
    var isAtRest: Bool {
        active.isEmpty && terminating.isEmpty && uncountedSucceeded.isEmpty && uncountedFailed.isEmpty
    }

    mutating func countFinished() {
        let facts = JobFacts(job)
        let tracked = Set(pods.filter { $0.finalizers.contains(JobNames.finalizer) }.map(\.uid))
        // Their finalizers are gone: they may be forgotten, so the numbers take over.
        for uid in uncountedSucceeded where !tracked.contains(uid) {
            uncountedSucceeded.remove(uid)
            succeeded += 1
        }
        for uid in uncountedFailed where !tracked.contains(uid) {
            uncountedFailed.remove(uid)
            failed += 1
        }
        for pod in pods where tracked.contains(pod.uid) {
            let pastCount = uncountedSucceeded.contains(pod.uid) || uncountedFailed.contains(pod.uid)
            let state = PodFacts(pod)
            // A pod that somebody deletes will not succeed any more; with the policy `Failed` only its end counts.
            let isLost = pod.isTerminating && !state.isFinished && (!facts.replacesOnlyFailed || state.nodeName == nil)
            guard state.isFinished || isLost else { continue }
            release.append(pod)
            if state.hasSucceeded {
                count(succeeded: pod, alreadyCounted: pastCount)
            } else if !pastCount {
                count(failed: pod, facts)
            }
        }
        for pod in pods where PodFacts(pod).hasFailed {
            if let index = JobFacts.index(of: pod) { failuresPerIndex[index, default: 0] += 1 }
            if let end = Self.end(of: pod) {
                if end > (lastFailure ?? 0) { lastFailure = end }
                recentFailures += 1
            }
        }
        limitIndexes(facts)
    }

    private mutating func count(succeeded pod: KubeObject, alreadyCounted: Bool) {
        if isIndexed {
            if let index = JobFacts.index(of: pod), index < JobFacts(job).completions ?? .max {
                completedIndexes.insert(index)
            }
        }
        if !alreadyCounted { uncountedSucceeded.insert(pod.uid) }
    }

    private mutating func count(failed pod: KubeObject, _ facts: JobFacts) {
        switch PodFailureVerdict(pod: pod, rules: facts.failureRules) {
        case .ignore: return
        case .failJob(let message): policyFailure = policyFailure ?? message
        case .failIndex: if let index = JobFacts.index(of: pod) { failedIndexes.insert(index) }
        case .count: break
        }
        uncountedFailed.insert(pod.uid)
    }

    private mutating func limitIndexes(_ facts: JobFacts) {
        guard let limit = facts.backoffLimitPerIndex else { return }
        for (index, count) in failuresPerIndex where count > limit && !completedIndexes.values.contains(index) {
            failedIndexes.insert(index)
        }
    }

    private static func end(of pod: KubeObject) -> Double? {
        (pod["status", "containerStatuses"]?.arrayValue ?? []).compactMap {
            $0["state"]?["terminated"]?["finishedAt"]?.stringValue.flatMap { Timestamp.seconds($0) }
        }.max()
    }

    /// Pods to create.
    func missing(_ facts: JobFacts) -> [Int?] {
        let occupied = facts.replacesOnlyFailed ? active + terminating : active
        if isIndexed {
            let taken = Set(occupied.compactMap { JobFacts.index(of: $0) })
            let done = completedIndexes.values.union(failedIndexes.values)
            let room = max(0, facts.parallelism - occupied.count)
            var result: [Int?] = []
            for index in 0..<(facts.completions ?? 0) where !taken.contains(index) && !done.contains(index) {
                if result.count >= room { break }
                result.append(index)
            }
            return result
        }
        var wanted = facts.parallelism
        if let completions = facts.completions {
            wanted = min(wanted, max(0, completions - totalSucceeded))
        } else if totalSucceeded > 0 {
            // Once one succeeded no new pods start; those that run may finish.
            return []
        }
        return Array(repeating: nil, count: max(0, wanted - occupied.count))
    }

    /// Pods above the parallelism, and of several with one index all but the first.
    func surplus(_ facts: JobFacts, now: Double) -> [KubeObject] {
        var surplus: [KubeObject] = []
        var rest = active
        if isIndexed {
            var seen: Set<Int> = []
            rest = []
            for pod in active.sorted(by: {
                ($0.creationTimestamp ?? "", $0.name) < ($1.creationTimestamp ?? "", $1.name)
            }) {
                let index = JobFacts.index(of: pod)
                let isOut = index.map { $0 >= facts.completions ?? .max || !seen.insert($0).inserted } ?? true
                if isOut { surplus.append(pod) } else { rest.append(pod) }
            }
        }
        var limit = facts.parallelism
        if !isIndexed, let completions = facts.completions { limit = min(limit, max(0, completions - totalSucceeded)) }
        guard rest.count > limit else { return surplus }
        return surplus + PodDeletionOrder.sorted(rest, now: now).prefix(rest.count - limit)
    }

    /// Seconds until pods may be made again after failures: 10 s doubling to 10 minutes.
    func backoff(_ facts: JobFacts, now: Double) -> Double? {
        guard recentFailures > 0, let lastFailure else { return nil }
        let delay = min(10 * Double(1 << min(recentFailures - 1, 10)), 600)
        let rest = lastFailure + delay - now
        return rest > 0 ? rest : nil
    }

    func status(outcome: JobOutcome, facts: JobFacts, now: Double) -> JSON {
        var status = job["status"]?.objectValue ?? [:]
        let isStopping = outcome.next == .stop
        let activeCount = isStopping ? 0 : active.count
        status["active"] = ReplicaSetPlan.nonZero(activeCount)
        status["ready"] = JSON(isStopping ? 0 : ready)
        status["terminating"] = JSON(terminating.count + (isStopping ? active.count : 0))
        status["succeeded"] = ReplicaSetPlan.nonZero(isIndexed ? completedIndexes.values.count : succeeded)
        status["failed"] = ReplicaSetPlan.nonZero(failed)
        var uncounted: [String: JSON] = [:]
        if !uncountedSucceeded.isEmpty { uncounted["succeeded"] = JSON(uncountedSucceeded.sorted()) }
        if !uncountedFailed.isEmpty { uncounted["failed"] = JSON(uncountedFailed.sorted()) }
        status["uncountedTerminatedPods"] = .object(uncounted)
        if isIndexed {
            status["completedIndexes"] = completedIndexes.values.isEmpty ? nil : .string(completedIndexes.text)
            if facts.backoffLimitPerIndex != nil { status["failedIndexes"] = .string(failedIndexes.text) }
        }
        if facts.isSuspended {
            status["startTime"] = nil
        } else if status["startTime"] == nil {
            status["startTime"] = .string(Timestamp.text(seconds: now))
        }
        if outcome.isComplete { status["completionTime"] = .string(Timestamp.text(seconds: now)) }
        status["conditions"] = conditions.items.isEmpty ? .none : conditions.json
        return .object(status)
    }
}

/// Whether a Job goes on, is held, or has come to its end.
struct JobOutcome: Sendable {
    enum Next: Sendable, Equatable {
        case run
        case stop
    }

    var next = Next.run
    var conditions: ConditionList
    var isComplete = false
    var event: (isWarning: Bool, reason: String, message: String)?
    var recheck: Double?

    init(facts: JobFacts, book: JobBook, now: Double) {
        conditions = book.conditions
        let timestamp = Timestamp.text(seconds: now)
        let probe: [String: JSON] = ["lastProbeTime": .string(timestamp)]
        if let reason = Self.failure(facts, book, now) {
            fail(reason, book, timestamp, probe)
            return
        }
        if let success = Self.success(facts, book) {
            next = .stop
            conditions.set(
                "SuccessCriteriaMet",
                "True",
                reason: "CompletionsReached",
                message: success,
                now: timestamp,
                extra: probe
            )
            guard book.isAtRest else { return }
            conditions.set(
                "Complete",
                "True",
                reason: "CompletionsReached",
                message: success,
                now: timestamp,
                extra: probe
            )
            isComplete = true
            event = (false, "Completed", "Job completed")
            return
        }
        suspend(facts, timestamp, probe)
        if next == .run, let deadline = facts.deadlineSeconds {
            recheck = max(0, (facts.startTime ?? now) + Double(deadline) - now)
        }
    }

    private mutating func fail(
        _ why: (reason: String, message: String),
        _ book: JobBook,
        _ timestamp: String,
        _ probe: [String: JSON]
    ) {
        next = .stop
        conditions.set(
            "FailureTarget",
            "True",
            reason: why.reason,
            message: why.message,
            now: timestamp,
            extra: probe
        )
        // The end is only reported when nothing of the Job runs any more.
        guard book.isAtRest else { return }
        conditions.set("Failed", "True", reason: why.reason, message: why.message, now: timestamp, extra: probe)
        event = (true, why.reason, why.message)
    }

    private mutating func suspend(_ facts: JobFacts, _ timestamp: String, _ probe: [String: JSON]) {
        if facts.isSuspended {
            next = .stop
            if conditions.status("Suspended") != "True" {
                conditions.set(
                    "Suspended",
                    "True",
                    reason: "JobSuspended",
                    message: "Job suspended",
                    now: timestamp,
                    extra: probe
                )
                event = (false, "Suspended", "Job suspended")
            }
        } else if conditions.status("Suspended") == "True" {
            conditions.set(
                "Suspended",
                "False",
                reason: "JobResumed",
                message: "Job resumed",
                now: timestamp,
                extra: probe
            )
            event = (false, "Resumed", "Job resumed")
        }
    }

    private static func failure(_ facts: JobFacts, _ book: JobBook, _ now: Double) -> (reason: String, message: String)?
    {
        if let present = book.conditions["FailureTarget"], present["status"]?.stringValue == "True" {
            return (present["reason"]?.stringValue ?? "", present["message"]?.stringValue ?? "")
        }
        if book.conditions.isTrue("SuccessCriteriaMet") { return nil }
        if let message = book.policyFailure { return ("PodFailurePolicy", message) }
        if book.totalFailed > facts.backoffLimit {
            return ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        }
        if facts.backoffLimitPerIndex != nil {
            let failedCount = book.failedIndexes.values.count
            if let maximum = facts.maxFailedIndexes, failedCount > maximum {
                return ("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
            }
            if failedCount > 0, failedCount + book.completedIndexes.values.count >= facts.completions ?? 0,
                book.active.isEmpty
            {
                return ("FailedIndexes", "Job has failed indexes")
            }
        }
        if !facts.isSuspended, let deadline = facts.deadlineSeconds, let start = facts.startTime,
            now - start >= Double(deadline)
        {
            return ("DeadlineExceeded", "Job was active longer than specified deadline")
        }
        return nil
    }

    private static func success(_ facts: JobFacts, _ book: JobBook) -> String? {
        if book.conditions.isTrue("SuccessCriteriaMet") {
            return book.conditions["SuccessCriteriaMet"]?["message"]?.stringValue ?? ""
        }
        let text = "Reached expected number of succeeded pods"
        guard let completions = facts.completions else {
            return book.totalSucceeded > 0 && book.active.isEmpty ? text : nil
        }
        guard book.totalSucceeded >= completions else { return nil }
        // A Job of nothing is complete at once.
        return text
    }
}
