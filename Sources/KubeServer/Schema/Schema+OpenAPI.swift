package import KubeCore

extension Schema {
    /// Compiles the structural schema of a custom resource (`openAPIV3Schema`).
    ///
    /// `path` leads to the schema in the definition, for the errors. `hasSeparateStatus` says that the status subresource is on.
    /// - Throws: `SchemaCompileError` with every rule that the schema breaks.
    package static func compile(
        openAPI: JSON,
        path: String = "",
        hasSeparateStatus: Bool = false
    ) throws(SchemaCompileError) -> Schema {
        var errors: [FieldError] = []
        var compiler = StructuralCompiler()
        compiler.check(openAPI, path: path, errors: &errors)
        let constraint = Constraint(openAPI, path: path, errors: &errors)
        if openAPI["type"] != "object" {
            let found = openAPI["type"]?.stringValue ?? ""
            errors.append(
                found.isEmpty
                    ? FieldError(path + ".type", .required, "must not be empty at the root")
                    : FieldError(path + ".type", .invalid, "must be object at the root", badValue: .string(found))
            )
        }
        guard errors.isEmpty else { throw SchemaCompileError(errors) }
        return compiler.schema(openAPI, constraint, hasSeparateStatus: hasSeparateStatus)
    }

    /// Accepts everything: a definition whose version has no schema but keeps unknown fields.
    package static func preservingAll(hasSeparateStatus: Bool) -> Schema {
        var errors: [FieldError] = []
        let open: JSON = ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
        let constraint = Constraint(open, path: "", errors: &errors)
        var compiler = StructuralCompiler()
        return compiler.schema(open, constraint, hasSeparateStatus: hasSeparateStatus)
    }
}

/// Checks the rules of structural schemas and builds the nodes.
private struct StructuralCompiler {
    private static let types: Set<String> = ["object", "array", "string", "integer", "number", "boolean"]

    func check(_ json: JSON, path: String, errors: inout [FieldError]) {
        guard case .object(let node) = json else {
            errors.append(FieldError(path, .invalid, "a schema must be an object", badValue: json))
            return
        }
        let type = node["type"]?.stringValue ?? ""
        let isOpen = node["x-kubernetes-preserve-unknown-fields"] == true
        let isIntOrString = node["x-kubernetes-int-or-string"] == true
        if type.isEmpty, !isOpen, !isIntOrString, !path.hasSuffix("openAPIV3Schema") {
            let place = path.hasSuffix(".items") ? "array items" : "object fields"
            errors.append(FieldError(path + ".type", .required, "must not be empty for specified \(place)"))
        } else if !type.isEmpty, !StructuralCompiler.types.contains(type) {
            errors.append(
                FieldError(
                    path + ".type",
                    .notSupported,
                    #"supported values: "array", "boolean", "integer", "number", "object", "string""#,
                    badValue: .string(type)
                )
            )
        }
        for key in ["$ref", "definitions", "dependencies", "patternProperties", "additionalItems"]
        where node[key] != nil && node[key] != .null {
            errors.append(FieldError(path + "." + key, .forbidden, "\(key) is not supported"))
        }
        if node["uniqueItems"] == true {
            errors.append(
                FieldError(
                    path + ".uniqueItems",
                    .forbidden,
                    "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
                )
            )
        }
        let properties = node["properties"]?.objectValue ?? [:]
        if !properties.isEmpty, let extra = node["additionalProperties"], extra != false {
            errors.append(
                FieldError(
                    path + ".additionalProperties",
                    .forbidden,
                    "additionalProperties and properties are mutual exclusive"
                )
            )
        }
        if isOpen, !type.isEmpty, type != "object", !isIntOrString {
            errors.append(
                FieldError(
                    path + ".type",
                    .invalid,
                    "must be object if x-kubernetes-preserve-unknown-fields is true",
                    badValue: .string(type)
                )
            )
        }
        checkList(node, type: type, path: path, errors: &errors)
        if let value = node["default"], !value.isNull { checkDefault(value, json, path: path, errors: &errors) }
        for key in properties.keys.sorted() {
            if let child = properties[key] { check(child, path: "\(path).properties[\(key)]", errors: &errors) }
        }
        if let extra = node["additionalProperties"], case .object = extra {
            check(extra, path: path + ".additionalProperties", errors: &errors)
        }
        if let items = node["items"] { check(items, path: path + ".items", errors: &errors) }
    }

    /// A default must be a value of its own schema; what it lacks may come from the defaults inside it.
    private func checkDefault(_ value: JSON, _ json: JSON, path: String, errors: inout [FieldError]) {
        var broken: [FieldError] = []
        let constraint = Constraint(json, path: path, errors: &broken)
        guard broken.isEmpty else { return }
        var checker = ConstraintChecker()
        checker.check(value, constraint, path: "default")
        for error in checker.errors where error.reason != .required {
            errors.append(FieldError(path + ".default", .invalid, error.detail, badValue: error.badValue))
        }
    }

    private func checkList(_ node: [String: JSON], type: String, path: String, errors: inout [FieldError]) {
        if type == "array", node["items"] == nil {
            errors.append(FieldError(path + ".items", .required, "must be specified"))
        }
        guard let listType = node["x-kubernetes-list-type"]?.stringValue else { return }
        let place = path + ".x-kubernetes-list-type"
        guard let parsed = Schema.ListType(rawValue: listType) else {
            errors.append(
                FieldError(
                    place,
                    .notSupported,
                    #"supported values: "atomic", "map", "set""#,
                    badValue: .string(listType)
                )
            )
            return
        }
        if type != "array" {
            errors.append(
                FieldError(
                    path + ".type",
                    .invalid,
                    "must be array if x-kubernetes-list-type is specified",
                    badValue: .string(type)
                )
            )
        }
        guard parsed == .map else { return }
        let keys = node["x-kubernetes-list-map-keys"]?.stringArray ?? []
        if keys.isEmpty {
            errors.append(
                FieldError(
                    path + ".x-kubernetes-list-map-keys",
                    .required,
                    "must not be empty if x-kubernetes-list-type is map"
                )
            )
        }
        let items = node["items"]
        let required = items?["required"]?.stringArray ?? []
        for key in keys {
            guard let property = items?["properties"]?[key] else {
                errors.append(
                    FieldError(
                        path + ".x-kubernetes-list-map-keys",
                        .invalid,
                        "entries must all be names of item properties",
                        badValue: JSON(keys)
                    )
                )
                continue
            }
            if property["default"] == nil, !required.contains(key) {
                errors.append(
                    FieldError(
                        "\(path).items.properties[\(key)].default",
                        .required,
                        "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
                    )
                )
            }
        }
    }

    mutating func schema(_ json: JSON, _ constraint: Constraint, hasSeparateStatus: Bool = false) -> Schema {
        let isAtomic = json["x-kubernetes-map-type"] == "atomic"
        let isNullable = constraint.isNullable
        if constraint.isIntOrString {
            return Schema(form: .any, format: .intOrString, isNullable: isNullable, constraint: constraint)
        }
        switch constraint.type {
        case .array:
            let element = json["items"].flatMap { items in constraint.items.map { schema(items, $0) } }
            return Schema(
                form: .list,
                element: element,
                listType: constraint.listType,
                mapKeys: constraint.mapKeys,
                isNullable: isNullable,
                constraint: constraint
            )
        case .string: return Schema(form: .string, isNullable: isNullable, constraint: constraint)
        case .integer: return Schema(form: .integer, format: .int64, isNullable: isNullable, constraint: constraint)
        case .number: return Schema(form: .number, isNullable: isNullable, constraint: constraint)
        case .boolean: return Schema(form: .boolean, isNullable: isNullable, constraint: constraint)
        case .object, nil: break
        }
        if let additional = constraint.additional, let child = json["additionalProperties"] {
            return Schema(
                form: .map,
                element: schema(child, additional),
                isAtomic: isAtomic,
                isNullable: isNullable,
                constraint: constraint
            )
        }
        if json["additionalProperties"] == true {
            return Schema(
                form: .map,
                element: Schema(form: .any, preservesUnknown: true, isNullable: true, constraint: constraint),
                isAtomic: isAtomic,
                isNullable: isNullable,
                constraint: constraint
            )
        }
        let isOpen = constraint.preservesUnknown
        if isOpen, constraint.properties.isEmpty, !constraint.isEmbeddedResource, constraint.type == nil {
            return Schema(
                form: .any,
                isAtomic: isAtomic,
                preservesUnknown: true,
                isNullable: true,
                constraint: constraint
            )
        }
        let made = Schema(
            form: .object,
            isAtomic: isAtomic,
            preservesUnknown: isOpen,
            isEmbeddedResource: constraint.isEmbeddedResource,
            isNullable: isNullable,
            hasSeparateStatus: hasSeparateStatus,
            constraint: constraint
        )
        let fields = constraint.properties.compactMap { key, rule -> Schema.Field? in
            guard let child = json["properties"]?[key] else { return nil }
            return Schema.Field(
                name: key,
                schema: schema(child, rule),
                isPointer: true,
                isRequired: constraint.required.contains(key),
                defaultValue: child["default"]
            )
        }
        made.setFields(fields)
        return made
    }
}
