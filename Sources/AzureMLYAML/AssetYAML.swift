internal import Foundation
package import KubeCore

/// A model's or data asset's file, checked.
package struct AssetYAML: Sendable, Hashable {
    package enum Kind: String, Sendable {
        case model
        case data
    }

    package var kind: Kind
    package var name: String
    package var version: String?
    package var type: String
    package var path: AssetReference
    package var description: String?
    package var tags: [String: String]
    package var properties: [String: String]

    package init(
        kind: Kind,
        name: String,
        version: String?,
        type: String,
        path: AssetReference,
        description: String? = nil,
        tags: [String: String] = [:],
        properties: [String: String] = [:]
    ) {
        self.kind = kind
        self.name = name
        self.version = version
        self.type = type
        self.path = path
        self.description = description
        self.tags = tags
        self.properties = properties
    }

    package static func types(of kind: Kind) -> [String] {
        kind == .model
            ? ["custom_model", "mlflow_model", "triton_model"] : ["uri_folder", "uri_file", "mltable"]
    }

    package init(_ document: SpecDocument, kind: Kind) throws(SpecError) {
        var reader = SpecReader(document.root)
        reader.allow([
            "$schema", "name", "version", "type", "path", "description", "tags", "properties", "stage", "flavors",
            "datastore",
        ])
        self.kind = kind
        name = reader.requiredString("name")
        version = reader.string("version")
        type = reader.choice("type", among: Self.types(of: kind)) ?? Self.types(of: kind)[0]
        path = AssetReference(reader.requiredString("path"), folder: document.folder)
        description = reader.string("description")
        tags = reader.stringMap("tags") ?? [:]
        properties = reader.stringMap("properties") ?? [:]
        if case .local(let file) = path, !FileManager.default.fileExists(atPath: file) {
            reader.fail("path", .notFound, "there is no file or folder at \(file)")
        }
        guard reader.errors.isEmpty else { throw SpecError(file: document.file, errors: reader.errors) }
    }

    /// Body of the version's PUT.
    package func body(uri: String) -> JSON {
        var members: [String: JSON] = ["tags": JSON(tags), "properties": JSON(properties)]
        if let description { members["description"] = .string(description) }
        members[kind == .model ? "modelUri" : "dataUri"] = .string(uri)
        members[kind == .model ? "modelType" : "dataType"] = .string(type)
        return ["properties": .object(members)]
    }
}

/// A Kubernetes compute's file or flags, checked.
package struct ComputeYAML: Sendable, Hashable {
    package var name: String
    package var resourceID: String
    package var namespace: String
    package var description: String?
    package var properties: JSON?

    package init(_ document: SpecDocument) throws(SpecError) {
        var reader = SpecReader(document.root)
        reader.allow([
            "$schema", "name", "type", "resource_id", "namespace", "properties", "description", "tags", "identity",
            "location",
        ])
        if let type = reader.string("type"), type.lowercased() != "kubernetes" {
            reader.fail("type", .notSupported, "only kubernetes computes can be attached")
        }
        name = reader.requiredString("name")
        resourceID = reader.requiredString("resource_id")
        namespace = reader.string("namespace") ?? "default"
        description = reader.string("description")
        properties = reader["properties"]
        guard reader.errors.isEmpty else { throw SpecError(file: document.file, errors: reader.errors) }
    }
}
