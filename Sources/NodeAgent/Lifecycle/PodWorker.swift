internal import KubeCore
internal import KubeRuntime
internal import Logging

/// Runs one pod from its first sight to its end: observes, asks `PodPlan` what to do, does it, and reports.
///
/// All state that matters is on disk (`PodRecord`, `ContainerRecord`, the monitor's files) or in the API; a new worker
/// takes over where an old one was cut off.
actor PodWorker {
    let environment: PodEnvironment
    var pod: PodModel
    var record: PodRecord
    var containers: [String: LiveContainer] = [:]
    let bell = Bell()

    /// The object has left the API.
    var isGone = false
    var volumePaths: [String: String]?
    /// Seconds since 1970; after a failure nothing is tried before.
    var setupRetryAt: Double = 0
    var setupWait: Double = 0
    /// When containers that are being stopped get killed; nil while nothing is stopped.
    var graceEnd: Double?
    var published: JSON?
    var statusRetryAt: Double?
    var nextRefresh: Double = 0
    var hasAnnotatedMapping = false
    var isFinalized = false

    /// `object` is the pod as the API has it, or as the record on disk has it when the API has forgotten it.
    init(_ object: KubeObject, isGone: Bool, environment: PodEnvironment) {
        self.environment = environment
        self.isGone = isGone
        pod = PodModel(object)
        record = PodRecord.load(environment.paths.pod(object.uid).record) ?? PodRecord(pod: PodModel(object))
    }

    var ownPaths: PodPaths { environment.paths.pod(pod.uid) }
    var now: Double { environment.now }

    /// Takes a newer version of the object.
    func update(_ object: KubeObject) {
        guard let new = Int(object.resourceVersion ?? ""), let present = Int(pod.object.resourceVersion ?? ""),
            new < present
        else {
            let wasTerminating = pod.object.isTerminating
            pod = PodModel(object)
            if wasTerminating, let end = graceEnd {
                graceEnd = min(end, now + Double(pod.terminationGracePeriodSeconds))
            }
            bell.ring()
            return
        }
    }

    /// The object has left the API: end the pod and forget it.
    func leave() {
        isGone = true
        if let end = graceEnd { graceEnd = min(end, now + 2) }
        bell.ring()
    }

    /// Runs until the pod is gone, or until cancelled (its containers then go on).
    func run() async {
        await adopt()
        await withDiscardingTaskGroup { group in
            for (name, live) in containers where live.isRunning { startProbes(name, live, &group) }
            while !Task.isCancelled {
                if await step(&group) { break }
            }
            group.cancelAll()
        }
    }

    /// One pass; true when the pod is gone.
    private func step(_ group: inout DiscardingTaskGroup) async -> Bool {
        await observe()
        let decision = PodPlan.decide(situation)
        if decision.isInitialized, !record.hasInitialized {
            record.hasInitialized = true
            saveRecord()
        }
        if decision.outcome == .deadlineExceeded, !record.hasExceededDeadline {
            record.hasExceededDeadline = true
            saveRecord()
            environment.events.emit(
                .normal,
                "DeadlineExceeded",
                "Pod was active on the node longer than the specified deadline",
                about: pod.object
            )
        }
        var isChanged = false
        for action in decision.actions {
            guard !Task.isCancelled else { return false }
            if await perform(action, &group) { isChanged = true }
        }
        // What was done changes what is to be said; a status that is about to change again is not worth writing.
        if isChanged, decision.actions == [.createSandbox] { return false }
        await observe()
        await publish(outcome: PodPlan.decide(situation).outcome, isInitialized: record.hasInitialized)
        if await finalizeIfDone() { return true }
        if isChanged { return false }
        await refreshVolumesIfDue()
        await bell.wait(atMost: waitTime(decision))
        return false
    }

    private func waitTime(_ decision: PodDecision) -> Duration {
        // Even if a hint was lost, look again now and then; more often while something is on its way.
        var until = now + (containers.values.contains { $0.isStopping } ? 1 : 20)
        for time in [decision.nextLook, statusRetryAt] { if let time { until = min(until, time) } }
        if followsObjects, record.isSandboxReady, !record.isTornDown, !situation.isLeaving {
            until = min(until, nextRefresh)
        }
        if decision.actions.contains(where: { $0 == .createSandbox || $0 == .tearDown }) {
            until = min(until, setupRetryAt)
        }
        return .milliseconds(Int(max(0.005, until - now) * 1000))
    }

    var situation: PodSituation {
        let phase = pod.status["phase"]?.stringValue
        let start = pod.status["startTime"]?.stringValue.flatMap { Timestamp.seconds($0) }
        let isEndedElsewhere = (phase == "Succeeded" || phase == "Failed") && !record.isTornDown
        return PodSituation(
            pod: pod,
            containers: containers.mapValues(\.view),
            isSandboxReady: record.isSandboxReady,
            hasInitialized: record.hasInitialized,
            isTornDown: record.isTornDown,
            isLeaving: isGone || pod.object.isTerminating || isEndedElsewhere,
            deadline: pod.activeDeadlineSeconds.flatMap { seconds in start.map { $0 + Double(seconds) } },
            hasExceededDeadline: record.hasExceededDeadline,
            now: now
        )
    }

    /// True when something was done.
    private func perform(_ action: PodDecision.Action, _ group: inout DiscardingTaskGroup) async -> Bool {
        switch action {
        case .createSandbox:
            guard now >= setupRetryAt else { return false }
            return await createSandbox()
        case .start(let name, let attempt):
            guard let container = pod.container(name) else { return false }
            await start(container, attempt: attempt, &group)
            return true
        case .stop(let name, let reason):
            guard let container = pod.container(name) else { return false }
            beginStop(container, reason: reason, &group)
            return true
        case .tearDown:
            guard now >= setupRetryAt else { return false }
            return await tearDown()
        }
    }

    func saveRecord() {
        record.pod = pod.object.json
        do {
            try Files.makeDirectory(ownPaths.root, mode: 0o711)
            try record.save(ownPaths.record)
        } catch {
            environment.logger.error("pod record not written", metadata: ["uid": "\(pod.uid)", "error": "\(error)"])
        }
    }
}
