internal import Foundation
internal import KubeCore

/// One webhook of a stored configuration, ready to be matched.
struct Webhook: Sendable {
    /// Where it is called.
    enum Client: Sendable, Hashable {
        case url(String)
        case service(namespace: String, name: String, path: String, port: Int)
    }

    struct Rule: Sendable, Hashable {
        var operations: [String]
        var apiGroups: [String]
        var apiVersions: [String]
        var resources: [String]
        var scope: String
    }

    /// Unique among all configurations: kind, configuration and place.
    var id: String
    var name: String
    var client: Client
    /// PEM; empty: the machine's own authorities.
    var authorities: String
    var rules: [Rule]
    var ignoresFailure: Bool
    var matchesEquivalent: Bool
    var namespaceSelector: LabelSelector
    var objectSelector: LabelSelector
    var conditions: [MatchCondition]
    var timeoutSeconds: Int
    var hasSideEffects: Bool
    var isReinvoked: Bool
    /// The newest version of the review that it takes and that the server knows.
    var reviewVersion: String

    /// nil for one that was stored before it could have been checked.
    init?(_ json: JSON, id: String) {
        self.id = id
        name = json["name"]?.stringValue ?? ""
        let config = json["clientConfig"]
        if let url = config?["url"]?.stringValue, !url.isEmpty {
            client = .url(url)
        } else if let service = config?["service"], let name = service["name"]?.stringValue {
            client = .service(
                namespace: service["namespace"]?.stringValue ?? "",
                name: name,
                path: service["path"]?.stringValue ?? "",
                port: service["port"]?.intValue ?? 443
            )
        } else {
            return nil
        }
        authorities =
            (config?["caBundle"]?.stringValue).flatMap { Data(base64Encoded: $0) }
            .map { String(decoding: $0, as: UTF8.self) } ?? ""
        rules = (json["rules"]?.arrayValue ?? []).map { rule in
            Rule(
                operations: rule["operations"]?.stringArray ?? [],
                apiGroups: rule["apiGroups"]?.stringArray ?? [],
                apiVersions: rule["apiVersions"]?.stringArray ?? [],
                resources: rule["resources"]?.stringArray ?? [],
                scope: rule["scope"]?.stringValue ?? "*"
            )
        }
        ignoresFailure = json["failurePolicy"]?.stringValue == "Ignore"
        matchesEquivalent = json["matchPolicy"]?.stringValue != "Exact"
        guard let namespaces = try? LabelSelector(json["namespaceSelector"] ?? [:]),
            let objects = try? LabelSelector(json["objectSelector"] ?? [:])
        else { return nil }
        namespaceSelector = namespaces
        objectSelector = objects
        var problems: [FieldError] = []
        conditions = (json["matchConditions"]?.arrayValue ?? []).compactMap {
            MatchCondition($0, path: "", errors: &problems)
        }
        if !problems.isEmpty { return nil }
        timeoutSeconds = json["timeoutSeconds"]?.intValue ?? 10
        hasSideEffects = !["None", "NoneOnDryRun"].contains(json["sideEffects"]?.stringValue ?? "")
        isReinvoked = json["reinvocationPolicy"]?.stringValue == "IfNeeded"
        let versions = json["admissionReviewVersions"]?.stringArray ?? []
        reviewVersion = versions.first { ["v1", "v1beta1"].contains($0) } ?? "v1"
    }
}

extension Webhook.Rule {
    /// Whether the rule is about this operation on this resource.
    func matches(
        operation: String,
        type: ResourceType,
        subresource: String?,
        namespace: String?
    ) -> Bool {
        guard Self.has(operations, operation), Self.has(apiGroups, type.group), Self.has(apiVersions, type.version)
        else {
            return false
        }
        // A Namespace counts as cluster-scoped although its requests name a namespace.
        let isNamespaced = type != .namespaces && !(namespace ?? "").isEmpty
        switch scope {
        case "Namespaced": if !isNamespaced { return false }
        case "Cluster": if isNamespaced { return false }
        default: break
        }
        return resources.contains { text in
            let parts = text.split(separator: "/", maxSplits: 1)
            let resource = parts.first ?? ""
            let wanted = parts.count > 1 ? parts[1] : ""
            return (resource == "*" || resource == type.plural) && (wanted == "*" || wanted == subresource ?? "")
        }
    }

    private static func has(_ list: [String], _ value: String) -> Bool { list.contains { $0 == "*" || $0 == value } }
}

/// One `matchConditions` entry.
struct MatchCondition: Sendable {
    let name: String
    private let expression: CELExpression

    /// nil after adding to `errors` what keeps it from being compiled.
    init?(_ json: JSON, path: String, errors: inout [FieldError]) {
        name = json["name"]?.stringValue ?? ""
        let text = json["expression"]?.stringValue ?? ""
        if name.isEmpty { errors.append(FieldError(path + ".name", .required)) }
        guard text.contains(where: { !$0.isWhitespace }) else {
            errors.append(FieldError(path + ".expression", .required))
            return nil
        }
        do throws(CELSyntaxError) {
            var parser = try CELParser(text, variables: ["object", "oldObject", "request"])
            expression = try parser.parse()
        } catch {
            errors.append(
                FieldError(
                    path + ".expression",
                    .invalid,
                    "compilation failed: ERROR: <input>: \(error.message)",
                    badValue: .string(text)
                )
            )
            return nil
        }
    }

    /// - Throws: `CELError` when the expression has no value.
    func holds(_ variables: [String: CELValue]) throws(CELError) -> Bool {
        var evaluator = CELEvaluator(variables)
        guard case .bool(let value) = try evaluator.evaluate(expression) else {
            throw CELError(message: "must evaluate to bool")
        }
        return value
    }
}
