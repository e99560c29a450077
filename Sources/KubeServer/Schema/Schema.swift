package import KubeCore

/// The description of one type: fields, lists, maps and scalars, of a built-in kind or compiled from a CRD.
///
/// It drives decoding, defaulting, pruning, validation, the merges and apply ownership. Immutable once built.
package final class Schema: Sendable {
    package enum Form: Sendable, Hashable {
        /// Named fields.
        case object
        /// String keys, values of `element`.
        case map
        /// Elements of `element`.
        case list
        case string, integer, number, boolean
        /// Any JSON.
        case any
    }

    /// What a scalar (or an opaque value) means beyond its JSON type.
    package enum Format: Sendable, Hashable {
        case plain
        case int32, int64
        case bytes
        case time, microTime, duration
        case quantity
        case intOrString
        /// Arbitrary JSON behind a protobuf wrapper.
        case rawExtension, fieldsV1
        /// Any JSON, carried as text in protobuf (`apiextensions.JSON`).
        case rawJSON
        /// A CRD's schema or one of its alternatives (bool or strings).
        case schemaOrBool, schemaOrArray, schemaOrStrings
    }

    /// How server-side apply and validation treat a list.
    package enum ListType: String, Sendable, Hashable {
        case atomic, set, map
    }

    /// How a strategic merge treats a field.
    package struct PatchStrategy: OptionSet, Sendable, Hashable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let merge = PatchStrategy(rawValue: 1)
        package static let retainKeys = PatchStrategy(rawValue: 2)
    }

    /// One named field of an object.
    package struct Field: Sendable {
        package var name: String
        /// Protobuf number; 0 for custom resources.
        package var number: Int
        package var schema: Schema
        /// A pointer upstream: an explicit zero differs from absence.
        package var isPointer: Bool
        package var isRequired: Bool
        /// Owned as one value by server-side apply.
        package var isAtomic: Bool
        /// Embedded in protobuf, spread into the parent in JSON.
        package var isInline: Bool
        package var defaultValue: JSON?
        package var patchStrategy: PatchStrategy
        package var patchMergeKey: String?
        package var enumeration: [String]

        package init(
            name: String, number: Int = 0, schema: Schema, isPointer: Bool = false, isRequired: Bool = false,
            isAtomic: Bool = false, isInline: Bool = false, defaultValue: JSON? = nil,
            patchStrategy: PatchStrategy = [], patchMergeKey: String? = nil, enumeration: [String] = []
        ) {
            self.name = name
            self.number = number
            self.schema = schema
            self.isPointer = isPointer
            self.isRequired = isRequired
            self.isAtomic = isAtomic
            self.isInline = isInline
            self.defaultValue = defaultValue
            self.patchStrategy = patchStrategy
            self.patchMergeKey = patchMergeKey
            self.enumeration = enumeration
        }
    }

    package let form: Form
    package let format: Format
    /// Name of a built-in message (`core.v1.PodSpec`); nil for everything else.
    package let name: String?
    /// Of a map or list.
    package let element: Schema?
    package let listType: ListType
    /// Keys of a list of type `map`.
    package let mapKeys: [String]
    /// Owned as one value by server-side apply.
    package let isAtomic: Bool
    /// Unknown fields are kept.
    package let preservesUnknown: Bool
    /// A complete object with its own apiVersion, kind and metadata.
    package let isEmbeddedResource: Bool
    package let isNullable: Bool
    /// Value rules of a custom resource's schema; the root holds the whole tree.
    let constraint: Constraint?

    /// Assigned once by the builder before the schema is shared: messages refer to each other, also in circles.
    nonisolated(unsafe) private(set) package var fields: [String: Field] = [:]
    nonisolated(unsafe) private var fieldNamesByNumber: [Int: String] = [:]

    init(
        form: Form, format: Format = .plain, name: String? = nil, element: Schema? = nil, listType: ListType = .atomic,
        mapKeys: [String] = [], isAtomic: Bool = false, preservesUnknown: Bool = false,
        isEmbeddedResource: Bool = false, isNullable: Bool = false, constraint: Constraint? = nil
    ) {
        self.form = form
        self.format = format
        self.name = name
        self.element = element
        self.listType = listType
        self.mapKeys = mapKeys
        self.isAtomic = isAtomic
        self.preservesUnknown = preservesUnknown
        self.isEmbeddedResource = isEmbeddedResource
        self.isNullable = isNullable
        self.constraint = constraint
    }

    /// Only for builders, before the schema is shared.
    func setFields(_ list: [Field]) {
        for field in list {
            if !field.isInline { fields[field.name] = field }
            if field.number > 0 { fieldNamesByNumber[field.number] = field.name }
        }
    }

    func field(number: Int) -> Field? {
        fieldNamesByNumber[number].flatMap { fields[$0] }
    }
}

/// Why an OpenAPI schema is no usable structural schema.
package struct SchemaCompileError: Error, Sendable, CustomStringConvertible {
    package var errors: [FieldError]
    package init(_ errors: [FieldError]) { self.errors = errors }
    package var description: String { errors.map(\.description).joined(separator: ", ") }
}
