package import KubeCore

extension Kind {
    /// The kinds that a CustomResourceDefinition serves, one for each served version.
    ///
    /// - Throws: `SchemaCompileError` with every error of the definition's schemas, columns and scale paths.
    package static func compile(definition: KubeObject) throws(SchemaCompileError) -> [Kind] {
        var errors: [FieldError] = []
        let versions = definition["spec", "versions"]?.arrayValue ?? []
        let storage = versions.first { $0["storage"] == true }?["name"]?.stringValue ?? ""
        var kinds: [Kind] = []
        for (index, version) in versions.enumerated() {
            let path = "spec.versions[\(index)]"
            do throws(SchemaCompileError) {
                var kind = try compile(definition: definition, version: version, path: path)
                kind.storageVersion = storage
                errors += problems(version, path: path)
                if version["served"] == true { kinds.append(kind) }
            } catch {
                errors += error.errors
            }
        }
        guard errors.isEmpty else { throw SchemaCompileError(errors) }
        return kinds
    }

    private static func compile(
        definition: KubeObject,
        version: JSON,
        path: String
    ) throws(SchemaCompileError) -> Kind {
        let spec = definition["spec"] ?? [:]
        let names = spec["names"] ?? [:]
        let name = names["kind"]?.stringValue ?? ""
        let type = ResourceType(
            group: spec["group"]?.stringValue ?? "",
            version: version["name"]?.stringValue ?? "",
            plural: names["plural"]?.stringValue ?? "",
            kind: name,
            isNamespaced: spec["scope"] == "Namespaced"
        )
        let subresources = version["subresources"] ?? [:]
        let hasStatus = subresources["status"]?.objectValue != nil
        let schema: Schema
        if let openAPI = version["schema"]?["openAPIV3Schema"] {
            schema = try Schema.compile(
                openAPI: openAPI,
                path: path + ".schema.openAPIV3Schema",
                hasSeparateStatus: hasStatus
            )
        } else {
            schema = Schema.preservingAll(hasSeparateStatus: hasStatus)
        }
        var kind = Kind(
            type: type,
            singular: names["singular"]?.stringValue,
            listKind: names["listKind"]?.stringValue,
            verbs: ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
            schema: schema
        )
        kind.isCustom = true
        kind.openAPI = version["schema"]?["openAPIV3Schema"]?.bytes
        // Upstream demands a resourceVersion to replace a custom resource.
        kind.allowsUnconditionalUpdate = false
        kind.shortNames = names["shortNames"]?.stringArray ?? []
        kind.categories = names["categories"]?.stringArray ?? []
        if hasStatus {
            kind.subresources.append(Subresource(name: "status", kind: name, verbs: ["get", "patch", "update"]))
        }
        if let scale = subresources["scale"], scale.objectValue != nil {
            kind.subresources.append(
                Subresource(
                    name: "scale",
                    group: "autoscaling",
                    version: "v1",
                    kind: "Scale",
                    verbs: ["get", "patch", "update"]
                )
            )
            kind.scalePaths = ScalePaths(
                specReplicas: scale["specReplicasPath"]?.stringValue ?? ".spec.replicas",
                statusReplicas: scale["statusReplicasPath"]?.stringValue ?? ".status.replicas",
                labelSelector: scale["labelSelectorPath"]?.stringValue
            )
        }
        kind.selectableFields = (version["selectableFields"]?.arrayValue ?? []).compactMap { field in
            field["jsonPath"]?.stringValue.map { $0.hasPrefix(".") ? String($0.dropFirst()) : $0 }
        }
        kind.columns = columns(version)
        return kind
    }

    private static func columns(_ version: JSON) -> [Column] {
        let name = Column(name: "Name", format: "name")
        let own = (version["additionalPrinterColumns"]?.arrayValue ?? []).map { column in
            Column(
                name: column["name"]?.stringValue ?? "",
                type: column["type"]?.stringValue ?? "string",
                format: column["format"]?.stringValue ?? "",
                description: column["description"]?.stringValue ?? "",
                priority: column["priority"]?.intValue ?? 0,
                jsonPath: column["jsonPath"]?.stringValue ?? ""
            )
        }
        return own.isEmpty
            ? [name, Column(name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp")] : [name] + own
    }

    private static func problems(_ version: JSON, path: String) -> [FieldError] {
        var errors: [FieldError] = []
        for (index, column) in (version["additionalPrinterColumns"]?.arrayValue ?? []).enumerated() {
            let text = column["jsonPath"]?.stringValue ?? ""
            do throws(JSONPathError) {
                _ = try JSONPath(column: text)
            } catch {
                errors.append(
                    FieldError(
                        "\(path).additionalPrinterColumns[\(index)].jsonPath",
                        .invalid,
                        error.message,
                        badValue: .string(text)
                    )
                )
            }
        }
        return errors
    }
}
