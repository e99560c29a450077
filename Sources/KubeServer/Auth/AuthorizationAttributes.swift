internal import KubeCore

/// What a request wants to do, as rules are compared with it.
struct AuthorizationAttributes: Sendable, Hashable {
    var user: RequestUser
    /// `get`, `list`, `watch`, `create`, …; for other addresses the HTTP method in lower case.
    var verb: String
    var isResource: Bool
    var group = ""
    var version = ""
    var resource = ""
    var subresource = ""
    /// Empty for cluster-scoped resources and all namespaces.
    var namespace = ""
    var name = ""
    var path = ""

    var combinedResource: String { subresource.isEmpty ? resource : resource + "/" + subresource }

    /// The 403 that upstream answers; `detail` follows, such as why a role could not be resolved.
    func forbidden(detail: String = "") -> APIError {
        let suffix = detail.isEmpty ? "" : ": " + detail
        guard isResource else {
            return APIError(
                code: 403,
                reason: .forbidden,
                message: "forbidden: User \"\(user.name)\" cannot \(verb) path \"\(path)\"\(suffix)"
            )
        }
        let target = "resource \"\(combinedResource)\" in API group \"\(group)\""
        let scope = namespace.isEmpty ? "at the cluster scope" : "in the namespace \"\(namespace)\""
        let subject = group.isEmpty ? resource : resource + "." + group
        let quoted = name.isEmpty ? subject : "\(subject) \"\(name)\""
        return APIError(
            code: 403,
            reason: .forbidden,
            message: "\(quoted) is forbidden: User \"\(user.name)\" cannot \(verb) \(target) \(scope)\(suffix)",
            name: name,
            group: group,
            kind: resource
        )
    }
}
