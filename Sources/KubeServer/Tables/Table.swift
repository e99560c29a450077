package import KubeCore

/// Which part of the object a Table row carries.
package enum IncludeObject: String, Sendable {
    case none = "None"
    case metadata = "Metadata"
    case object = "Object"
}

/// A `meta.k8s.io/v1` Table of the items; `now` (seconds since 1970) turns times into ages.
package func table(
    for kind: Kind,
    items: [KubeObject],
    resourceVersion: String = "",
    continueToken: String? = nil,
    remainingItemCount: Int? = nil,
    includeObject: IncludeObject = .metadata,
    includeColumns: Bool = true,
    apiVersion: String = "meta.k8s.io/v1",
    now: Double
) -> JSON {
    let paths = kind.isCustom ? kind.columns.map { try? JSONPath(column: $0.jsonPath) } : []
    let rows = items.map { object -> JSON in
        let cells =
            kind.isCustom
            ? CustomCells.cells(object, kind.columns, paths, now) : BuiltInCells.cells(object, kind, now)
        var row: [String: JSON] = ["cells": .array(cells)]
        switch includeObject {
        case .none: break
        case .metadata: row["object"] = partialObjectMetadata(object, apiVersion: apiVersion)
        case .object: row["object"] = object.json
        }
        return .object(row)
    }
    let columns: [JSON] = includeColumns ? kind.columns.map(\.json) : []
    return [
        "kind": "Table", "apiVersion": .string(apiVersion),
        "metadata": listMetadata(resourceVersion, continueToken, remainingItemCount),
        "columnDefinitions": .array(columns), "rows": .array(rows),
    ]
}

/// The `PartialObjectMetadata` of an object.
package func partialObjectMetadata(_ object: KubeObject, apiVersion: String = "meta.k8s.io/v1") -> JSON {
    ["kind": "PartialObjectMetadata", "apiVersion": .string(apiVersion), "metadata": object["metadata"] ?? [:]]
}

/// The `PartialObjectMetadataList` of a page.
package func partialObjectMetadataList(_ list: KubeList, apiVersion: String = "meta.k8s.io/v1") -> JSON {
    [
        "kind": "PartialObjectMetadataList", "apiVersion": .string(apiVersion),
        "metadata": listMetadata(list.resourceVersion, list.continueToken, list.remainingItemCount),
        "items": .array(list.items.map { partialObjectMetadata($0, apiVersion: apiVersion) }),
    ]
}

private func listMetadata(_ resourceVersion: String, _ continueToken: String?, _ remaining: Int?) -> JSON {
    var metadata: [String: JSON] = [:]
    if !resourceVersion.isEmpty { metadata["resourceVersion"] = .string(resourceVersion) }
    if let continueToken { metadata["continue"] = .string(continueToken) }
    if let remaining { metadata["remainingItemCount"] = JSON(remaining) }
    return .object(metadata)
}

extension Kind.Column {
    fileprivate var json: JSON {
        let text =
            description.isEmpty
            ? (jsonPath.isEmpty ? name : "Custom resource definition column (in JSONPath format): \(jsonPath)")
            : description
        return [
            "name": .string(name), "type": .string(type), "format": .string(format), "description": .string(text),
            "priority": JSON(priority),
        ]
    }
}

/// Cells of custom resources, by JSONPath.
enum CustomCells {
    static func cells(_ object: KubeObject, _ columns: [Kind.Column], _ paths: [JSONPath?], _ now: Double) -> [JSON] {
        zip(columns, paths).map { column, path in
            if column.jsonPath.isEmpty { return .string(object.name) }
            let values = path?.values(object.json) ?? []
            guard let first = values.first else { return .null }
            switch (column.type, first) {
            case ("string", _): return .string(values.map(text).joined(separator: " "))
            case ("integer", .int), ("number", .int), ("number", .double), ("boolean", .bool): return first
            case ("integer", .double(let number)): return Int64(exactly: number.rounded()).map(JSON.int) ?? .null
            case ("date", .string(let time)):
                return Timestamp.seconds(time).map { .string(Timestamp.age(seconds: now - $0)) } ?? "<invalid>"
            default: return .null
            }
        }
    }

    private static func text(_ value: JSON) -> String {
        if value.isNull { return "<nil>" }
        return value.stringValue ?? value.text
    }
}
