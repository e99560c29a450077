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
    let profile: ClusterProfile
    let reporter: ExtensionReporter
    let applier: ObjectApplier
    let checks: ExtensionChecks
    let logger: Logger
    private let memory = Mutex<[String: Memory]>([:])

    /// What this process has done, to save work; nothing is lost with it.
    struct Memory: Sendable {
        var appliedObjects: [RenderedObject] = []
        var appliedAt: ContinuousClock.Instant?
        var generations: [ObjectReference: Int] = [:]
        var isDirty = true
    }

    static let extensionType = "Microsoft.AzureML.Kubernetes"
    /// Everything is applied again this often, whatever the informers say.
    private static let resyncInterval = Duration.seconds(60)

    init(api: any ResourceAPI, profile: ClusterProfile, reporter: ExtensionReporter, logger: Logger) {
        self.api = api
        self.profile = profile
        self.reporter = reporter
        self.logger = logger
        applier = ObjectApplier(
            api: api,
            recorder: EventRecorder(api: api, component: "outrigger-extension", logger: logger),
            logger: logger
        )
        checks = ExtensionChecks(api: api)
    }

    /// Somebody changed or deleted an object: true when it is one of ours in a state that we did not make.
    func notice(_ reference: ObjectReference, generation: Int?) -> Bool {
        memory.withLock { memory in
            var isForeign = false
            for (name, known) in memory {
                guard let applied = known.generations[reference], applied != generation else { continue }
                memory[name]?.isDirty = true
                isForeign = true
            }
            return isForeign
        }
    }

    func forget(_ id: String) { memory.withLock { $0[id] = nil } }

    func install(
        _ desired: DesiredExtension,
        state: @Sendable (RenderInput) -> [ComponentReadiness]
    ) async throws -> ReconcileOutcome {
        let settings: ExtensionSettings
        do {
            try acceptType(desired)
            settings = try ExtensionSettings.make(
                settings: desired.settings,
                protectedSettings: desired.protectedSettings,
                allowsUnknown: true
            )
        } catch {
            try await refuse(desired, error, remarks: [])
            return .settled
        }
        if let conflict = try await checks.conflict(desired) {
            try await refuse(desired, SettingsError(problems: [conflict]), remarks: [])
            return .recheck(after: .seconds(15))
        }
        let facts = try await checks.facts(clusterType: desired.clusterType)
        var (problems, remarks) = settings.check(facts)
        problems += try await checks.problems(settings)
        guard problems.isEmpty else {
            try await refuse(desired, SettingsError(problems: problems), remarks: remarks)
            return .recheck(after: .seconds(15))
        }
        var input = RenderInput(extensionName: desired.name, settings: settings, facts: facts, profile: profile)
        var inventory = try await Inventory.read(desired.name, api) ?? Inventory(extensionName: desired.name)
        let wasInstalled = inventory.succeededGeneration > 0
        do {
            inventory = try await apply(desired, &input, inventory)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            // Whatever is missing, perhaps the namespace itself, is made again by the next pass.
            memory.withLock { $0[desired.id]?.appliedAt = nil }
            try await reportFailure(desired, error, inventory, remarks, wasInstalled: wasInstalled)
            throw error
        }
        return try await reportReadiness(
            desired,
            input,
            inventory,
            readiness: state(input),
            remarks: remarks,
            wasInstalled: wasInstalled
        )
    }

    private func acceptType(_ desired: DesiredExtension) throws(SettingsError) {
        if desired.extensionType.lowercased() != Self.extensionType.lowercased() {
            throw SettingsError(problems: [
                SettingProblem(
                    .invalidArgumentValue,
                    "extensionType",
                    "extension type '\(desired.extensionType)' is not offered here",
                    remedy: "Use \(Self.extensionType)"
                )
            ])
        }
        if let version = desired.version, !version.isEmpty, version != profile.version {
            throw SettingsError(problems: [
                SettingProblem(
                    .invalidArgumentValue,
                    "version",
                    "version '\(version)' is not available; this is \(profile.version)",
                    remedy: "Leave version out, or install that version of outrigger"
                )
            ])
        }
    }

    // MARK: Apply

    private func apply(
        _ desired: DesiredExtension,
        _ input: inout RenderInput,
        _ inventory: Inventory
    ) async throws -> Inventory {
        var inventory = inventory
        let labels = ExtensionRenderer(input).labels(nil)
        // The namespace holds the inventory, so it comes before everything.
        let first = ExtensionRenderer(input).render().filter { $0.type == .namespaces }
        let known = memory.withLock { $0[desired.id] ?? Memory() }
        if known.appliedAt == nil { _ = try await applier.apply(first, correctsDrift: false) }
        if inventory.generation != desired.generation || inventory.startedAt == nil {
            inventory.generation = desired.generation
            inventory.clusterType = desired.clusterType
            inventory.startedAt = .now
            try await inventory.write(api, labels: labels)
        }
        input.gatewaySecretsDigest = try await GatewaySecrets(api: api, labels: labels).ensure(now: .now)
        let objects = ExtensionRenderer(input).render()
        let isDue = known.appliedAt.map { ContinuousClock.now - $0 >= Self.resyncInterval } ?? true
        let isSame = known.appliedObjects == objects
        guard isDue || known.isDirty || !isSame else { return inventory }
        let wanted = objects.map(\.reference) + GatewaySecrets.references
        let before = inventory
        inventory.include(wanted)
        // Written first: what is on the cluster but not in the inventory would stay for ever.
        if inventory != before { try await inventory.write(api, labels: labels) }
        memory.withLock { $0[desired.name, default: Memory()].isDirty = false }
        let applied = try await applier.apply(objects, correctsDrift: isSame)
        let orphans = Set(inventory.objects).subtracting(wanted)
        if !orphans.isEmpty {
            for orphan in inventory.objects.reversed() where orphans.contains(orphan) {
                // CustomResourceDefinitions hold users' objects: they go only when the extension does.
                guard orphan.type != .customResourceDefinitions, !orphan.type.group.hasSuffix(".volcano.sh") else {
                    continue
                }
                guard try await applier.remove(orphan) else { continue }
                logger.info("object pruned", metadata: ["kind": "\(orphan.type.kind)", "name": "\(orphan.key)"])
                inventory.objects.removeAll { $0 == orphan }
            }
            try await inventory.write(api, labels: labels)
        }
        memory.withLock { memory in
            var mine = memory[desired.id] ?? Memory()
            mine.appliedObjects = objects
            mine.appliedAt = .now
            mine.generations = Dictionary(
                applied.filter { $0.generation > 0 }.map { ($0.reference, $0.generation) },
                uniquingKeysWith: { $1 }
            )
            memory[desired.id] = mine
        }
        return inventory
    }

    // MARK: Reports

    private func refuse(_ desired: DesiredExtension, _ error: SettingsError, remarks: [SettingProblem]) async throws {
        try await reporter.send(
            desired,
            state: "Failed",
            statuses: entries(error.problems, .error) + entries(remarks, .warning),
            error: error.detail
        )
    }

    private func entries(_ problems: [SettingProblem], _ level: ExtensionReporter.Level) -> [ExtensionStatusEntry] {
        problems.map { problem in
            ExtensionReporter.entry(
                problem.code.rawValue,
                problem.setting,
                level,
                "\(problem.message). \(problem.remedy)."
            )
        }
    }

    private func reportFailure(
        _ desired: DesiredExtension,
        _ error: any Error,
        _ inventory: Inventory,
        _ remarks: [SettingProblem],
        wasInstalled: Bool
    ) async throws {
        // A namespace that is still ending refuses new objects in the same way, and is worth waiting for.
        let isForbidden =
            (error as? APIError).map { $0.reason == .forbidden && !$0.message.contains("terminat") } ?? false
        let message =
            isForbidden
            ? "the agent lacks a permission: \(error)" : "objects could not be applied: \(error)"
        let isLate =
            inventory.startedAt.map { Date.now.timeIntervalSince($0) > profile.readinessTimeout.seconds } ?? false
        let fails = isForbidden || isLate
        try await reporter.send(
            desired,
            state: fails ? "Failed" : (wasInstalled ? "Updating" : "Creating"),
            statuses: [ExtensionReporter.entry("ApplyFailed", "Not applied", .error, message)]
                + entries(remarks, .warning),
            error: fails ? ErrorDetail(code: "E40000", message: message, target: desired.name) : nil,
            version: inventory.version
        )
    }

    private func reportReadiness(
        _ desired: DesiredExtension,
        _ input: RenderInput,
        _ inventory: Inventory,
        readiness: [ComponentReadiness],
        remarks: [SettingProblem],
        wasInstalled: Bool
    ) async throws -> ReconcileOutcome {
        var inventory = inventory
        let waiting = readiness.filter { !$0.isReady }
        let hadSucceeded = inventory.succeededGeneration == desired.generation
        if waiting.isEmpty, !hadSucceeded || inventory.version != profile.version {
            inventory.succeededGeneration = desired.generation
            inventory.version = profile.version
            try await inventory.write(api, labels: ExtensionRenderer(input).labels(nil))
        }
        let elapsed = inventory.startedAt.map { Date.now.timeIntervalSince($0) } ?? 0
        let isLate = elapsed > profile.readinessTimeout.seconds
        let isDone = waiting.isEmpty || hadSucceeded
        var statuses = readiness.map { component in
            ExtensionReporter.entry(
                component.name,
                component.isReady ? "Ready" : "NotReady",
                component.isReady ? .information : (hadSucceeded || !isLate ? .warning : .error),
                component.message
            )
        }
        for component in ComponentCatalogue.enabled(input.settings, input.facts) {
            guard case .absent(let reason) = component.availability else { continue }
            statuses.append(
                ExtensionReporter.entry(
                    component.name(extensionName: desired.name),
                    "Absent",
                    .information,
                    "not part of this version: \(reason)"
                )
            )
        }
        statuses += entries(remarks, .warning)
        var error: ErrorDetail?
        if !isDone, isLate {
            error = ErrorDetail(
                code: waiting.contains { $0.name == "azureml-fe-v2" } ? "E40005" : "E40000",
                message: "not ready after \(Int(profile.readinessTimeout.seconds)) s: "
                    + waiting.map { "\($0.name) (\($0.message))" }.joined(separator: "; "),
                target: waiting.first?.name
            )
        }
        let state = isDone ? "Succeeded" : (isLate ? "Failed" : (wasInstalled ? "Updating" : "Creating"))
        try await reporter.send(
            desired,
            state: state,
            statuses: statuses,
            error: error,
            version: inventory.version
        )
        return .recheck(after: isDone ? Self.resyncInterval : .seconds(1))
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
