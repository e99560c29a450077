package import KubeCore

/// One kind that the server knows: everything about it that is data.
package struct Kind: Sendable {
    /// One subresource as discovery lists it.
    package struct Subresource: Sendable, Hashable {
        /// The last part of the address: `status`, `scale`, `binding`.
        package var name: String
        /// Of the body; empty group and version mean those of the parent.
        package var group: String
        package var version: String
        package var kind: String
        package var verbs: [String]

        package init(name: String, group: String = "", version: String = "", kind: String, verbs: [String]) {
            self.name = name
            self.group = group
            self.version = version
            self.kind = kind
            self.verbs = verbs
        }
    }

    /// One printer column.
    package struct Column: Sendable, Hashable {
        package var name: String
        /// `string`, `integer`, `number`, `boolean`, `date`.
        package var type: String
        package var format: String
        package var description: String
        package var priority: Int
        /// Of custom resources; empty for built-in kinds, whose cells are computed.
        package var jsonPath: String

        package init(
            name: String,
            type: String = "string",
            format: String = "",
            description: String = "",
            priority: Int = 0,
            jsonPath: String = ""
        ) {
            self.name = name
            self.type = type
            self.format = format
            self.description = description
            self.priority = priority
            self.jsonPath = jsonPath
        }
    }

    /// Where a custom resource keeps what its scale subresource shows (`.spec.replicas`).
    package struct ScalePaths: Sendable, Hashable {
        package var specReplicas: String
        package var statusReplicas: String
        package var labelSelector: String?

        package init(specReplicas: String, statusReplicas: String, labelSelector: String? = nil) {
            self.specReplicas = specReplicas
            self.statusReplicas = statusReplicas
            self.labelSelector = labelSelector
        }
    }

    package var type: ResourceType
    package var singular: String
    package var listKind: String
    package var shortNames: [String] = []
    package var categories: [String] = []
    /// As discovery lists them; reviews have `create` only.
    package var verbs: [String]
    package var subresources: [Subresource] = []
    package var schema: Schema
    /// Field labels that a field selector may name, besides metadata.name and metadata.namespace.
    package var selectableFields: [String] = []
    package var columns: [Column] = []
    /// False for requests that are answered and not kept (`TokenReview`).
    package var isStored = true
    /// Compiled from a CRD.
    package var isCustom = false
    /// PUT of an absent object makes it.
    package var allowsCreateOnUpdate = false
    /// PUT without a resourceVersion is accepted.
    package var allowsUnconditionalUpdate = true
    package var scalePaths: ScalePaths?
    /// The `openAPIV3Schema` of a custom resource as compact JSON, for the OpenAPI documents.
    package var openAPI: [UInt8]?
    /// The version in which objects are kept; equals `type.version` for built-in kinds.
    package var storageVersion: String

    package init(
        type: ResourceType,
        singular: String? = nil,
        listKind: String? = nil,
        verbs: [String],
        schema: Schema
    ) {
        self.type = type
        self.singular = singular ?? type.kind.lowercased()
        self.listKind = listKind ?? type.kind + "List"
        self.verbs = verbs
        self.schema = schema
        self.storageVersion = type.version
    }

    package func subresource(_ name: String) -> Subresource? { subresources.first { $0.name == name } }
    package var hasStatus: Bool { subresource("status") != nil }
    package var hasScale: Bool { subresource("scale") != nil }
}
