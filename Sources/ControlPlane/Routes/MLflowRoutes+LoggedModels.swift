internal import ControlPlaneAPI
internal import KubeCore

/// Logged models of MLflow 3: what `log_model` makes before anything is registered.
extension MLflowRoutes {
    func registerLoggedModels(_ routes: inout RouteTable) {
        MLflowRoutes.add(&routes, core, "POST", "/logged-models") { service, body, t in
            ["model": try LoggedModels(service: service).create(body, t)]
        }
        MLflowRoutes.add(&routes, core, "GET", "/logged-models/{model_id}", isRead: true) { service, body, t in
            let models = LoggedModels(service: service)
            return ["model": models.json(try models.find(body, t))]
        }
        MLflowRoutes.add(&routes, core, "PATCH", "/logged-models/{model_id}") { service, body, t in
            let models = LoggedModels(service: service)
            var model = try models.writable(body, t)
            if let status = MLflowService.text(body["status"]) {
                model.body["status"] = .string(LoggedModels.statusNames[status] ?? status)
            }
            try t.put(&model)
            return ["model": models.json(model)]
        }
        MLflowRoutes.add(&routes, core, "DELETE", "/logged-models/{model_id}") { service, body, t in
            let model = try LoggedModels(service: service).writable(body, t)
            try t.remove(model.id)
            return [:]
        }
        MLflowRoutes.add(&routes, core, "PATCH", "/logged-models/{model_id}/tags") { service, body, t in
            let models = LoggedModels(service: service)
            var model = try models.writable(body, t)
            for tag in MLflowService.readPairs(body["tags"]) { model.body[path: "tags", tag.key] = .string(tag.value) }
            try t.put(&model)
            return ["model": models.json(model)]
        }
        MLflowRoutes.add(&routes, core, "DELETE", "/logged-models/{model_id}/tags/{tag_key}") { service, body, t in
            var model = try LoggedModels(service: service).writable(body, t)
            model.body[path: "tags", body["tag_key"]?.stringValue ?? ""] = nil
            try t.put(&model)
            return [:]
        }
        MLflowRoutes.add(&routes, core, "POST", "/logged-models/{model_id}/params") { service, body, t in
            var model = try LoggedModels(service: service).writable(body, t)
            for param in MLflowService.readPairs(body["params"]) {
                model.body[path: "params", param.key] = .string(param.value)
            }
            try t.put(&model)
            return [:]
        }
        MLflowRoutes.add(&routes, core, "POST", "/logged-models/search", isRead: true) { service, body, t in
            let models = LoggedModels(service: service)
            let (page, next) = try MLflowSearch.page(try models.search(body, t), body)
            return MLflowRoutes.list("models", page.map(models.json), next)
        }
    }
}

struct LoggedModels {
    let service: MLflowService

    static let statusNames = [
        "1": "LOGGED_MODEL_PENDING", "2": "LOGGED_MODEL_READY", "3": "LOGGED_MODEL_UPLOAD_FAILED",
    ]

    static func id(_ scope: Scope, _ model: String) -> String { scope.id + "/loggedModels/" + model }

    func create(_ body: JSON, _ t: Transaction) throws -> JSON {
        let experiment = try service.experiment(MLflowService.text(body["experiment_id"]) ?? "0", t)
        let source = body["source_run_id"]?.stringValue ?? service.caller.run?.name ?? ""
        if !source.isEmpty { _ = try service.writableRun(source, t) } else { try MLflowRoutes.requireUser(service) }
        let id = "m-" + RandomText.hex(16)
        var name = body["name"]?.stringValue ?? ""
        if name.isEmpty { name = RunNames.random() }
        // Below the run's folder the run's token reaches it, and a download of the job's artifacts brings it along.
        let folder = source.isEmpty ? "LoggedModel/\(id)/" : Scope.runFolder(source) + "models/\(id)/"
        var document = Document(
            kind: .loggedModel,
            id: LoggedModels.id(service.scope, id),
            parent: service.scope.id,
            name: id,
            body: [
                "modelName": .string(name), "experiment": JSON(experiment.id), "modelType": body["model_type"] ?? "",
                "run": .string(source), "folder": .string(folder), "status": "LOGGED_MODEL_PENDING",
                "tags": JSON(
                    Dictionary(MLflowService.readPairs(body["tags"]).map { ($0.key, $0.value) }) { _, last in last }
                ),
                "params": JSON(
                    Dictionary(MLflowService.readPairs(body["params"]).map { ($0.key, $0.value) }) { _, last in last }
                ),
            ]
        )
        try t.put(&document)
        return json(document)
    }

    func find(_ body: JSON, _ t: Transaction) throws -> Document {
        let id = body["model_id"]?.stringValue ?? ""
        guard let document = try t.find(LoggedModels.id(service.scope, id)) else {
            throw ARMError(404, "RESOURCE_DOES_NOT_EXIST", "Logged model with ID '\(id)' not found.")
        }
        return document
    }

    func writable(_ body: JSON, _ t: Transaction) throws -> Document {
        let document = try find(body, t)
        let source = document.body["run"]?.stringValue ?? ""
        if source.isEmpty {
            try MLflowRoutes.requireUser(service)
        } else {
            _ = try service.writableRun(source, t, needsActive: false)
        }
        return document
    }

    func search(_ body: JSON, _ t: Transaction) throws -> [Document] {
        let experiments = Set(body["experiment_ids"]?.arrayValue?.compactMap { MLflowService.integer($0) } ?? [])
        let filter = try MLflowFilter(body["filter"]?.stringValue ?? "")
        return try t.list(.loggedModel, parent: service.scope.id, newestFirst: true).filter { model in
            guard experiments.isEmpty || experiments.contains(model.body["experiment"]?.intValue ?? -1) else {
                return false
            }
            return filter.matches { field in
                switch field {
                case .attribute("name"): model.body["modelName"]?.stringValue.map(MLflowFilter.Value.text)
                case .attribute("model_id"): .text(model.name)
                case .attribute("source_run_id"): model.body["run"]?.stringValue.map(MLflowFilter.Value.text)
                case .attribute("status"):
                    model.body["status"]?.stringValue.map { .text(String($0.dropFirst("LOGGED_MODEL_".count))) }
                case .tag(let key): model.body[path: "tags", key]?.stringValue.map(MLflowFilter.Value.text)
                case .param(let key): model.body[path: "params", key]?.stringValue.map(MLflowFilter.Value.text)
                default: nil
                }
            }
        }
    }

    func json(_ model: Document) -> JSON {
        let folder = String((model.body["folder"]?.stringValue ?? "").dropLast())
        let uri =
            service.usesAzureURIs
            ? "azureml://artifacts/" + folder
            : "mlflow-artifacts:/" + folder
        func pairs(_ key: String) -> JSON {
            MLflowService.pairs(
                (model.body[key]?.stringMap ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            )
        }
        var info: [String: JSON] = [
            "model_id": .string(model.name), "experiment_id": .string(String(model.body["experiment"]?.intValue ?? 0)),
            "name": model.body["modelName"] ?? "", "creation_timestamp_ms": JSON(Int(model.createdAt * 1000)),
            "last_updated_timestamp_ms": JSON(Int(model.updatedAt * 1000)), "artifact_uri": .string(uri),
            "status": model.body["status"] ?? "LOGGED_MODEL_PENDING", "model_type": model.body["modelType"] ?? "",
            "tags": pairs("tags"),
        ]
        if let run = model.body["run"]?.stringValue, !run.isEmpty { info["source_run_id"] = .string(run) }
        return ["info": .object(info), "data": ["params": pairs("params"), "metrics": []]]
    }

    /// Folder of the newest model that a run logged under a name.
    static func folder(_ scope: Scope, run: String, name: String, _ t: Transaction) throws -> String? {
        try t.list(.loggedModel, parent: scope.id, newestFirst: true).first {
            $0.body["run"]?.stringValue == run && $0.body["modelName"]?.stringValue == name
        }?.body["folder"]?.stringValue
    }
}
