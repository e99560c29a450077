internal import ControlPlaneAPI
internal import KubeCore

/// MLflow's model registry; its models are the workspace's models.
struct MLflowRegistryRoutes {
    let core: Core

    func register(_ routes: inout RouteTable) {
        registerModels(&routes)
        registerVersions(&routes)
    }

    private func registerModels(_ routes: inout RouteTable) {
        MLflowRoutes.add(&routes, core, "POST", "/registered-models/create") { service, body, t in
            let registry = MLflowRegistry(service: service)
            let name = body["name"]?.stringValue ?? ""
            if try t.find(registry.id(name)) != nil {
                throw ARMError.conflict("RESOURCE_ALREADY_EXISTS", "Registered Model (name=\(name)) already exists.")
            }
            var model = Document(
                kind: .modelContainer,
                id: registry.id(name),
                parent: service.scope.id,
                name: name,
                body: [
                    "properties": [
                        "tags": JSON(MLflowRegistry.map(body["tags"])), "properties": [:], "isArchived": false,
                        "nextVersion": "1",
                    ]
                ]
            )
            if let text = body["description"]?.stringValue { model[property: "description"] = .string(text) }
            guard !name.isEmpty, !name.contains("/"), !name.contains(":") else {
                throw ARMError.invalid(
                    "name",
                    "Invalid name: '\(name)'. Registered model name cannot be empty or contain '/' or ':'."
                )
            }
            try t.put(&model)
            return ["registered_model": try registry.json(model, t)]
        }
        MLflowRoutes.add(&routes, core, "GET", "/registered-models/get", isRead: true) { service, body, t in
            let registry = MLflowRegistry(service: service)
            return ["registered_model": try registry.json(try registry.model(body, t), t)]
        }
        MLflowRoutes.add(&routes, core, "GET", "/registered-models/search", isRead: true) { service, body, t in
            let registry = MLflowRegistry(service: service)
            let filter = try MLflowFilter(body["filter"]?.stringValue ?? "")
            let models = try t.list(.modelContainer, parent: service.scope.id).filter { model in
                filter.matches { field in
                    switch field {
                    case .attribute("name"): .text(model.name)
                    case .tag(let key): model[property: "tags", key]?.stringValue.map(MLflowFilter.Value.text)
                    default: nil
                    }
                }
            }
            let (page, next) = try MLflowSearch.page(models.sorted { $0.name < $1.name }, body)
            return MLflowRoutes.list("registered_models", try page.map { try registry.json($0, t) }, next)
        }
        MLflowRoutes.add(&routes, core, "PATCH", "/registered-models/update") { service, body, t in
            let registry = MLflowRegistry(service: service)
            var model = try registry.model(body, t)
            if let text = body["description"]?.stringValue { model[property: "description"] = .string(text) }
            try t.put(&model)
            return ["registered_model": try registry.json(model, t)]
        }
        MLflowRoutes.add(&routes, core, "DELETE", "/registered-models/delete") { service, body, t in
            try MLflowRoutes.requireUser(service)
            let model = try MLflowRegistry(service: service).model(body, t)
            for version in try t.list(.modelVersion, parent: model.id) { try t.remove(version.id) }
            try t.remove(model.id)
            return [:]
        }
        for (method, action) in [("POST", "set-tag"), ("DELETE", "delete-tag")] {
            MLflowRoutes.add(&routes, core, method, "/registered-models/" + action) { service, body, t in
                var model = try MLflowRegistry(service: service).model(body, t)
                model[property: "tags", body["key"]?.stringValue ?? ""] =
                    method == "POST" ? .string(MLflowService.text(body["value"]) ?? "") : nil
                try t.put(&model)
                return [:]
            }
        }
        for method in ["POST", "DELETE"] {
            MLflowRoutes.add(&routes, core, method, "/registered-models/alias") { service, body, t in
                var model = try MLflowRegistry(service: service).model(body, t)
                let alias = body["alias"]?.stringValue ?? ""
                model.hidden[path: "aliases", alias] =
                    method == "POST" ? MLflowService.text(body["version"]).map(JSON.string) : nil
                try t.put(&model)
                return [:]
            }
        }
        MLflowRoutes.add(&routes, core, "GET", "/registered-models/alias", isRead: true) { service, body, t in
            let registry = MLflowRegistry(service: service)
            let model = try registry.model(body, t)
            let alias = body["alias"]?.stringValue ?? ""
            guard let version = model.hidden[path: "aliases", alias]?.stringValue else {
                throw ARMError(404, "RESOURCE_DOES_NOT_EXIST", "Registered model alias \(alias) not found.")
            }
            return [
                "model_version": registry.json(
                    try registry.version(model.name, version, t),
                    aliases: model.hidden["aliases"]
                )
            ]
        }
        for method in ["POST", "GET"] {
            MLflowRoutes.add(&routes, core, method, "/registered-models/get-latest-versions", isRead: true) {
                service,
                body,
                t in
                let registry = MLflowRegistry(service: service)
                let model = try registry.model(body, t)
                return ["model_versions": .array(try registry.latest(model, t))]
            }
        }
    }
}

extension MLflowRegistryRoutes {
    private func registerVersions(_ routes: inout RouteTable) {
        MLflowRoutes.add(&routes, core, "POST", "/model-versions/create") { service, body, t in
            ["model_version": try MLflowRegistry(service: service).createVersion(body, t)]
        }
        MLflowRoutes.add(&routes, core, "GET", "/model-versions/get", isRead: true) { service, body, t in
            let registry = MLflowRegistry(service: service)
            return [
                "model_version": registry.json(
                    try registry.version(body, t),
                    aliases: try registry.model(body, t).hidden["aliases"]
                )
            ]
        }
        MLflowRoutes.add(&routes, core, "GET", "/model-versions/search", isRead: true) { service, body, t in
            let registry = MLflowRegistry(service: service)
            let filter = try MLflowFilter(body["filter"]?.stringValue ?? "")
            var found: [JSON] = []
            for model in try t.list(.modelContainer, parent: service.scope.id) {
                for version in try t.list(.modelVersion, parent: model.id, newestFirst: true) {
                    let matches = filter.matches { field in
                        switch field {
                        case .attribute("name"): .text(model.name)
                        case .attribute("version_number"): .number(Double(version.name) ?? 0)
                        case .attribute("run_id"):
                            version[property: "jobName"]?.stringValue.map(MLflowFilter.Value.text)
                        case .attribute("source_path"):
                            version[property: "modelUri"]?.stringValue.map(MLflowFilter.Value.text)
                        case .tag(let key): version[property: "tags", key]?.stringValue.map(MLflowFilter.Value.text)
                        default: nil
                        }
                    }
                    if matches { found.append(registry.json(version, aliases: model.hidden["aliases"])) }
                }
            }
            let (page, next) = try MLflowSearch.page(found, body)
            return MLflowRoutes.list("model_versions", page, next)
        }
        MLflowRoutes.add(&routes, core, "PATCH", "/model-versions/update") { service, body, t in
            let registry = MLflowRegistry(service: service)
            var version = try registry.version(body, t)
            if let text = body["description"]?.stringValue { version[property: "description"] = .string(text) }
            try t.put(&version)
            return ["model_version": registry.json(version, aliases: nil)]
        }
        MLflowRoutes.add(&routes, core, "POST", "/model-versions/transition-stage") { service, body, t in
            let registry = MLflowRegistry(service: service)
            var version = try registry.version(body, t)
            version[property: "stage"] = body["stage"] ?? "None"
            try t.put(&version)
            return ["model_version": registry.json(version, aliases: nil)]
        }
        MLflowRoutes.add(&routes, core, "DELETE", "/model-versions/delete") { service, body, t in
            try MLflowRoutes.requireUser(service)
            let version = try MLflowRegistry(service: service).version(body, t)
            try t.remove(version.id)
            return [:]
        }
        for (method, action) in [("POST", "set-tag"), ("DELETE", "delete-tag")] {
            MLflowRoutes.add(&routes, core, method, "/model-versions/" + action) { service, body, t in
                var version = try MLflowRegistry(service: service).version(body, t)
                version[property: "tags", body["key"]?.stringValue ?? ""] =
                    method == "POST" ? .string(MLflowService.text(body["value"]) ?? "") : nil
                try t.put(&version)
                return [:]
            }
        }
        MLflowRoutes.add(&routes, core, "GET", "/model-versions/get-download-uri", isRead: true) { service, body, t in
            let registry = MLflowRegistry(service: service)
            return ["artifact_uri": .string(try registry.downloadURI(try registry.version(body, t), t))]
        }
    }
}
