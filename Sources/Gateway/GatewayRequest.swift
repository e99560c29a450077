internal import Foundation
internal import KubeCore
internal import MLTypes

/// What a request asks for.
///
/// Pure: method and target in, request or error out.
enum GatewayRequest: Equatable {
    case resource(Verb, ResourceType, ObjectKey)
    case secret(Verb, ObjectKey)
    case watch
    case cluster
    case namespace(String)
    case pods(namespace: String, labelSelector: String?)
    case log(ObjectKey, container: String?, tailLines: Int?, previous: Bool)

    enum Verb: String {
        case get = "GET"
        case put = "PUT"
        case delete = "DELETE"
    }

    static let resources: [String: ResourceType] = [
        "amljobs": MLResources.amlJobs, "onlineendpoints": MLResources.onlineEndpoints,
        "onlinedeployments": MLResources.onlineDeployments,
    ]

    init(method: String, target: String) throws(APIError) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = (parts.first ?? "").split(separator: "/").map { String($0).removingPercentEncoding ?? String($0) }
        let query = Self.query(parts.count > 1 ? String(parts[1]) : "")
        guard path.first == "v1" else { throw Self.noRoute(target) }
        switch Array(path.dropFirst()) {
        case ["watch"]:
            try Self.allow(method, ["GET"])
            self = .watch
        case ["cluster"]:
            try Self.allow(method, ["GET"])
            self = .cluster
        case let rest where rest.count == 2 && rest[0] == "namespaces":
            try Self.allow(method, ["GET"])
            try Self.checkName(rest[1])
            self = .namespace(rest[1])
        case let rest where rest.count >= 3 && rest[0] == "namespaces":
            self = try Self.namespaced(method, target, namespace: rest[1], Array(rest.dropFirst(2)), query)
        default: throw Self.noRoute(target)
        }
    }

    private static func namespaced(
        _ method: String,
        _ target: String,
        namespace: String,
        _ rest: [String],
        _ query: [String: String]
    ) throws(APIError) -> GatewayRequest {
        try checkName(namespace)
        if rest == ["pods"] {
            try allow(method, ["GET"])
            return .pods(namespace: namespace, labelSelector: query["labelSelector"])
        }
        if rest.count == 3, rest[0] == "pods", rest[2] == "log" {
            try allow(method, ["GET"])
            try checkName(rest[1])
            var tail: Int?
            if let text = query["tailLines"] {
                guard let lines = Int(text), (0...1_000_000).contains(lines) else {
                    throw .badRequest("tailLines '\(text)' must be a number from 0 to 1000000")
                }
                tail = lines
            }
            return .log(
                ObjectKey(namespace: namespace, name: rest[1]),
                container: query["container"],
                tailLines: tail,
                previous: query["previous"] == "true" || query["previous"] == "1"
            )
        }
        guard rest.count == 2 else { throw noRoute(target) }
        try checkName(rest[1])
        let key = ObjectKey(namespace: namespace, name: rest[1])
        if rest[0] == "secrets" {
            // Secrets go in and never come out.
            return .secret(try allow(method, ["PUT", "DELETE"]), key)
        }
        guard let type = resources[rest[0]] else { throw noRoute(target) }
        return .resource(try allow(method, ["GET", "PUT", "DELETE"]), type, key)
    }

    @discardableResult
    private static func allow(_ method: String, _ methods: [String]) throws(APIError) -> Verb {
        guard methods.contains(method), let verb = Verb(rawValue: method) else {
            throw APIError(
                code: 405,
                reason: .methodNotAllowed,
                message: "\(method) is not allowed here; use \(methods.joined(separator: ", "))"
            )
        }
        return verb
    }

    private static func checkName(_ name: String) throws(APIError) {
        let isName = name.wholeMatch(of: /[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/) != nil
        guard isName else { throw .badRequest("'\(name)' is no object name") }
    }

    private static func noRoute(_ target: String) -> APIError {
        APIError(code: 404, reason: .notFound, message: "the gateway has no route \(target.prefix(200))")
    }

    private static func query(_ text: String) -> [String: String] {
        var values: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? String(parts[1]).replacing("+", with: " ") : ""
            values[String(parts[0])] = value.removingPercentEncoding ?? value
        }
        return values
    }
}
