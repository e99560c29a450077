internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import KubeRuntime
internal import Logging

/// All or nothing: a generation that fails gives way to the last one that succeeded, or to nothing when there is none.
extension ExtensionReconciler {
    /// Notes in the cluster that this generation is given up, so that no other agent tries it again.
    func giveUp(
        _ desired: DesiredExtension,
        _ inventory: Inventory,
        _ error: ErrorDetail,
        _ labels: [String: String]
    ) async throws -> ReconcileOutcome {
        var inventory = inventory
        inventory.failedGeneration = desired.generation
        inventory.failure = error
        try await write(inventory, labels)
        logger.warning(
            "the generation is given up",
            metadata: ["extension": "\(desired.name)", "generation": "\(desired.generation)", "error": "\(error)"]
        )
        try await reporter.send(
            desired,
            state: inventory.succeededGeneration > 0 ? "Updating" : "Creating",
            statuses: [
                ExtensionReporter.entry("RollingBack", "Rolling back", .warning, "goes back, because: \(error.message)")
            ],
            version: inventory.version
        )
        return try await keepReverted(desired, inventory)
    }

    /// Keeps what was there before, and says why.
    func keepReverted(_ desired: DesiredExtension, _ inventory: Inventory) async throws -> ReconcileOutcome {
        guard inventory.succeededGeneration > 0 else { return try await keepRemoved(desired, inventory) }
        let store = RevisionStore(api: api, extensionName: desired.name)
        let revision = try await applier.attempt("get", inventory.reference) {
            try await store.read(inventory.succeededGeneration)
        }
        guard let revision else {
            try await tellReverted(
                desired,
                inventory,
                "generation \(inventory.succeededGeneration), which was there before, is not kept any more, so nothing was put back",
                []
            )
            return .recheck(after: timing.resync)
        }
        let earlier = revision.applied(to: desired)
        let labels = planner.labels(desired)
        let plan = try await planner.plan(earlier, try planner.settings(earlier), inventory)
        var applied = try await apply(desired.id, plan, inventory, labels)
        applied.inventory.generation = inventory.generation
        let states = readiness(plan, applied)
        let statuses = states.map { state in
            ExtensionReporter.entry(
                state.name,
                state.isReady ? "Ready" : "NotReady",
                state.isReady ? .information : .warning,
                state.message
            )
        }
        try await tellReverted(
            desired,
            inventory,
            "the extension went back to generation \(revision.generation)"
                + (inventory.version.map { ", version \($0)" } ?? ""),
            statuses
        )
        return .recheck(after: states.allSatisfy(\.isReady) ? timing.resync : timing.waiting)
    }

    /// The records stay, so that the reason can still be read; the next generation, or a removal, ends them.
    private func keepRemoved(_ desired: DesiredExtension, _ inventory: Inventory) async throws -> ReconcileOutcome {
        let remaining = try await takeOff(desired, inventory, keepsRecords: true)
        guard remaining.objects.isEmpty else { return .recheck(after: .milliseconds(500)) }
        remember(desired.id) {
            $0.appliedAt = nil
            $0.appliedObjects = []
            $0.versions = [:]
        }
        try await tellReverted(
            desired,
            inventory,
            "nothing was installed before, so what had been installed was taken off again",
            []
        )
        return .recheck(after: timing.resync)
    }

    private func tellReverted(
        _ desired: DesiredExtension,
        _ inventory: Inventory,
        _ outcome: String,
        _ statuses: [ExtensionStatusEntry]
    ) async throws {
        let error = inventory.failure ?? ErrorDetail(code: "E40000", message: "the generation failed")
        try await reporter.send(
            desired,
            state: "Failed",
            statuses: [ExtensionReporter.entry("RolledBack", "Rolled back", .warning, outcome)] + statuses,
            error: error,
            version: inventory.version
        )
    }
}
