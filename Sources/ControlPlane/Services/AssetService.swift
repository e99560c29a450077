internal import ControlPlaneAPI
internal import KubeCore

/// Versioned assets: containers, versions, and the rules of each kind.
struct AssetService: Sendable {
    let core: Core

    func containerID(_ scope: Scope, _ kind: AssetKind, _ name: String) -> String {
        scope.id + "/\(kind.rawValue)/\(name)"
    }

    /// Stores a version and its container; the flag says whether the version is new.
    func put(
        _ scope: Scope,
        _ kind: AssetKind,
        name: String,
        version: String,
        body: JSON
    ) async throws
        -> (document: Document, isNew: Bool)
    {
        let base = core.publicURL
        return try await core.store.write { t in
            try AssetService.put(t, scope, kind, name: name, version: version, body: body, base: base)
        }
    }

    static func put(
        _ t: Transaction,
        _ scope: Scope,
        _ kind: AssetKind,
        name: String,
        version: String,
        body: JSON,
        base: String
    ) throws -> (document: Document, isNew: Bool) {
        try checkName(name, of: kind)
        try checkVersion(version, of: kind, name: name)
        let container = scope.id + "/\(kind.rawValue)/\(name)"
        let id = container + "/versions/\(version)"
        let old = try t.find(id)
        var document = old ?? Document(kind: kind.version, id: id, parent: container, name: version, body: .object([:]))
        document.body = try prepared(t, scope, kind, name: name, version: version, body: body, base: base)
        if let old {
            for property in kind.fixedProperties {
                let before = old[property: property] ?? .null
                let after = document[property: property] ?? .null
                guard before == after else {
                    throw ARMError.conflict(
                        "AssetVersionAlreadyExists",
                        "\(kind.noun) '\(name):\(version)' already exists with another \(property); register a new version."
                    )
                }
            }
        }
        try t.put(&document)
        try touchContainer(t, scope, kind, name: name, body: body)
        return (document, old == nil)
    }

    /// The body as stored: defaults supplied and files checked.
    private static func prepared(
        _ t: Transaction,
        _ scope: Scope,
        _ kind: AssetKind,
        name: String,
        version: String,
        body: JSON,
        base: String
    ) throws -> JSON {
        var body = body
        var properties = body["properties"] ?? .object([:])
        let label = "\(kind.noun) '\(name):\(version)'"
        for (key, value) in properties.objectValue ?? [:] where value.isNull { properties[key] = nil }
        properties["tags"] = properties["tags"] ?? .object([:])
        properties["properties"] = properties["properties"] ?? .object([:])
        properties["isArchived"] = properties["isArchived"] ?? false
        properties["isAnonymous"] = properties["isAnonymous"] ?? false
        properties["provisioningState"] = "Succeeded"
        switch kind {
        case .codes: try checkCode(properties, label: label)
        case .environments: try prepareEnvironment(&properties, label: label)
        case .data: try prepareData(t, scope, &properties, label: label, base: base)
        case .models: try prepareModel(t, scope, &properties, label: label, base: base)
        case .components: try prepareComponent(&properties, name: name, version: version, label: label)
        }
        body["properties"] = properties
        return body
    }

    private static func checkCode(_ properties: JSON, label: String) throws {
        let uri = properties["codeUri"]?.stringValue ?? ""
        guard BlobAddress(url: uri) != nil else {
            throw ARMError.invalid(
                "properties.codeUri",
                "\(label): codeUri '\(uri)' is not an address of this control plane's blob endpoint; upload with startPendingUpload."
            )
        }
    }

    private static func prepareEnvironment(_ properties: inout JSON, label: String) throws {
        let hasImage = properties["image"]?.stringValue?.isEmpty == false
        let hasBuild = properties["build"]?.objectValue != nil
        guard hasImage != hasBuild else {
            throw ARMError.invalid(
                "properties.image",
                hasImage
                    ? "\(label) has both image and build; keep one." : "\(label) has neither image nor build; set one."
            )
        }
        if hasBuild, properties[path: "build", "dockerfilePath"] == nil {
            properties[path: "build", "dockerfilePath"] = "Dockerfile"
        }
        properties["osType"] = properties["osType"] ?? "Linux"
        properties["environmentType"] = "UserCreated"
    }

    private static func prepareData(
        _ t: Transaction,
        _ scope: Scope,
        _ properties: inout JSON,
        label: String,
        base: String
    ) throws {
        guard let uri = properties["dataUri"]?.stringValue, !uri.isEmpty else {
            throw ARMError.invalid("properties.dataUri", "\(label) has no dataUri.")
        }
        properties["dataType"] = properties["dataType"] ?? "uri_folder"
        let places = Places(scope: scope)
        if case .blob(let address) = try places.resolve(uri, target: "properties.dataUri", t) {
            properties["dataUri"] = .string(places.uri(address, base: base))
        }
    }

    private static func prepareModel(
        _ t: Transaction,
        _ scope: Scope,
        _ properties: inout JSON,
        label: String,
        base: String
    ) throws {
        guard let uri = properties["modelUri"]?.stringValue, !uri.isEmpty else {
            throw ARMError.invalid("properties.modelUri", "\(label) has no modelUri.")
        }
        properties["flavors"] = properties["flavors"]?.objectValue.map(JSON.object) ?? .object([:])
        properties["modelType"] = properties["modelType"] ?? "custom_model"
        properties["stage"] = properties["stage"] ?? "None"
        let places = Places(scope: scope)
        guard case .blob(let address) = try places.resolve(uri, target: "properties.modelUri", t) else {
            throw ARMError.invalid(
                "properties.modelUri",
                "\(label): '\(uri)' is outside this control plane; download it and register the local folder."
            )
        }
        guard let found = try Places.existing(address, t) else {
            throw ARMError(
                400,
                "ModelFilesNotFound",
                "\(label): there are no files at '\(uri)' (\(address.container)/\(address.name)). Check the path and that the job has ended.",
                target: "properties.modelUri"
            )
        }
        if properties["modelType"]?.stringValue?.lowercased() == "mlflow_model" {
            guard found.name.hasSuffix("/"), try t.blob(found.container, found.name + "MLmodel") != nil else {
                throw ARMError.invalid(
                    "properties.modelUri",
                    "\(label) is an mlflow_model, but '\(uri)' holds no file MLmodel; name the folder that has it or use custom_model."
                )
            }
        }
        if let job = ARMPath.value(of: "jobs", in: uri), uri.lowercased().hasPrefix("azureml://jobs/") {
            properties["jobName"] = .string(job)
        }
        properties["modelUri"] = .string(places.uri(found, base: base))
    }

    private static func prepareComponent(_ properties: inout JSON, name: String, version: String, label: String) throws
    {
        guard var spec = properties["componentSpec"]?.objectValue else {
            throw ARMError.invalid("properties.componentSpec", "\(label) has no componentSpec.")
        }
        spec["name"] = spec["name"] ?? .string(name)
        spec["version"] = spec["version"] ?? .string(version)
        spec["type"] = spec["type"] ?? "command"
        properties["componentSpec"] = .object(spec)
    }

    private static func touchContainer(
        _ t: Transaction,
        _ scope: Scope,
        _ kind: AssetKind,
        name: String,
        body: JSON
    ) throws {
        let id = scope.id + "/\(kind.rawValue)/\(name)"
        var container =
            try t.find(id)
            ?? Document(
                kind: kind.container,
                id: id,
                parent: scope.id,
                name: name,
                body: ["properties": ["tags": [:], "properties": [:], "isArchived": false]]
            )
        let versions = try t.list(kind.version, parent: id)
        let visible = versions.filter { $0[property: "isArchived"]?.boolValue != true }
        container[property: "latestVersion"] = visible.last.map { .string($0.name) }
        container[property: "nextVersion"] = .string(nextVersion(versions.map(\.name)))
        if kind == .data, container[property: "dataType"] == nil {
            container[property: "dataType"] = body[path: "properties", "dataType"] ?? "uri_folder"
        }
        container[property: "isArchived"] = .bool(visible.isEmpty && !versions.isEmpty)
        container[property: "provisioningState"] = "Succeeded"
        try t.put(&container)
    }

    /// The number after the largest one; names that are no numbers do not count.
    static func nextVersion(_ versions: [String]) -> String { String((versions.compactMap { Int($0) }.max() ?? 0) + 1) }

    private static func checkName(_ name: String, of kind: AssetKind) throws {
        let fits = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
        guard fits, (1...255).contains(name.count) else {
            throw ARMError.invalid(
                "name",
                "\(kind.noun) name '\(name)' is not allowed; use at most 255 letters, digits, '-', '_' and '.'."
            )
        }
    }

    private static func checkVersion(_ version: String, of kind: AssetKind, name: String) throws {
        let fits = version.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
        guard fits, (1...64).contains(version.count) else {
            throw ARMError.invalid(
                "version",
                "\(kind.noun) '\(name)': version '\(version)' is not allowed; use at most 64 letters, digits, '-', '_' and '.'."
            )
        }
    }
}
