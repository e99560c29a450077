internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import Synchronization

/// Turns Volcano Jobs into PodGroups and pods, and follows their policies.
final class VolcanoJobController: Sendable {
    static let jobIndex = "job"

    private let api: any ResourceAPI
    private let logger: Logger
    private let events: EventRecorder
    private let jobs: Informer
    private let pods: Informer
    private let groups: Informer
    private let queues: Informer
    private let commands: Informer
    private let now: @Sendable () -> Double
    /// Pods that somebody else deleted, by job; lost with the process, and then simply made again.
    private let evictions = Mutex<[ObjectKey: [JobEvent]]>([:])
    /// Pods that this controller deletes itself, by uid.
    private let killed = Mutex<Set<String>>([])

    init(
        api: any ResourceAPI,
        logger: Logger,
        jobs: Informer,
        pods: Informer,
        groups: Informer,
        queues: Informer,
        commands: Informer,
        now: @escaping @Sendable () -> Double = { Date.now.timeIntervalSince1970 }
    ) {
        self.api = api
        self.logger = logger
        events = EventRecorder(api: api, component: "vc-controller-manager", logger: logger)
        self.jobs = jobs
        self.pods = pods
        self.groups = groups
        self.queues = queues
        self.commands = commands
        self.now = now
        pods.addIndex(Self.jobIndex) { pod in
            guard let owner = pod.controllerReference, owner.kind == "Job",
                owner.apiVersion.hasPrefix("batch.volcano.sh/")
            else { return [] }
            return [owner.uid]
        }
        commands.addIndex(Self.jobIndex) { command in command["target", "uid"]?.stringValue.map { [$0] } ?? [] }
    }

    func makeController() -> Controller {
        let controller = Controller(name: "volcano-job", workers: 4, logger: logger) { [self] key in
            try await reconcile(key)
        }
        controller.watch(jobs)
        pods.onEvent { [self] event in noteEviction(event) }
        controller.watch(pods) { event in Self.jobKey(of: event.object) }
        controller.watch(groups) { event in
            guard let owner = event.object.controllerReference, owner.kind == "Job" else { return [] }
            return [ObjectKey(namespace: event.object.namespace, name: owner.name)]
        }
        controller.watch(commands) { event in
            guard event.object["target", "kind"]?.stringValue == "Job",
                let name = event.object["target", "name"]?.stringValue
            else { return [] }
            return [ObjectKey(namespace: event.object.namespace, name: name)]
        }
        return controller
    }

    private static func jobKey(of pod: KubeObject) -> [ObjectKey] {
        guard let owner = pod.controllerReference, owner.kind == "Job", owner.apiVersion.hasPrefix("batch.volcano.sh/")
        else { return [] }
        return [ObjectKey(namespace: pod.namespace, name: owner.name)]
    }

    private func noteEviction(_ event: InformerEvent) {
        let pod = event.object
        guard let key = Self.jobKey(of: pod).first else { return }
        switch event {
        case .deleted:
            if killed.withLock({ $0.remove(pod.uid) != nil }) { return }
            guard !JobPolicies.hadEnded(pod) else { return }
        case .added, .updated: return
        }
        let eviction = JobEvent(
            name: "PodEvicted",
            task: pod.annotations[VolcanoNames.taskSpec],
            pod: pod,
            exitCode: nil,
            time: now()
        )
        evictions.withLock { $0[key, default: []].append(eviction) }
    }

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let object = jobs.get(key) else {
            evictions.withLock { $0[key] = nil }
            return .settled
        }
        let job = VolcanoJob(object)
        let pods = self.pods.list(index: Self.jobIndex, value: object.uid)
        let timeToLive = try await expire(job)
        if timeToLive == .zero { return .settled }
        let group = groups.get(ObjectKey(namespace: key.namespace, name: job.groupName))
        let gone = (evictions.withLock { $0.removeValue(forKey: key) } ?? []).filter { isCurrent($0, job) }
        let asked = commands.list(index: Self.jobIndex, value: object.uid)
            .sorted { ($0.creationTimestamp ?? "") < ($1.creationTimestamp ?? "") }
        let errors =
            job.phase == "Pending" && group == nil
            ? VolcanoJobValidation.validate(job, queue: try await queue(job.queue)) : []
        let plan = JobPlan(
            job: job,
            pods: pods,
            group: group,
            evictions: gone,
            commands: asked.compactMap { $0["action"]?.stringValue },
            errors: errors,
            now: now()
        )
        do {
            try await apply(plan, job, group, pods, asked)
        } catch {
            // What was seen must not be lost because a write failed.
            evictions.withLock { $0[key, default: []].insert(contentsOf: gone, at: 0) }
            throw error
        }
        let waits = [plan.recheck.map { Duration.milliseconds(Int(max($0 - now(), 0) * 1000) + 50) }, timeToLive]
        return waits.compactMap { $0 }.min().map { .recheck(after: $0) } ?? .settled
    }

    private func apply(
        _ plan: JobPlan,
        _ job: VolcanoJob,
        _ group: KubeObject?,
        _ pods: [KubeObject],
        _ asked: [KubeObject]
    ) async throws {
        let isDecision = plan.phase != job.phase || plan.retryCount != job.retryCount
        // A decision is kept before anything is deleted, so that a crash in between repeats it and not its cause.
        if isDecision { try await write(job, plan, pods) }
        try await carryOut(plan, job, group, pods)
        for command in asked { try await api.deleteIfPresent(VolcanoNames.commands, command.key) }
        if !isDecision { try await write(job, plan, pods) }
    }

    private func isCurrent(_ event: JobEvent, _ job: VolcanoJob) -> Bool {
        event.pod?.controllerReference?.uid == job.object.uid
            && event.pod?.annotations[VolcanoNames.jobVersion] == String(job.version)
    }

    private func queue(_ name: String) async throws -> KubeObject? {
        if let known = queues.get(ObjectKey(name: name)) { return known }
        if name == VolcanoNames.defaultQueue { try await VolcanoQueueController.ensureDefaultQueue(api) }
        return try await api.find(VolcanoNames.queues, name: name)
    }

    private func write(_ job: VolcanoJob, _ plan: JobPlan, _ pods: [KubeObject]) async throws {
        let status = JobStatus.status(job, plan: plan, pods: pods, now: now())
        guard status != job.object["status"] else { return }
        var changed = job.object
        changed["status"] = status
        try await api.updateStatus(VolcanoNames.jobs, changed)
        guard plan.phase != job.phase else { return }
        let isBad = ["Failed", "Aborting", "Terminating", "Restarting"].contains(plan.phase)
        let text = plan.message.isEmpty ? "the job is \(plan.phase)" : "the job is \(plan.phase): \(plan.message)"
        await events.record(
            isBad ? .warning : .normal,
            reason: plan.reason.isEmpty ? plan.phase : plan.reason,
            text,
            about: job.object
        )
    }

    private func carryOut(_ plan: JobPlan, _ job: VolcanoJob, _ group: KubeObject?, _ pods: [KubeObject]) async throws {
        if plan.syncsCompanions { try await syncCompanions(job, group) }
        try await inParallel(plan.delete) { [self] pod in
            killed.withLock { _ = $0.insert(pod.uid) }
            let isThere = try await api.deleteIfPresent(
                .pods,
                pod.key,
                options: DeleteOptions(preconditionUID: pod.uid)
            )
            if !isThere { killed.withLock { _ = $0.remove(pod.uid) } }
        }
        try await inParallel(plan.create) { [self] pod in
            do {
                try await api.create(.pods, pod)
            } catch let error as APIError where error.isAlreadyExists {
                // The copy here is behind; or a pod of an earlier attempt is still going.
                return
            } catch {
                await events.record(
                    .warning,
                    reason: "FailedCreate",
                    "Error creating pod \(pod.name): \(error)",
                    about: job.object
                )
                throw error
            }
        }
    }

    private func inParallel(
        _ items: [KubeObject],
        _ operation: @escaping @Sendable (KubeObject) async throws -> Void
    ) async throws {
        // Bounded, so that one large job does not fill the server's queue.
        for start in stride(from: 0, to: items.count, by: 64) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for item in items[start..<min(start + 64, items.count)] { group.addTask { try await operation(item) } }
                try await group.waitForAll()
            }
        }
    }

    private func syncCompanions(_ job: VolcanoJob, _ group: KubeObject?) async throws {
        if let group {
            let wanted = JobPods.podGroup(job, over: group)
            if wanted != group { try await api.update(VolcanoNames.podGroups, wanted) }
            return
        }
        for claim in JobPods.claims(job) { try await createIfAbsent(.persistentVolumeClaims, claim) }
        for (type, object) in JobPlugins.companions(job) { try await createIfAbsent(type, object) }
        // Last: once the group exists the job counts as set up.
        try await createIfAbsent(VolcanoNames.podGroups, JobPods.podGroup(job))
    }

    private func createIfAbsent(_ type: ResourceType, _ object: KubeObject) async throws {
        do {
            try await api.create(type, object)
        } catch let error as APIError where error.isAlreadyExists {
            return
        }
    }

    /// Deletes a finished job whose time to live is over and returns zero; otherwise the time left, or nil without one.
    private func expire(_ job: VolcanoJob) async throws -> Duration? {
        guard let ttl = job.ttlSecondsAfterFinished, JobPlan.isFinal(job.phase), !job.object.isTerminating,
            let end = job.object["status", "state", "lastTransitionTime"]?.stringValue.flatMap({ Timestamp.seconds($0) }
            )
        else { return nil }
        let rest = end + Double(ttl) - now()
        guard rest <= 0 else { return .milliseconds(Int(rest * 1000) + 50) }
        try await api.deleteIfPresent(
            VolcanoNames.jobs,
            job.key,
            options: DeleteOptions(propagation: .background, preconditionUID: job.object.uid)
        )
        return .zero
    }
}
