internal import KubeCore

/// The operations on kinds.
///
/// Clients look in them for a kind's `x-kubernetes-group-version-kind` and query parameters.
enum OpenAPIPaths {
    private struct Operation {
        var method: String
        var action: String
        var parameters: [String]
        var hasBody: Bool
    }

    private static let operations: [String: Operation] = [
        "get": Operation(method: "get", action: "get", parameters: [], hasBody: false),
        "list": Operation(method: "get", action: "list", parameters: listParameters, hasBody: false),
        "create": Operation(method: "post", action: "post", parameters: writeParameters, hasBody: true),
        "update": Operation(method: "put", action: "put", parameters: writeParameters, hasBody: true),
        "patch": Operation(method: "patch", action: "patch", parameters: writeParameters + ["force"], hasBody: true),
        "delete": Operation(method: "delete", action: "delete", parameters: deleteParameters, hasBody: true),
        "deletecollection": Operation(
            method: "delete",
            action: "deletecollection",
            parameters: listParameters + deleteParameters,
            hasBody: true
        ),
    ]

    private static let writeParameters = ["dryRun", "fieldManager", "fieldValidation"]
    private static let deleteParameters = ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"]
    private static let listParameters = [
        "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
        "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
    ]
    private static let booleans: Set<String> = [
        "allowWatchBookmarks", "force", "orphanDependents", "sendInitialEvents", "watch",
    ]
    private static let integers: Set<String> = ["gracePeriodSeconds", "limit", "timeoutSeconds"]
    private static let mediaTypes = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]
    private static let patchTypes = [
        "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ]

    static func add(_ kind: Kind, schemas: OpenAPISchemas, to paths: inout [String: JSON]) {
        for entry in entries(kind) {
            var item: [String: JSON] = paths[entry.path]?.objectValue ?? [:]
            for verb in entry.verbs {
                guard let operation = operations[verb] else { continue }
                item[operation.method] = version3(operation, entry, kind, schemas)
            }
            item["parameters"] = .array(pathParameters(entry.path, schema: true))
            paths[entry.path] = .object(item)
        }
    }

    static func addVersion2(_ kind: Kind, schemas: OpenAPISchemas, to paths: inout [String: JSON]) {
        for entry in entries(kind) {
            var item: [String: JSON] = paths[entry.path]?.objectValue ?? [:]
            for verb in entry.verbs {
                guard let operation = operations[verb] else { continue }
                item[operation.method] = version2(operation, entry, kind, schemas)
            }
            item["parameters"] = .array(pathParameters(entry.path, schema: false))
            paths[entry.path] = .object(item)
        }
    }

    private struct Entry {
        var path: String
        var verbs: [String]
        /// Of the body and the answer.
        var schema: String
        var groupVersionKind: JSON
        var id: String
    }

    private static func entries(_ kind: Kind) -> [Entry] {
        let type = kind.type
        let name = OpenAPISchemas.name(kind)
        let identity = OpenAPISchemas.groupVersionKind(kind, type.kind)
        let collection = type.path(namespace: type.isNamespaced ? "{namespace}" : nil)
        let object = collection + "/{name}"
        let scope = type.isNamespaced ? "Namespaced" : ""
        var entries = [
            Entry(
                path: collection,
                verbs: kind.verbs.filter { ["list", "create", "deletecollection"].contains($0) },
                schema: name,
                groupVersionKind: identity,
                id: scope + type.kind + "Collection"
            )
        ]
        guard kind.isStored else { return entries }
        entries.append(
            Entry(
                path: object,
                verbs: kind.verbs.filter { ["get", "update", "patch", "delete"].contains($0) },
                schema: name,
                groupVersionKind: identity,
                id: scope + type.kind
            )
        )
        if type.isNamespaced {
            entries.append(
                Entry(
                    path: type.path(namespace: nil),
                    verbs: ["list"],
                    schema: name,
                    groupVersionKind: identity,
                    id: type.kind + "ForAllNamespaces"
                )
            )
        }
        for part in kind.subresources {
            let schema =
                part.group.isEmpty
                ? nil : BuiltInKinds.schema(apiVersion: part.group + "/" + part.version, kind: part.kind)?.name
            let isOther = !part.group.isEmpty
            entries.append(
                Entry(
                    path: object + "/" + part.name,
                    verbs: part.verbs,
                    schema: schema.map(OpenAPISchemas.fullName) ?? name,
                    groupVersionKind: [
                        "group": .string(isOther ? part.group : type.group),
                        "version": .string(isOther ? part.version : type.version), "kind": .string(part.kind),
                    ],
                    id: scope + type.kind + part.name.prefix(1).uppercased() + part.name.dropFirst()
                )
            )
        }
        return entries
    }

    private static func bodySchema(_ operation: Operation, _ entry: Entry, _ schemas: OpenAPISchemas) -> JSON {
        let meta = "io.k8s.apimachinery.pkg.apis.meta.v1."
        switch operation.method {
        case "patch": return schemas.reference(meta + "Patch")
        case "delete": return schemas.reference(meta + "DeleteOptions")
        default: return schemas.reference(entry.schema)
        }
    }

    private static func answerSchema(
        _ operation: Operation,
        _ entry: Entry,
        _ kind: Kind,
        _ schemas: OpenAPISchemas
    ) -> JSON {
        switch operation.action {
        case "list": schemas.reference(OpenAPISchemas.listName(kind))
        case "delete", "deletecollection": schemas.reference("io.k8s.apimachinery.pkg.apis.meta.v1.Status")
        default: schemas.reference(entry.schema)
        }
    }

    private static func parameter(_ name: String, schema: Bool) -> JSON {
        let type: JSON = booleans.contains(name) ? "boolean" : integers.contains(name) ? "integer" : "string"
        if schema { return ["name": .string(name), "in": "query", "schema": ["type": type, "uniqueItems": true]] }
        return ["name": .string(name), "in": "query", "type": type, "uniqueItems": true]
    }

    private static func pathParameters(_ path: String, schema: Bool) -> [JSON] {
        ["namespace", "name"].filter { path.contains("{\($0)}") }.map { name in
            var entry: [String: JSON] = ["name": .string(name), "in": "path", "required": true]
            if schema { entry["schema"] = ["type": "string"] } else { entry["type"] = "string" }
            return .object(entry)
        }
    }

    private static func common(_ operation: Operation, _ entry: Entry, _ kind: Kind, schema: Bool) -> [String: JSON] {
        let group =
            kind.type.group.isEmpty ? "core" : kind.type.group.split(separator: ".").first.map(String.init) ?? ""
        let tag = group + "_" + kind.type.version
        return [
            "tags": [.string(tag)], "operationId": .string(operation.action + "_" + tag + "_" + entry.id),
            "x-kubernetes-action": .string(operation.action), "x-kubernetes-group-version-kind": entry.groupVersionKind,
        ]
    }

    private static func version3(
        _ operation: Operation,
        _ entry: Entry,
        _ kind: Kind,
        _ schemas: OpenAPISchemas
    ) -> JSON {
        var result = common(operation, entry, kind, schema: true)
        if !operation.parameters.isEmpty {
            result["parameters"] = .array(operation.parameters.map { parameter($0, schema: true) })
        }
        func content(_ types: [String], _ schema: JSON) -> JSON {
            .object(Dictionary(types.map { ($0, ["schema": schema]) }) { first, _ in first })
        }
        if operation.hasBody {
            let types = operation.method == "patch" ? patchTypes(kind) : mediaTypes
            result["requestBody"] = [
                "content": content(types, bodySchema(operation, entry, schemas)),
                "required": .bool(operation.method != "delete"),
            ]
        }
        let answer = content(["application/json", "application/yaml"], answerSchema(operation, entry, kind, schemas))
        result["responses"] = [
            "200": ["description": "OK", "content": answer], "401": ["description": "Unauthorized"],
        ]
        return .object(result)
    }

    private static func version2(
        _ operation: Operation,
        _ entry: Entry,
        _ kind: Kind,
        _ schemas: OpenAPISchemas
    ) -> JSON {
        var result = common(operation, entry, kind, schema: false)
        var parameters = operation.parameters.map { parameter($0, schema: false) }
        if operation.hasBody {
            parameters.append([
                "name": "body", "in": "body", "required": .bool(operation.method != "delete"),
                "schema": bodySchema(operation, entry, schemas),
            ])
        }
        result["parameters"] = .array(parameters)
        result["consumes"] = JSON(operation.method == "patch" ? patchTypes(kind) : mediaTypes)
        result["produces"] = ["application/json", "application/yaml"]
        result["responses"] = [
            "200": ["description": "OK", "schema": answerSchema(operation, entry, kind, schemas)],
            "401": ["description": "Unauthorized"],
        ]
        return .object(result)
    }

    /// Custom resources know no strategic merge.
    private static func patchTypes(_ kind: Kind) -> [String] {
        kind.isCustom ? patchTypes.filter { !$0.contains("strategic") } : patchTypes
    }
}
