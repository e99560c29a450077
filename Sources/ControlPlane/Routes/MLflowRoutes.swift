internal import ControlPlaneAPI
internal import KubeCore
internal import NIOCore

/// MLflow's REST interface, under its own address and under the workspace's.
struct MLflowRoutes {
    typealias Handler = @Sendable (MLflowService, JSON, Transaction) throws -> JSON

    let core: Core

    /// Where the same routes are offered, and how artifacts are named there: Azure's plugin always uses v2.0, so that v1.0
    /// is free for plain clients inside jobs.
    static let prefixes: [(path: String, usesAzureURIs: Bool)] = [
        ("", false), ("/mlflow/v1.0" + WorkspaceRoutes.path, false), ("/mlflow/v2.0" + WorkspaceRoutes.path, true),
    ]

    func register(_ routes: inout RouteTable) {
        registerExperiments(&routes)
        registerRuns(&routes)
        registerLoggedModels(&routes)
        MLflowRegistryRoutes(core: core).register(&routes)
        MLflowArtifactRoutes(core: core).register(&routes)
        for (prefix, _) in MLflowRoutes.prefixes {
            routes.get(prefix + "/api/3.0/mlflow/server-info", access: .workload) { _ in
                .json(["store_type": "SqlStore", "workspaces_enabled": false, "trace_archival_enabled": false])
            }
            routes.get(prefix + "/version", access: .open) { _ in .text("3.15.0") }
        }
    }

    /// Adds a route under all prefixes; `isRead` routes see a snapshot, others run in a write transaction.
    static func add(
        _ routes: inout RouteTable,
        _ core: Core,
        _ method: String,
        _ path: String,
        isRead: Bool = false,
        _ handler: @escaping Handler
    ) {
        for (prefix, usesAzureURIs) in prefixes {
            for api in ["/api/2.0/mlflow", "/api/2.0/preview/mlflow"] {
                routes.add(method, prefix + api + path, access: .workload) { call in
                    try await answer {
                        let scope =
                            prefix.isEmpty ? try await core.defaultScope(call.caller) : try await core.scope(call)
                        let service = MLflowService(
                            core: core,
                            scope: scope,
                            caller: call.caller,
                            usesAzureURIs: usesAzureURIs
                        )
                        var body = method == "GET" || method == "DELETE" ? fromQuery(call.query) : .object([:])
                        if method != "GET" {
                            for (key, value) in try await call.json().objectValue ?? [:] { body[key] = value }
                        }
                        for (key, value) in call.parameters where key.count > 1 { body[key] = .string(value) }
                        let arguments = body
                        let result =
                            isRead
                            ? try await core.store.read { t in try handler(service, arguments, t) }
                            : try await core.store.write { t in try handler(service, arguments, t) }
                        return .json(result)
                    }
                }
            }
        }
    }

    /// Errors in MLflow's shape.
    static func answer(_ body: () async throws -> Reply) async throws -> Reply {
        do {
            return try await body()
        } catch let error as ARMError {
            let codes = [
                400: "INVALID_PARAMETER_VALUE", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
                404: "RESOURCE_DOES_NOT_EXIST", 409: "RESOURCE_ALREADY_EXISTS",
            ]
            let code = codes[error.status] ?? "INTERNAL_ERROR"
            let status = code == "RESOURCE_ALREADY_EXISTS" ? 400 : error.status
            return .json(["error_code": .string(code), "message": .string(error.error.message)], status: status)
        }
    }

    private static func fromQuery(_ query: RequestQuery) -> JSON {
        var body: [String: JSON] = [:]
        for name in Set(
            query.raw.split(separator: "&").map { percentDecoded(String($0.split(separator: "=").first ?? "")) }
        ) {
            let values = query.all(name)
            if ["run_ids", "experiment_ids", "order_by", "stages"].contains(name) {
                body[name] = JSON(values)
            } else {
                body[name] = .string(values.first ?? "")
            }
        }
        return .object(body)
    }

    private func registerExperiments(_ routes: inout RouteTable) {
        MLflowRoutes.add(&routes, core, "POST", "/experiments/create") { service, body, t in
            guard let name = body["name"]?.stringValue, !name.isEmpty else {
                throw ARMError.invalid("name", "Missing value for required parameter 'name'.")
            }
            if let known = try t.experiment(service.scope.key, name: name) {
                throw ARMError.conflict(
                    "RESOURCE_ALREADY_EXISTS",
                    "Experiment(name=\(name)) already exists."
                        + (known.lifecycle == "deleted" ? " It is deleted; restore it." : "")
                )
            }
            let experiment = try t.createExperiment(service.scope.key, name: name)
            for tag in MLflowService.readPairs(body["tags"]) {
                try t.setExperimentTag(experiment.id, key: tag.key, value: tag.value)
            }
            return ["experiment_id": .string(String(experiment.id))]
        }
        MLflowRoutes.add(&routes, core, "GET", "/experiments/get", isRead: true) { service, body, t in
            ["experiment": try service.json(try service.experiment(body["experiment_id"]?.stringValue ?? "", t), t)]
        }
        MLflowRoutes.add(&routes, core, "GET", "/experiments/get-by-name", isRead: true) { service, body, t in
            let name = body["experiment_name"]?.stringValue ?? ""
            guard let experiment = try t.experiment(service.scope.key, name: name) else {
                throw ARMError(404, "RESOURCE_DOES_NOT_EXIST", "Could not find experiment with name '\(name)'")
            }
            return ["experiment": try service.json(experiment, t)]
        }
        for method in ["POST", "GET"] {
            MLflowRoutes.add(&routes, core, method, "/experiments/search", isRead: true) { service, body, t in
                let (page, next) = try MLflowSearch.page(try MLflowSearch.experiments(service, body, t), body)
                return MLflowRoutes.list("experiments", try page.map { try service.json($0, t) }, next)
            }
        }
        for (action, lifecycle) in [("delete", "deleted"), ("restore", "active")] {
            MLflowRoutes.add(&routes, core, "POST", "/experiments/" + action) { service, body, t in
                var experiment = try service.experiment(body["experiment_id"]?.stringValue ?? "", t)
                try MLflowRoutes.requireUser(service)
                experiment.lifecycle = lifecycle
                try t.update(experiment)
                return [:]
            }
        }
        MLflowRoutes.add(&routes, core, "POST", "/experiments/update") { service, body, t in
            var experiment = try service.experiment(body["experiment_id"]?.stringValue ?? "", t)
            try MLflowRoutes.requireUser(service)
            if let name = body["new_name"]?.stringValue, !name.isEmpty { experiment.name = name }
            try t.update(experiment)
            return [:]
        }
        for (action, isSet) in [("set-experiment-tag", true), ("delete-experiment-tag", false)] {
            MLflowRoutes.add(&routes, core, "POST", "/experiments/" + action) { service, body, t in
                let experiment = try service.experiment(body["experiment_id"]?.stringValue ?? "", t)
                try t.setExperimentTag(
                    experiment.id,
                    key: body["key"]?.stringValue ?? "",
                    value: isSet ? MLflowService.text(body["value"]) ?? "" : nil
                )
                return [:]
            }
        }
    }

    static func requireUser(_ service: MLflowService) throws {
        guard service.caller.isUser else {
            throw ARMError(403, "PERMISSION_DENIED", "\(service.caller.subject) may only write to its own run.")
        }
    }

    static func list(_ name: String, _ items: [JSON], _ next: String?) -> JSON {
        var body: [String: JSON] = [name: .array(items)]
        if let next { body["next_page_token"] = .string(next) }
        return .object(body)
    }
}
