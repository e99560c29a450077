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
            name: String,
            number: Int = 0,
            schema: Schema,
            isPointer: Bool = false,
            isRequired: Bool = false,
            isAtomic: Bool = false,
            isInline: Bool = false,
            defaultValue: JSON? = nil,
            patchStrategy: PatchStrategy = [],
            patchMergeKey: String? = nil,
            enumeration: [String] = []
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
    /// `status` is written through its own subresource; only of roots.
    package let hasSeparateStatus: Bool
    /// Value rules of a custom resource's schema; the root holds the whole tree.
    ///
    /// Also marks custom resources.
    let constraint: Constraint?
    /// Defaults that depend on other fields; runs after the static ones.
    let defaulter: Defaulter?

    typealias Defaulter = @Sendable (inout [String: JSON]) -> Void

    /// Assigned once by the builder before the schema is shared: messages refer to each other, also in circles.
    nonisolated(unsafe) private(set) package var fields: [String: Field] = [:]
    nonisolated(unsafe) private(set) var fieldsByNumber: [Int: Field] = [:]
    /// Fields whose default is filled in when they are absent.
    nonisolated(unsafe) private(set) var defaultedFields: [(name: String, value: JSON)] = []

    init(
        form: Form,
        format: Format = .plain,
        name: String? = nil,
        element: Schema? = nil,
        listType: ListType = .atomic,
        mapKeys: [String] = [],
        isAtomic: Bool = false,
        preservesUnknown: Bool = false,
        isEmbeddedResource: Bool = false,
        isNullable: Bool = false,
        hasSeparateStatus: Bool = false,
        constraint: Constraint? = nil,
        defaulter: Defaulter? = nil
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
        self.hasSeparateStatus = hasSeparateStatus
        self.constraint = constraint
        self.defaulter = defaulter
    }

    /// Only for builders, before the schema is shared.
    func setFields(_ list: [Field], defaults: [String: JSON] = [:]) {
        for field in list {
            if field.number > 0 { fieldsByNumber[field.number] = field }
            if field.isInline {
                for inner in field.schema.fields.values {
                    var copy = inner
                    copy.number = 0
                    fields[copy.name] = copy
                }
            } else {
                fields[field.name] = field
            }
        }
        defaultedFields = fields.values.compactMap { field in
            guard let value = defaults[field.name] ?? field.defaultValue else { return nil }
            // The zero of a plain value and its absence are the same upstream.
            let isZero = value == "" || value == false || value == 0
            return isZero && !field.isPointer && constraint == nil ? nil : (field.name, value)
        }.sorted { $0.name < $1.name }
    }

    /// Compiled from a CRD.
    package var isCustom: Bool { constraint != nil }
}

/// Why an OpenAPI schema is no usable structural schema.
package struct SchemaCompileError: Error, Sendable, CustomStringConvertible {
    package var errors: [FieldError]
    package init(_ errors: [FieldError]) { self.errors = errors }
    package var description: String { errors.map(\.description).joined(separator: ", ") }
}
