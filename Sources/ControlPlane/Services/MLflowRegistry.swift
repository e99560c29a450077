internal import ControlPlaneAPI
internal import KubeCore

/// The workspace's models in MLflow's shapes.
struct MLflowRegistry {
    let service: MLflowService

    func id(_ name: String) -> String { service.scope.id + "/models/" + name }

    static func map(_ pairs: JSON?) -> [String: String] {
        Dictionary(MLflowService.readPairs(pairs).map { ($0.key, $0.value) }) { _, last in last }
    }

    func model(_ body: JSON, _ t: Transaction) throws -> Document {
        let name = body["name"]?.stringValue ?? ""
        guard let model = try t.find(id(name)) else {
            throw ARMError(404, "RESOURCE_DOES_NOT_EXIST", "Registered Model with name=\(name) not found")
        }
        return model
    }

    func version(_ body: JSON, _ t: Transaction) throws -> Document {
        try version(body["name"]?.stringValue ?? "", MLflowService.text(body["version"]) ?? "", t)
    }

    func version(_ name: String, _ version: String, _ t: Transaction) throws -> Document {
        guard let document = try t.find(id(name) + "/versions/" + version) else {
            throw ARMError(404, "RESOURCE_DOES_NOT_EXIST", "Model Version (name=\(name), version=\(version)) not found")
        }
        return document
    }

    /// Registers files of a run or logged model as the next version.
    func createVersion(_ body: JSON, _ t: Transaction) throws -> JSON {
        let name = body["name"]?.stringValue ?? ""
        let container = try model(body, t)
        let source = body["source"]?.stringValue ?? ""
        let number = container[property: "nextVersion"]?.stringValue ?? "1"
        var properties: [String: JSON] = [
            "tags": JSON(MLflowRegistry.map(body["tags"])), "properties": [:], "flavors": [:],
        ]
        let address = try sourceAddress(source, t)
        let folder = address.asFolder
        let isMLflow = try t.blob(folder.container, folder.name + "MLmodel") != nil
        properties["modelUri"] = .string(folder.url(base: service.core.publicURL))
        properties["modelType"] = isMLflow ? "mlflow_model" : "custom_model"
        if isMLflow { properties["flavors"] = ["python_function": ["data": [:]]] }
        if let run = body["run_id"]?.stringValue, !run.isEmpty { properties["jobName"] = .string(run) }
        if let text = body["description"]?.stringValue { properties["description"] = .string(text) }
        if let model = body["model_id"]?.stringValue { properties["properties"] = ["mlflow.modelId": .string(model)] }
        var result = try AssetService.put(
            t,
            service.scope,
            .models,
            name: name,
            version: number,
            body: ["properties": .object(properties)],
            base: service.core.publicURL
        ).document
        result.hidden["source"] = .string(source)
        try t.put(&result)
        return json(result, aliases: nil)
    }

    private func sourceAddress(_ source: String, _ t: Transaction) throws -> BlobAddress {
        if source.hasPrefix("mlflow-artifacts:/") {
            let path = source.dropFirst("mlflow-artifacts:/".count).drop { $0 == "/" }
            return BlobAddress(container: service.scope.artifactContainer, name: String(path))
        }
        if source.hasPrefix("models:/m-") || source.hasPrefix("models:/m_") {
            let model = try LoggedModels(service: service).find(
                ["model_id": .string(String(source.dropFirst("models:/".count)))],
                t
            )
            return BlobAddress(
                container: service.scope.artifactContainer,
                name: model.body["folder"]?.stringValue ?? ""
            )
        }
        if source.hasPrefix("azureml://"), let run = ARMPath.value(of: "runs", in: source) {
            let path = source.components(after: "/artifacts")
            return BlobAddress(
                container: service.scope.artifactContainer,
                name: Scope.runFolder(run) + path.drop { $0 == "/" }
            )
        }
        guard case .blob(let address) = try Places(scope: service.scope).resolve(source, target: "source", t) else {
            throw ARMError.invalid("source", "Model source '\(source)' is outside this server.")
        }
        return address
    }

    func downloadURI(_ version: Document, _ t: Transaction) throws -> String {
        let uri = version[property: "modelUri"]?.stringValue ?? ""
        guard case .blob(let address) = try Places(scope: service.scope).resolve(uri, target: "source", t),
            address.container == service.scope.artifactContainer
        else { return uri }
        let path = address.name.hasSuffix("/") ? String(address.name.dropLast()) : address.name
        return (service.usesAzureURIs ? "azureml://artifacts/" : "mlflow-artifacts:/") + path
    }

    func latest(_ model: Document, _ t: Transaction) throws -> [JSON] {
        let versions = try t.list(.modelVersion, parent: model.id, newestFirst: true)
        var stages: Set<String> = []
        return versions.filter { stages.insert($0[property: "stage"]?.stringValue ?? "None").inserted }
            .map { json($0, aliases: model.hidden["aliases"]) }
    }

    func json(_ model: Document, _ t: Transaction) throws -> JSON {
        let aliases = (model.hidden["aliases"]?.stringMap ?? [:]).sorted { $0.key < $1.key }
        return [
            "name": .string(model.name), "creation_timestamp": JSON(Int(model.createdAt * 1000)),
            "last_updated_timestamp": JSON(Int(model.updatedAt * 1000)),
            "description": model[property: "description"] ?? "", "latest_versions": .array(try latest(model, t)),
            "tags": tags(model),
            "aliases": .array(aliases.map { ["alias": .string($0.key), "version": .string($0.value)] }),
        ]
    }

    func json(_ version: Document, aliases: JSON?) -> JSON {
        let name = ARMPath.value(of: "models", in: version.id) ?? ""
        let own = (aliases?.stringMap ?? [:]).filter { $0.value == version.name }.keys.sorted()
        var json: [String: JSON] = [
            "name": .string(name), "version": .string(version.name),
            "creation_timestamp": JSON(Int(version.createdAt * 1000)),
            "last_updated_timestamp": JSON(Int(version.updatedAt * 1000)),
            "current_stage": version[property: "stage"] ?? "None",
            "description": version[property: "description"] ?? "",
            "source": version.hidden["source"] ?? version[property: "modelUri"] ?? "", "status": "READY",
            "run_id": version[property: "jobName"] ?? "", "tags": tags(version), "aliases": JSON(own),
        ]
        if let model = version[property: "properties", "mlflow.modelId"] { json["model_id"] = model }
        return .object(json)
    }

    private func tags(_ document: Document) -> JSON {
        let tags = document[property: "tags"]?.stringMap ?? [:]
        return MLflowService.pairs(tags.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }
}

extension String {
    /// What follows the last occurrence of `mark`; empty when there is none.
    fileprivate func components(after mark: String) -> String {
        guard let range = ranges(of: mark).last else { return "" }
        return String(self[range.upperBound...])
    }
}
