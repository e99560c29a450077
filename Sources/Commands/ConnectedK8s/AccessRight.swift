internal import Extension
internal import KubeCore

/// One thing that a user must be allowed to do.
///
/// Pure.
struct AccessRight: Sendable, Hashable, CustomStringConvertible {
    var verb: String
    var group: String
    var resource: String
    /// nil = everywhere.
    var namespace: String?
    var name: String?

    /// `create deployments.apps in namespace azure-arc`.
    var description: String {
        let what = group.isEmpty ? resource : resource + "." + group
        return verb + " " + what + (name.map { " " + $0 } ?? "") + (namespace.map { " in namespace " + $0 } ?? "")
    }

    /// The question to the API server.
    var review: KubeObject {
        let parts = resource.split(separator: "/", maxSplits: 1).map(String.init)
        var attributes: [String: JSON] = [
            "verb": .string(verb), "group": .string(group), "resource": .string(parts.first ?? resource),
        ]
        if parts.count > 1 { attributes["subresource"] = .string(parts[1]) }
        if let namespace { attributes["namespace"] = .string(namespace) }
        if let name { attributes["name"] = .string(name) }
        return KubeObject([
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": ["resourceAttributes": .object(attributes)],
        ])
    }

    static let everything = AccessRight(verb: "*", group: "*", resource: "*")
    /// Lets a user make roles with rights that the user has not.
    static let escalate = AccessRight(
        verb: "escalate",
        group: ResourceType.clusterRoles.group,
        resource: ResourceType.clusterRoles.plural
    )

    /// For server-side apply of these objects.
    static func applying(_ objects: [RenderedObject]) -> [AccessRight] {
        objects.flatMap { object in
            ["get", "create", "patch"].map { right($0, object.type, object.object.namespace) }
        }
    }

    /// For taking these objects away.
    static func deleting(_ objects: [RenderedObject]) -> [AccessRight] {
        objects.flatMap { object in ["get", "delete"].map { right($0, object.type, object.object.namespace) } }
    }

    /// What the agent is given must be had by whoever gives it.
    static func granting(_ rules: [AgentRule]) -> [AccessRight] {
        var rights: [AccessRight] = []
        for rule in rules {
            for group in rule.groups {
                for resource in rule.resources {
                    for verb in rule.verbs {
                        let names: [String?] = rule.names.isEmpty ? [nil] : rule.names
                        rights += names.map {
                            AccessRight(verb: verb, group: group, resource: resource, namespace: nil, name: $0)
                        }
                    }
                }
            }
        }
        return rights
    }

    /// Without repetitions, in order.
    static func distinct(_ rights: [AccessRight]) -> [AccessRight] {
        var seen: Set<AccessRight> = []
        return rights.filter { seen.insert($0).inserted }
    }

    /// `create, patch deployments.apps in namespace azure-arc`: one text for all verbs of a resource.
    static func texts(_ rights: [AccessRight]) -> [String] {
        var verbs: [AccessRight: [String]] = [:]
        var order: [AccessRight] = []
        for right in distinct(rights) {
            var key = right
            key.verb = ""
            if verbs[key] == nil { order.append(key) }
            verbs[key, default: []].append(right.verb)
        }
        return order.map { key in
            var text = key
            text.verb = verbs[key]?.joined(separator: ", ") ?? ""
            return text.description
        }
    }

    private static func right(_ verb: String, _ type: ResourceType, _ namespace: String?) -> AccessRight {
        AccessRight(verb: verb, group: type.group, resource: type.plural, namespace: namespace)
    }
}

/// One rule of a role; this module has a `Component` of its own.
typealias AgentRule = Extension.Component.Rule
