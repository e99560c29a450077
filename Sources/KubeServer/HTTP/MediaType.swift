internal import KubeCore

/// Content negotiation: which of the forms that a client accepts the server can give.
enum MediaType {
    /// How an answer is written.
    enum Format: Sendable, Hashable {
        case json
        case yaml

        var contentType: String {
            switch self {
            case .json: "application/json"
            case .yaml: "application/yaml"
            }
        }

        func encode(_ json: JSON) -> [UInt8] {
            switch self {
            case .json: json.bytes
            case .yaml: Array(json.yamlBodyText.utf8)
            }
        }
    }

    /// What an answer shows of an object.
    enum Shape: Sendable, Hashable {
        case object
        case table(apiVersion: String)
        case partialMetadata(apiVersion: String)
        case partialMetadataList(apiVersion: String)
        /// Aggregated discovery.
        case discovery(apiVersion: String)
    }

    struct Choice: Sendable, Hashable {
        var format: Format
        var shape: Shape
    }

    /// One clause of an Accept header.
    struct Clause: Sendable, Hashable {
        var type: String
        var parameters: [String: String]
        var quality: Double

        init?(_ text: some StringProtocol) {
            let parts = text.split(separator: ";")
            guard let first = parts.first else { return nil }
            type = first.trimmingSpaces().lowercased()
            guard type.contains("/") else { return nil }
            parameters = [:]
            quality = 1
            for part in parts.dropFirst() {
                let pair = part.split(separator: "=", maxSplits: 1)
                guard pair.count == 2 else { continue }
                let name = pair[0].trimmingSpaces().lowercased()
                let value = pair[1].trimmingSpaces()
                if name == "q" { quality = Double(value) ?? 0 } else { parameters[name] = value }
            }
        }

        /// The format that satisfies this clause; protobuf is never written.
        var format: Format? {
            switch type {
            case "*/*", "application/*", "application/json": .json
            case "application/yaml", "application/x-yaml", "text/yaml": .yaml
            default: nil
            }
        }
    }

    /// Accept clauses, the most wanted first.
    static func clauses(_ header: [String]) -> [Clause] {
        let found = header.joined(separator: ",").split(separator: ",").compactMap { Clause($0) }.filter {
            $0.quality > 0
        }
        return found.enumerated().sorted { ($1.element.quality, $0.offset) < ($0.element.quality, $1.offset) }.map(
            \.element
        )
    }

    /// Picks the first clause that can be satisfied.
    ///
    /// `allows` says whether the address can give a shape. Throws 406.
    static func choose(
        accept header: [String],
        allows: (Shape) -> Bool = { $0 == .object }
    ) throws(APIError) -> Choice {
        let clauses = clauses(header)
        if header.allSatisfy({ $0.trimmingSpaces().isEmpty }) { return Choice(format: .json, shape: .object) }
        for clause in clauses {
            guard let format = clause.format, let shape = shape(clause.parameters), allows(shape) else { continue }
            return Choice(format: format, shape: shape)
        }
        throw APIError(
            code: 406,
            reason: .notAcceptable,
            message: "only the following media types are accepted: application/json, application/yaml"
        )
    }

    private static func shape(_ parameters: [String: String]) -> Shape? {
        guard let kind = parameters["as"] else { return .object }
        let apiVersion = (parameters["g"] ?? "") + "/" + (parameters["v"] ?? "")
        switch (kind, apiVersion) {
        case ("Table", "meta.k8s.io/v1"), ("Table", "meta.k8s.io/v1beta1"): return .table(apiVersion: apiVersion)
        case ("PartialObjectMetadata", "meta.k8s.io/v1"), ("PartialObjectMetadata", "meta.k8s.io/v1beta1"):
            return .partialMetadata(apiVersion: apiVersion)
        case ("PartialObjectMetadataList", "meta.k8s.io/v1"), ("PartialObjectMetadataList", "meta.k8s.io/v1beta1"):
            return .partialMetadataList(apiVersion: apiVersion)
        case ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"),
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2beta1"):
            return .discovery(apiVersion: apiVersion)
        default: return nil
        }
    }
}
