internal import KubeCore
internal import KubeStore

/// Which objects a list or watch wants, compiled from its selectors.
struct Selection: Sendable {
    let labels: LabelSelector
    let fields: FieldSelector
    private let resource: Resource

    /// - Throws: 400 for selectors that cannot be read or name fields the kind does not offer.
    init(_ resource: Resource, labelSelector: String?, fieldSelector: String?) throws(APIError) {
        self.resource = resource
        do {
            labels = try LabelSelector(parsing: labelSelector ?? "")
            fields = try FieldSelector(parsing: fieldSelector ?? "")
        } catch {
            throw APIError.badRequest(error.message)
        }
        let known = resource.kind.selectableFields
        for requirement in fields.requirements {
            let field = requirement.field
            if field == "metadata.name" || field == "metadata.namespace" || known.contains(field) { continue }
            throw APIError.badRequest(
                known.isEmpty && !resource.kind.isCustom
                    ? "\"\(field)\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    : "field label not supported: \(field)"
            )
        }
    }

    var isEverything: Bool { labels.isEmpty && fields.isEmpty }

    /// The one name that can match, when the selector says so.
    var name: String? { fields.requiredValue("metadata.name") }
    var namespace: String? { fields.requiredValue("metadata.namespace") }

    func matches(_ object: StoredObject) -> Bool {
        if !labels.isEmpty, !labels.matches(object.labels) { return false }
        if fields.isEmpty { return true }
        return fields.matches { field in
            switch field {
            case "metadata.name": return object.name
            case "metadata.namespace": return object.namespace
            default:
                if case .event = resource.conversion {
                    return resource.kind.selectableValue(field, of: resource.conversion.present(object).json)
                }
                guard let position = resource.index.names.firstIndex(of: field) else { return "" }
                let values = object.fields(resource.index)
                return values.indices.contains(position) ? values[position] : ""
            }
        }
    }
}
