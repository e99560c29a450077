internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import Synchronization

/// One pass for one extension: look, apply what differs, report.
///
/// Every pass starts from the cluster's state, so it can be cut off anywhere and repeated.
final class ExtensionReconciler: Sendable {
    let api: any ResourceAPI
    let link: any ExtensionLink
    let profile: ClusterProfile
    let reporter: ExtensionReporter
    let applier: ObjectApplier
    let watch: ClusterWatch
    let planner: ExtensionPlanner
    let evidence: EvidenceCollector
    let timing: AgentTiming
    let logger: Logger
    let memory = Mutex<[String: Memory]>([:])

    /// What this process has done, to save work; nothing is lost with it.
    struct Memory: Sendable {
        var appliedObjects: [RenderedObject] = []
        var appliedAt: ContinuousClock.Instant?
        var versions: [ObjectReference: ObjectVersion] = [:]
        var isDirty = true
        var health: HealthReport?
        var healthGeneration = 0
        var healthAt: ContinuousClock.Instant?
        /// As last read or written.
        var inventory: Inventory?
        /// Since when the cluster does not answer, so that nothing is known of the extension.
        var silentSince: ContinuousClock.Instant?
        /// Since when the cluster has not answered during a removal, or something has not ended.
        var stuckSince: ContinuousClock.Instant?
        var evidence: (generation: Int, at: ContinuousClock.Instant, found: [Evidence])?
    }

    init(
        api: any ResourceAPI,
        link: any ExtensionLink,
        profile: ClusterProfile,
        watch: ClusterWatch,
        planner: ExtensionPlanner,
        evidence: EvidenceCollector,
        timing: AgentTiming,
        logger: Logger
    ) {
        self.api = api
        self.link = link
        self.profile = profile
        self.watch = watch
        self.planner = planner
        self.evidence = evidence
        self.timing = timing
        self.logger = logger
        reporter = ExtensionReporter(link: link)
        applier = ObjectApplier(
            api: api,
            recorder: EventRecorder(api: api, component: "outrigger-extension", logger: logger),
            logger: logger
        )
    }

    /// Somebody changed or deleted an object; nil when it is gone.
    ///
    /// One of ours in a state that we did not make is put right by the next pass.
    func notice(_ reference: ObjectReference, version: ObjectVersion?) {
        memory.withLock { memory in
            for (id, known) in memory {
                guard let applied = known.versions[reference], applied != version else { continue }
                memory[id]?.isDirty = true
            }
        }
    }

    func forget(_ id: String) {
        memory.withLock { $0[id] = nil }
        reporter.forget(id)
    }

    func remember(_ id: String, _ change: @Sendable (inout Memory) -> Void) {
        memory.withLock { change(&$0[id, default: Memory()]) }
    }

    /// Trouble of the cluster ends up in the report; only the control plane's own is thrown.
    func reconcile(_ desired: DesiredExtension) async throws -> ReconcileOutcome {
        do {
            let outcome = desired.isDeleting ? try await remove(desired) : try await install(desired)
            return outcome
        } catch let error as CancellationError {
            throw error
        } catch let error as ReportError {
            throw error
        } catch {
            let fault = await ClusterFault.make(error, review: AccessReview(api: api))
            logger.warning(
                "the cluster stood in the way",
                metadata: ["extension": "\(desired.name)", "fault": "\(fault.message)"]
            )
            // Whatever is missing, perhaps the namespace itself, is made again by the next pass.
            remember(desired.id) { $0.appliedAt = nil }
            return desired.isDeleting
                ? try await tellRemoval(desired, fault) : try await tellInstallation(desired, fault)
        }
    }

    // MARK: Install

    private func install(_ desired: DesiredExtension) async throws -> ReconcileOutcome {
        let settings: ExtensionSettings
        do {
            settings = try planner.settings(desired)
        } catch {
            try await reporter.send(
                desired,
                state: "Failed",
                statuses: ExtensionReporter.entries(error.problems, .error),
                error: error.detail
            )
            return .settled
        }
        var inventory = try await readInventory(desired)
        if desired.isAtomic, inventory.failedGeneration == desired.generation {
            return try await keepReverted(desired, inventory)
        }
        let labels = planner.labels(desired)
        if let holder = try await claim(desired, labels) {
            let refusal = SettingsError(problems: [holder.problem])
            try await reporter.send(
                desired,
                state: "Failed",
                statuses: ExtensionReporter.entries(refusal.problems, .error),
                error: refusal.detail
            )
            return .recheck(after: timing.refused)
        }
        let plan = try await planner.plan(desired, settings, inventory)
        let report = try await health(desired, plan, inventory, labels)
        if let refusal = report.error, !inventory.has(desired.generation) {
            return try await refuse(desired, inventory, report, refusal, labels)
        }
        if inventory.generation != desired.generation || inventory.startedAt == nil {
            inventory.operation = plan.operation
            inventory.generation = desired.generation
            inventory.clusterType = desired.clusterType
            inventory.startedAt = .now
            inventory.nodeCount = plan.render.facts.nodeCount
            inventory.failedGeneration = 0
            inventory.failure = nil
            try await write(inventory, labels)
            try await reporter.send(
                desired,
                state: inventory.succeededGeneration > 0 ? "Updating" : "Creating",
                statuses: [
                    ExtensionReporter.entry("Applying", "Applying", .information, "puts its objects on the cluster")
                ] + ExtensionReporter.entries(report.checks),
                version: inventory.version
            )
        } else if plan.render.facts.nodeCount > inventory.nodeCount {
            inventory.nodeCount = plan.render.facts.nodeCount
            try await write(inventory, labels)
        }
        var applied = try await apply(desired.id, plan, inventory, labels)
        return try await reportReadiness(desired, plan, &applied, report, labels)
    }

    func readInventory(_ desired: DesiredExtension) async throws -> Inventory {
        let empty = Inventory(extensionName: desired.name)
        let inventory =
            try await applier.attempt("get", empty.reference) { try await Inventory.read(desired.name, api) } ?? empty
        remember(desired.id) {
            $0.inventory = inventory
            $0.silentSince = nil
        }
        return inventory
    }

    func write(_ inventory: Inventory, _ labels: [String: String]) async throws {
        try await applier.attempt("patch", inventory.reference) { try await inventory.write(api, labels: labels) }
    }

    private func claim(_ desired: DesiredExtension, _ labels: [String: String]) async throws -> ClusterClaim? {
        try await applier.attempt("create", ClusterClaim.reference) {
            try await ClusterClaim(desired).take(api, labels: labels)
        }
    }

    /// Looks once per generation, and again while something is in the way.
    private func health(
        _ desired: DesiredExtension,
        _ plan: ExtensionPlan,
        _ inventory: Inventory,
        _ labels: [String: String]
    ) async throws -> HealthReport {
        let known = memory.withLock { $0[desired.id] } ?? Memory()
        if let report = known.health, known.healthGeneration == desired.generation {
            let isFresh = known.healthAt.map { ContinuousClock.now - $0 < timing.refused } ?? false
            if report.error == nil || isFresh || inventory.has(desired.generation) { return report }
        }
        let report = try await planner.check(plan, inventory, unlisted: watch.unsynced)
        if !inventory.has(desired.generation) {
            try await applier.attempt("patch", HealthStore.reference) {
                try await HealthStore(api: api).write(report, labels: labels)
            }
        }
        remember(desired.id) {
            $0.health = report
            $0.healthGeneration = desired.generation
            $0.healthAt = .now
        }
        return report
    }

    private func refuse(
        _ desired: DesiredExtension,
        _ inventory: Inventory,
        _ report: HealthReport,
        _ error: ErrorDetail,
        _ labels: [String: String]
    ) async throws -> ReconcileOutcome {
        if desired.isAtomic, inventory.succeededGeneration > 0 {
            return try await giveUp(desired, inventory, error, labels)
        }
        try await reporter.send(
            desired,
            state: "Failed",
            statuses: ExtensionReporter.entries(report.checks),
            error: error,
            version: inventory.version
        )
        return .recheck(after: timing.refused)
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
