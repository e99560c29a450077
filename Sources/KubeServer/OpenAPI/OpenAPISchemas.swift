internal import KubeCore

/// Collects the schemas of kinds and everything they refer to.
struct OpenAPISchemas {
    /// `#/components/schemas/` or `#/definitions/`.
    let prefix: String
    private(set) var all: [String: JSON] = [:]

    private static let metaPrefix = "io.k8s.apimachinery.pkg.apis.meta.v1."

    init(prefix: String) { self.prefix = prefix }

    /// Name of the kind's schema.
    static func name(_ kind: Kind) -> String {
        if let name = kind.schema.name { return fullName(name) }
        let group = kind.type.group.split(separator: ".").reversed().joined(separator: ".")
        return group + "." + kind.type.version + "." + kind.type.kind
    }

    static func listName(_ kind: Kind) -> String { name(kind) + "List" }

    func reference(_ name: String) -> JSON { ["$ref": .string(prefix + name)] }

    /// Adds the kind, its list and what requests on it carry.
    mutating func add(_ kind: Kind) {
        let name = OpenAPISchemas.name(kind)
        var schema = kind.isCustom ? custom(kind) : message(kind.schema)
        schema["x-kubernetes-group-version-kind"] = [OpenAPISchemas.groupVersionKind(kind, kind.type.kind)]
        all[name] = schema
        if kind.isStored {
            require("meta.v1.ListMeta")
            all[OpenAPISchemas.listName(kind)] = [
                "type": "object", "required": ["items"],
                "properties": [
                    "apiVersion": ["type": "string"], "kind": ["type": "string"],
                    "metadata": reference(OpenAPISchemas.metaPrefix + "ListMeta"),
                    "items": ["type": "array", "items": reference(name)],
                ],
                "x-kubernetes-group-version-kind": [OpenAPISchemas.groupVersionKind(kind, kind.listKind)],
            ]
        }
        for message in ["meta.v1.DeleteOptions", "meta.v1.Status"] { require(message) }
        for part in kind.subresources where !part.group.isEmpty {
            let apiVersion = part.group + "/" + part.version
            guard let schema = BuiltInKinds.schema(apiVersion: apiVersion, kind: part.kind), let name = schema.name
            else {
                continue
            }
            require(name)
            all[OpenAPISchemas.fullName(name)]?["x-kubernetes-group-version-kind"] = [
                ["group": .string(part.group), "version": .string(part.version), "kind": .string(part.kind)]
            ]
        }
        all[OpenAPISchemas.metaPrefix + "Patch"] = ["type": "object"]
    }

    static func groupVersionKind(_ kind: Kind, _ name: String) -> JSON {
        ["group": .string(kind.type.group), "version": .string(kind.type.version), "kind": .string(name)]
    }

    /// `core.v1.Pod` in upstream's spelling.
    static func fullName(_ name: String) -> String {
        if name.hasPrefix("meta.") { return "io.k8s.apimachinery.pkg.apis." + name }
        if name.hasPrefix("apiextensions.") { return "io.k8s.apiextensions-apiserver.pkg.apis." + name }
        if name.hasPrefix("apiregistration.") { return "io.k8s.kube-aggregator.pkg.apis." + name }
        return "io.k8s.api." + name
    }

    private mutating func require(_ name: String) {
        let full = OpenAPISchemas.fullName(name)
        guard all[full] == nil, let schema = BuiltInSchemas.named[name] else { return }
        all[full] = ["type": "object"]  // Ends circles.
        all[full] = message(schema)
    }

    private static let roots: Set<String> = Set(BuiltInKinds.all.compactMap(\.schema.name)).union([
        "meta.v1.Status", "meta.v1.DeleteOptions", "autoscaling.v1.Scale", "policy.v1.Eviction",
        "authentication.v1.TokenRequest",
    ])

    private mutating func message(_ schema: Schema) -> JSON {
        var properties: [String: JSON] = [:]
        var required: [String] = []
        for field in schema.fields.values {
            properties[field.name] = property(field)
            if field.isRequired { required.append(field.name) }
        }
        if let name = schema.name, OpenAPISchemas.roots.contains(name) {
            properties["apiVersion"] = ["type": "string"]
            properties["kind"] = ["type": "string"]
        }
        var result: [String: JSON] = ["type": "object"]
        if !properties.isEmpty { result["properties"] = .object(properties) }
        if !required.isEmpty { result["required"] = JSON(required.sorted()) }
        if schema.isAtomic { result["x-kubernetes-map-type"] = "atomic" }
        return .object(result)
    }

    private mutating func property(_ field: Schema.Field) -> JSON {
        var node = type(field.schema)
        var extra: [String: JSON] = [:]
        if !field.patchStrategy.isEmpty {
            let words = [
                field.patchStrategy.contains(.merge) ? "merge" : nil,
                field.patchStrategy.contains(.retainKeys) ? "retainKeys" : nil,
            ]
            extra["x-kubernetes-patch-strategy"] = .string(words.compactMap(\.self).joined(separator: ","))
            if let key = field.patchMergeKey { extra["x-kubernetes-patch-merge-key"] = .string(key) }
        }
        if field.isAtomic { extra["x-kubernetes-map-type"] = "atomic" }
        if let value = field.defaultValue { extra["default"] = value }
        if !field.enumeration.isEmpty, field.schema.form == .string { extra["enum"] = JSON(field.enumeration.sorted()) }
        if extra.isEmpty { return node }
        // Nothing may stand beside a reference.
        if node["$ref"] != nil { node = ["allOf": [node]] }
        return .object((node.objectValue ?? [:]).merging(extra) { _, new in new })
    }

    private mutating func type(_ schema: Schema) -> JSON {
        switch schema.form {
        case .object:
            guard let name = schema.name else { return message(schema) }
            require(name)
            return reference(OpenAPISchemas.fullName(name))
        case .map:
            let values = schema.element.map { type($0) } ?? ["type": "string"]
            return ["type": "object", "additionalProperties": values]
        case .list:
            let items = schema.element.map { type($0) } ?? ["type": "string"]
            var node: [String: JSON] = [
                "type": "array", "items": items, "x-kubernetes-list-type": .string(schema.listType.rawValue),
            ]
            if !schema.mapKeys.isEmpty { node["x-kubernetes-list-map-keys"] = JSON(schema.mapKeys) }
            return .object(node)
        default: return scalar(schema)
        }
    }

    private mutating func scalar(_ schema: Schema) -> JSON {
        switch schema.format {
        case .int32: return ["type": "integer", "format": "int32"]
        case .int64: return ["type": "integer", "format": "int64"]
        case .bytes: return ["type": "string", "format": "byte"]
        case .quantity: return shared("io.k8s.apimachinery.pkg.api.resource.Quantity", ["type": "string"])
        case .intOrString:
            return shared(
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
                ["type": "string", "format": "int-or-string"]
            )
        case .time: return shared(OpenAPISchemas.metaPrefix + "Time", ["type": "string", "format": "date-time"])
        case .microTime:
            return shared(OpenAPISchemas.metaPrefix + "MicroTime", ["type": "string", "format": "date-time"])
        case .fieldsV1: return shared(OpenAPISchemas.metaPrefix + "FieldsV1", ["type": "object"])
        case .rawExtension: return shared("io.k8s.apimachinery.pkg.runtime.RawExtension", ["type": "object"])
        case .rawJSON, .schemaOrBool, .schemaOrArray, .schemaOrStrings: return [:]
        case .duration: return ["type": "string"]
        case .plain: break
        }
        switch schema.form {
        case .boolean: return ["type": "boolean"]
        case .number: return ["type": "number", "format": "double"]
        case .integer: return ["type": "integer"]
        case .any: return [:]
        default: return ["type": "string"]
        }
    }

    private mutating func shared(_ name: String, _ schema: JSON) -> JSON {
        all[name] = schema
        return reference(name)
    }

    /// The CRD's own schema with what every object has.
    private mutating func custom(_ kind: Kind) -> JSON {
        var schema: JSON = ["type": "object"]
        if let bytes = kind.openAPI, let parsed = try? JSON(parsing: bytes) { schema = parsed }
        require("meta.v1.ObjectMeta")
        var properties = schema["properties"]?.objectValue ?? [:]
        properties["apiVersion"] = ["type": "string"]
        properties["kind"] = ["type": "string"]
        properties["metadata"] = reference(OpenAPISchemas.metaPrefix + "ObjectMeta")
        schema["properties"] = .object(properties)
        return schema
    }
}
