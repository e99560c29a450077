internal import KubeCore
internal import KubeRuntime

/// What a CronJob does now.
struct CronJobPlan: Sendable {
    /// The scheduled time, in seconds since 1970, of the Job to start.
    var start: Double?
    /// Running Jobs that the new one replaces.
    var replace: [KubeObject] = []
    /// Finished Jobs beyond the history limits.
    var remove: [KubeObject] = []
    var active: [KubeObject] = []
    var lastSuccessful: String?
    /// A Job was due but could not start.
    var skipped: String?
    /// Seconds until the next scheduled time.
    var wait: Double?

    init(cronJob: KubeObject, jobs: [KubeObject], now: Double) throws(CronScheduleError) {
        let spec = cronJob["spec"]
        active = jobs.filter { JobFacts($0).finishedCondition == nil }
        lastSuccessful = jobs.filter { $0.isConditionTrue("Complete") }
            .compactMap { $0["status", "completionTime"]?.stringValue }.max()
        trim(jobs, "Complete", limit: spec?["successfulJobsHistoryLimit"]?.intValue ?? 3)
        trim(jobs, "Failed", limit: spec?["failedJobsHistoryLimit"]?.intValue ?? 1)
        guard !cronJob.isTerminating, spec?["suspend"]?.boolValue != true else { return }
        let schedule = try CronSchedule(spec?["schedule"]?.stringValue ?? "", timeZone: spec?["timeZone"]?.stringValue)
        let created = cronJob.creationTimestamp.flatMap { Timestamp.seconds($0) } ?? now
        let last = cronJob["status", "lastScheduleTime"]?.stringValue.flatMap { Timestamp.seconds($0) }
        var from = last ?? created
        let deadline = spec?["startingDeadlineSeconds"]?.intValue
        if let deadline { from = max(from, now - Double(deadline)) }
        var due: Double?
        var next = schedule.next(after: from)
        var steps = 0
        while let time = next, time <= now {
            due = time
            steps += 1
            // After a long time off only the latest counts, and looking for it must end.
            next = steps > 100 ? schedule.next(after: now - 60) : schedule.next(after: time)
            if steps > 200 { break }
        }
        wait = schedule.next(after: now).map { $0 - now }
        guard let due else { return }
        switch spec?["concurrencyPolicy"]?.stringValue ?? "Allow" {
        case "Forbid" where !active.isEmpty:
            skipped = "not starting job because prior execution is running and concurrency policy is Forbid"
        case "Replace":
            replace = active
            start = due
        default: start = due
        }
    }

    private mutating func trim(_ jobs: [KubeObject], _ condition: String, limit: Int) {
        let ended = jobs.filter { $0.isConditionTrue(condition) }
            .sorted { ($0["status", "startTime"]?.stringValue ?? "") < ($1["status", "startTime"]?.stringValue ?? "") }
        remove += ended.dropLast(min(limit, ended.count))
    }

    /// The Job for one scheduled time; its name follows from the time, so that it is never made twice.
    static func job(_ cronJob: KubeObject, at time: Double) -> KubeObject {
        let template = cronJob["spec", "jobTemplate"]
        var annotations = template?["metadata"]?["annotations"]?.stringMap ?? [:]
        annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] = Timestamp.text(seconds: time)
        var job = KubeObject(
            .jobs,
            namespace: cronJob.namespace,
            name: "\(cronJob.name.prefix(52))-\(Int(time) / 60)",
            labels: template?["metadata"]?["labels"]?.stringMap ?? [:],
            annotations: annotations,
            body: ["spec": template?["spec"] ?? .object([:])]
        )
        job.ownerReferences = [cronJob.controllerReference()]
        return job
    }
}

/// Starts Jobs by the clock.
struct CronJobController: Sendable {
    let context: ControllerContext

    func makeController() -> Controller {
        let controller = Controller(name: "cronjob", workers: 1, logger: context.logger, reconcile: reconcile)
        controller.watch(context.informers.cronJobs)
        controller.watch(context.informers.jobs, ownedBy: "CronJob")
        return controller
    }

    @Sendable func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let cronJob = context.informers.cronJobs.get(key) else { return .settled }
        let jobs = context.informers.jobs.owned(by: cronJob)
        let plan: CronJobPlan
        do {
            plan = try CronJobPlan(cronJob: cronJob, jobs: jobs, now: context.now())
        } catch {
            await context.events.record(.warning, reason: "UnparseableSchedule", "\(error)", about: cronJob)
            return .settled
        }
        for job in plan.remove + plan.replace {
            try await context.api.deleteIfPresent(
                .jobs,
                job.key,
                options: DeleteOptions(propagation: .background, preconditionUID: job.uid)
            )
        }
        var status = cronJob["status"]?.objectValue ?? [:]
        var active = plan.active.filter { job in !plan.replace.contains { $0.uid == job.uid } }
        if let start = plan.start {
            if let job = try await create(CronJobPlan.job(cronJob, at: start), cronJob) { active.append(job) }
            status["lastScheduleTime"] = .string(Timestamp.text(seconds: start))
        } else if let skipped = plan.skipped {
            await context.events.record(.normal, reason: "JobAlreadyActive", skipped, about: cronJob)
        }
        status["lastSuccessfulTime"] = plan.lastSuccessful.map(JSON.string) ?? status["lastSuccessfulTime"]
        status["active"] = active.isEmpty ? nil : .array(active.map { Self.reference($0) })
        try await context.writeStatus(.cronJobs, of: cronJob, .object(status))
        guard let wait = plan.wait else { return .settled }
        return .recheck(after: .milliseconds(Int(wait * 1000) + 50))
    }

    private func create(_ job: KubeObject, _ cronJob: KubeObject) async throws -> KubeObject? {
        do {
            let created = try await context.api.create(.jobs, job)
            await context.events.record(
                .normal,
                reason: "SuccessfulCreate",
                "Created job \(created.name)",
                about: cronJob
            )
            return created
        } catch let error as APIError where error.isAlreadyExists || error.isNamespaceTerminating {
            return nil
        }
    }

    private static func reference(_ job: KubeObject) -> JSON {
        var members: [String: JSON] = [
            "apiVersion": "batch/v1", "kind": "Job", "name": .string(job.name), "uid": .string(job.uid),
        ]
        members["namespace"] = job.namespace.map(JSON.string)
        members["resourceVersion"] = job.resourceVersion.map(JSON.string)
        return .object(members)
    }
}
