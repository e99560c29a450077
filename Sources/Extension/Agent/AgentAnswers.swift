internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore
internal import MLTypes

/// What the agent answers to questions; nothing of it changes the cluster.
struct AgentAnswers: Sendable {
    let api: any ResourceAPI
    let planner: ExtensionPlanner
    let watch: ClusterWatch
    let podLogs: PodLogReading?

    func answer(_ request: AgentRequest) async throws -> JSON {
        switch request.kind {
        case .check: try await check(request)
        case .preview: try await preview(request)
        case .components: try await components(request)
        case .diagnose: try await diagnose(request)
        }
    }

    func inventory(_ desired: DesiredExtension) async throws -> Inventory {
        try await Inventory.read(desired.name, api) ?? Inventory(extensionName: desired.name)
    }

    private func check(_ request: AgentRequest) async throws -> JSON {
        guard let operation = HealthOperation(rawValue: request.operation.lowercased()) else {
            let known = HealthOperation.allCases.map(\.rawValue).joined(separator: ", ")
            throw SettingsError(problems: [
                SettingProblem(
                    .invalidArgumentValue,
                    "operation",
                    "operation '\(request.operation)' is not known",
                    remedy: "Use one of \(known)"
                )
            ])
        }
        return try await report(request.desired, operation).json
    }

    func report(_ desired: DesiredExtension, _ operation: HealthOperation) async throws -> HealthReport {
        // Before a removal the settings do not matter any more.
        let settings = operation == .delete ? ExtensionSettings() : try planner.settings(desired)
        let inventory = try await inventory(desired)
        let plan = try await planner.plan(desired, settings, inventory)
        var report = try await planner.check(plan, inventory, as: operation, unlisted: watch.unsynced)
        if operation != .delete, let holder = try await ClusterClaim.holder(api),
            !ClusterClaim(desired).isSame(as: holder)
        {
            report.checks.insert(
                HealthCheck(holder.problem, status: .failed, checked: "the cluster has no other extension of the type"),
                at: 0
            )
        }
        let told = Set(report.checks.map(\.code))
        report.checks += plan.remarks.filter { !told.contains($0.code.rawValue) && operation != .delete }.map {
            HealthCheck($0, status: .warning, checked: "what the settings mean on this cluster")
        }
        return report
    }

    private func components(_ request: AgentRequest) async throws -> JSON {
        let desired = request.desired
        let inventory = try await inventory(desired)
        let plan = try await planner.plan(desired, try planner.settings(desired), inventory)
        let rows = ComponentRow.rows(plan.render).map { row -> JSON in
            var json = row.json
            let type = ClusterWatch.workloadTypes.first { $0.kind == row.kind } ?? .deployments
            let live = watch.find(type, row.name)
            guard row.isInstalled || live != nil else {
                json["state"] = row.isEnabled ? "Absent" : "Disabled"
                return json
            }
            let pods = live.map { watch.pods(of: $0) } ?? []
            let state = ComponentReadiness.evaluate(name: row.name, type: type, workload: live, pods: pods)
            json["ready"] = .string(state.count)
            json["state"] = live == nil ? "Missing" : state.isReady ? "Ready" : "NotReady"
            if !row.isEnabled { json["state"] = "Removing" }
            if !state.isReady { json["message"] = .string(state.message) }
            if let image = live.flatMap({ PodTemplateImages.of($0).first }) { json["image"] = .string(image) }
            return json
        }
        return ["components": .array(rows)]
    }
}
