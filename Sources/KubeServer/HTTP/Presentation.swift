internal import Foundation
internal import KubeCore
internal import NIOHTTP1

/// Turns objects into the form that the client asked for.
struct Presentation: Sendable {
    let kind: Kind
    let choice: MediaType.Choice
    let includeObject: IncludeObject

    init(kind: Kind, request: ServerRequest) throws(APIError) {
        self.kind = kind
        choice = try MediaType.choose(accept: request.headers["Accept"]) { shape in
            switch shape {
            case .object, .table, .partialMetadata, .partialMetadataList: true
            case .discovery: false
            }
        }
        let text = request.query.text("includeObject") ?? IncludeObject.metadata.rawValue
        guard let include = IncludeObject(rawValue: text) else {
            throw APIError.badRequest(
                "unrecognized includeObject value: \"\(text)\" (must be None, Metadata or Object)"
            )
        }
        includeObject = include
    }

    static var now: Double { Date().timeIntervalSince1970 }

    /// The object's own bytes will do.
    var isPlainJSON: Bool { choice.format == .json && choice.shape == .object }

    var contentType: String {
        let base = choice.format.contentType
        return switch choice.shape {
        case .object, .discovery: base
        case .table(let apiVersion): base + ";as=Table" + Self.parameters(apiVersion)
        case .partialMetadata(let apiVersion): base + ";as=PartialObjectMetadata" + Self.parameters(apiVersion)
        case .partialMetadataList(let apiVersion): base + ";as=PartialObjectMetadataList" + Self.parameters(apiVersion)
        }
    }

    private static func parameters(_ apiVersion: String) -> String {
        let parts = apiVersion.split(separator: "/")
        return parts.count == 2 ? ";g=\(parts[0]);v=\(parts[1])" : ""
    }

    /// One object; that of a subresource is of another kind than the table's columns.
    func object(_ object: KubeObject, isSubresource: Bool = false, includeColumns: Bool = true) -> JSON {
        switch choice.shape {
        case .object, .discovery: object.json
        case .table(let apiVersion):
            isSubresource || object.kind != kind.type.kind
                ? object.json
                : table(
                    for: kind,
                    items: [object],
                    resourceVersion: object.resourceVersion ?? "",
                    includeObject: includeObject,
                    includeColumns: includeColumns,
                    apiVersion: apiVersion,
                    now: Self.now
                )
        case .partialMetadata(let apiVersion), .partialMetadataList(let apiVersion):
            partialObjectMetadata(object, apiVersion: apiVersion)
        }
    }

    func list(_ list: KubeList) -> JSON {
        switch choice.shape {
        case .object, .discovery: .null
        case .table(let apiVersion):
            table(
                for: kind,
                items: list.items,
                resourceVersion: list.resourceVersion,
                continueToken: list.continueToken,
                remainingItemCount: list.remainingItemCount,
                includeObject: includeObject,
                apiVersion: apiVersion,
                now: Self.now
            )
        case .partialMetadata(let apiVersion), .partialMetadataList(let apiVersion):
            partialObjectMetadataList(list, apiVersion: apiVersion)
        }
    }

    /// A bookmark carries only its version; in a Table watch it is a Table without rows.
    func bookmark(_ object: KubeObject) -> JSON {
        guard case .table(let apiVersion) = choice.shape else {
            return choice.shape == .object ? object.json : self.object(object)
        }
        var empty = table(
            for: kind,
            items: [],
            includeObject: includeObject,
            includeColumns: false,
            apiVersion: apiVersion,
            now: Self.now
        )
        empty["metadata"] = object["metadata"]
        return empty
    }
}
