internal import KubeCore
internal import NIOHTTP1

/// What an address and method mean: a resource and a verb, or a path that is none.
struct RequestTarget: Sendable, Hashable {
    var path: String
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; else the method in lower case.
    var verb: String
    var isResource = false
    var group = ""
    var version = ""
    /// Empty for cluster-scoped resources and all namespaces.
    var namespace = ""
    var resource = ""
    var name = ""
    var subresource = ""
    /// What follows the subresource (`proxy/…`).
    var rest = ""

    init(method: HTTPMethod, path: String, query: RequestQuery) {
        self.path = path
        verb = method.rawValue.lowercased()
        var parts = path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard let root = parts.first, parts.count >= 3, root == "api" || root == "apis" else { return }
        if root == "api" {
            version = parts[1]
            parts.removeFirst(2)
        } else {
            guard parts.count >= 4 else { return }
            group = parts[1]
            version = parts[2]
            parts.removeFirst(3)
        }
        isResource = true
        readResource(parts)
        verb = Self.verb(method, name: name)
        if verb == "get", name.isEmpty { verb = "list" }
        if verb == "list", query.flag("watch") ?? false { verb = "watch" }
        if verb == "delete", name.isEmpty { verb = "deletecollection" }
        if verb == "list" || verb == "watch" || verb == "deletecollection", name.isEmpty,
            let selected = Self.selectedName(query)
        {
            // A selection of one object by name is allowed to those who may only touch that object.
            name = selected
            isSelection = true
        }
    }

    /// `name` comes from a field selector, not from the path.
    private(set) var isSelection = false

    private mutating func readResource(_ parts: [String]) {
        var parts = parts[...]
        if parts.first == "namespaces", parts.count >= 2 {
            namespace = parts[parts.startIndex + 1]
            // `namespaces/NAME/status` and `finalize` are about the namespace itself.
            if parts.count > 2, !["status", "finalize"].contains(parts[parts.startIndex + 2]) {
                parts = parts.dropFirst(2)
            }
        }
        resource = parts.first ?? ""
        if parts.count >= 2 { name = parts[parts.startIndex + 1] }
        if parts.count >= 3 { subresource = parts[parts.startIndex + 2] }
        if parts.count >= 4 { rest = parts.dropFirst(3).joined(separator: "/") }
    }

    private static func verb(_ method: HTTPMethod, name: String) -> String {
        switch method {
        case .POST: "create"
        case .GET, .HEAD: "get"
        case .PUT: "update"
        case .PATCH: "patch"
        case .DELETE: "delete"
        default: method.rawValue.lowercased()
        }
    }

    private static func selectedName(_ query: RequestQuery) -> String? {
        guard let selector = query.text("fieldSelector") else { return nil }
        for term in selector.split(separator: ",") {
            for prefix in ["metadata.name==", "metadata.name="] where term.hasPrefix(prefix) {
                let value = String(term.dropFirst(prefix.count))
                return value.isEmpty ? nil : value
            }
        }
        return nil
    }

    /// The namespace for calls on the registry.
    var namespaceOrNil: String? {
        namespace.isEmpty || resource == "namespaces" ? nil : namespace
    }

    /// The name in the path; nil for collections.
    var pathName: String? { name.isEmpty || isSelection ? nil : name }
    var subresourceOrNil: String? { subresource.isEmpty ? nil : subresource }

    func attributes(_ user: RequestUser) -> AuthorizationAttributes {
        AuthorizationAttributes(
            user: user,
            verb: verb,
            isResource: isResource,
            group: group,
            version: version,
            resource: resource,
            subresource: subresource,
            namespace: namespace,
            name: name,
            path: path
        )
    }
}
