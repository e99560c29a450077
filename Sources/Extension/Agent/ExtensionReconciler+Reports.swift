internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import Logging
internal import Synchronization

extension ExtensionReconciler {
    private func isLate(_ inventory: Inventory) -> Bool {
        inventory.startedAt.map { Date.now.timeIntervalSince($0) > profile.readinessTimeout.seconds } ?? false
    }

    private func progress(_ inventory: Inventory) -> String {
        inventory.succeededGeneration > 0 ? "Updating" : "Creating"
    }

    /// Succeeded when everything is ready, Failed when it is not in time.
    func reportReadiness(
        _ desired: DesiredExtension,
        _ plan: ExtensionPlan,
        _ applied: inout AppliedPlan,
        _ report: HealthReport,
        _ labels: [String: String]
    ) async throws -> ReconcileOutcome {
        var inventory = applied.inventory
        let states = readiness(plan, applied)
        let waiting = states.filter { !$0.isReady }
        let hadSucceeded = inventory.has(desired.generation)
        if waiting.isEmpty, !hadSucceeded || inventory.version != plan.render.profile.version {
            try await applier.attempt("patch", inventory.reference) {
                try await RevisionStore(api: api, extensionName: desired.name).write(
                    Revision(desired),
                    labels: labels
                )
            }
            inventory.succeededGeneration = desired.generation
            inventory.version = plan.render.profile.version
            try await write(inventory, labels)
        }
        let isDone = waiting.isEmpty || hadSucceeded
        var error: ErrorDetail?
        var found: [Evidence] = []
        if !isDone, isLate(inventory) {
            found = try await collect(desired, waiting)
            error = failure(waiting, found)
        }
        if let error, desired.isAtomic { return try await giveUp(desired, inventory, error, labels) }
        try await reporter.send(
            desired,
            state: isDone ? "Succeeded" : error != nil ? "Failed" : progress(inventory),
            statuses: statuses(plan, applied, states, report, isTolerant: isDone || error == nil)
                + found.map(\.entry),
            error: error,
            version: inventory.version
        )
        let pause = isDone ? timing.resync : timing.waiting
        return .recheck(after: applied.relayRenewal.map { min(pause, .seconds(max($0, 1))) } ?? pause)
    }

    func readiness(_ plan: ExtensionPlan, _ applied: AppliedPlan) -> [ComponentReadiness] {
        guard watch.hasSynced else {
            let kinds = watch.unsynced.map(\.groupResource).sorted().joined(separator: ", ")
            return [
                ComponentReadiness(name: "agent", isReady: false, message: "has not seen \(kinds) yet", code: "E45001")
            ]
        }
        return watch.readiness(plan.workloads(applied.objects), input: plan.render)
    }

    private func failure(_ waiting: [ComponentReadiness], _ found: [Evidence]) -> ErrorDetail {
        let first = waiting.first { $0.code != "E40000" } ?? waiting.first
        return ErrorDetail(
            code: first?.code ?? "E40000",
            message: "not ready after \(Int(profile.readinessTimeout.seconds)) s: "
                + waiting.map { "\($0.name) (\($0.message))" }.joined(separator: "; "),
            target: first?.name,
            additionalInfo: found.isEmpty ? nil : found.map(\.json)
        )
    }

    func statuses(
        _ plan: ExtensionPlan,
        _ applied: AppliedPlan,
        _ states: [ComponentReadiness],
        _ report: HealthReport,
        isTolerant: Bool
    ) -> [ExtensionStatusEntry] {
        var entries = states.map { component in
            ExtensionReporter.entry(
                component.name,
                component.isReady ? "Ready" : "NotReady",
                component.isReady ? .information : isTolerant ? .warning : .error,
                component.message
            )
        }
        for component in ComponentCatalogue.enabled(plan.render.settings, plan.render.facts) {
            guard case .absent(let reason) = plan.render.availability(component) else { continue }
            entries.append(
                ExtensionReporter.entry(
                    component.name(extensionName: plan.render.extensionName),
                    "Absent",
                    .information,
                    "not installed: \(reason)"
                )
            )
        }
        if let trouble = applied.relayTrouble {
            entries.append(
                ExtensionReporter.entry(
                    "RelayTokenMissing",
                    ComponentCatalogue.relayServer.nameTemplate,
                    .warning,
                    "the relay has no token to open its tunnel with: \(trouble)"
                )
            )
        }
        entries += ExtensionReporter.entries(plan.remarks, .warning)
        let told = Set(plan.remarks.map(\.code.rawValue))
        entries += ExtensionReporter.entries(report.checks.filter { !told.contains($0.code) })
        entries += report.checks.filter(\.isNotable).map {
            ExtensionReporter.entry("Reused", $0.name, .information, $0.found)
        }
        return entries
    }

    /// What is known of the extension when the cluster is perhaps not to be asked; nil while that may still change soon.
    private func lastInventory(_ desired: DesiredExtension) async throws -> Inventory? {
        do {
            return try await Inventory.read(desired.name, api) ?? Inventory(extensionName: desired.name)
        } catch let error as CancellationError {
            throw error
        } catch {
            let known = memory.withLock { memory in
                memory[desired.id, default: Memory()].silentSince =
                    memory[desired.id]?.silentSince ?? .now
                return memory[desired.id]
            }
            if let inventory = known?.inventory { return inventory }
            let isOver = known?.silentSince.map { ContinuousClock.now - $0 > timing.forcedPatience } ?? false
            return isOver ? Inventory(extensionName: desired.name) : nil
        }
    }

    /// Trouble on the way: the state stays what it is until time is up, except for what only a person can end.
    func tellInstallation(_ desired: DesiredExtension, _ fault: ClusterFault) async throws -> ReconcileOutcome {
        guard let inventory = try await lastInventory(desired) else {
            // Whether all is well already cannot be told; a cluster that is only slow to come up needs no words.
            return .recheck(after: timing.waiting)
        }
        let isInstalled = inventory.has(desired.generation)
        let isDue = inventory.generation == desired.generation && isLate(inventory)
        let fails = !isInstalled && (fault.isLasting || isDue)
        let error = fails ? ErrorDetail(code: "E40000", message: fault.message, target: desired.name) : nil
        if let error, desired.isAtomic, inventory.generation == desired.generation,
            inventory.failedGeneration != desired.generation
        {
            do {
                return try await giveUp(desired, inventory, error, planner.labels(desired))
            } catch let error as ClusterRequestError {
                logger.warning("going back is not possible now", metadata: ["error": "\(error)"])
            }
        }
        try await reporter.send(
            desired,
            state: isInstalled ? "Succeeded" : fails ? "Failed" : progress(inventory),
            statuses: [
                ExtensionReporter.entry(
                    fault.code,
                    isInstalled ? "Not kept up" : "Not applied",
                    isInstalled ? .warning : .error,
                    fault.message
                )
            ],
            error: error,
            version: inventory.version
        )
        switch fault.kind {
        case .namespaceEnding, .conflict: return .recheck(after: min(timing.waiting, .milliseconds(500)))
        case .unreachable, .webhook, .other: return .recheck(after: timing.waiting * 2)
        case .forbidden, .refused: return .recheck(after: min(timing.refused, timing.waiting * 5))
        }
    }
}
