internal import KubeCore

/// One rule of a Role or ClusterRole.
struct PolicyRule: Sendable, Hashable {
    var verbs: [String] = []
    var apiGroups: [String] = []
    var resources: [String] = []
    var resourceNames: [String] = []
    var nonResourceURLs: [String] = []

    init(_ verbs: [String], groups: [String] = [""], _ resources: [String], names: [String] = []) {
        self.verbs = verbs
        apiGroups = groups
        self.resources = resources
        resourceNames = names
    }

    init(_ verbs: [String], urls: [String]) {
        self.verbs = verbs
        nonResourceURLs = urls
    }

    init(_ json: JSON) {
        verbs = json["verbs"]?.stringArray ?? []
        apiGroups = json["apiGroups"]?.stringArray ?? []
        resources = json["resources"]?.stringArray ?? []
        resourceNames = json["resourceNames"]?.stringArray ?? []
        nonResourceURLs = json["nonResourceURLs"]?.stringArray ?? []
    }

    var json: JSON {
        var members: [String: JSON] = ["verbs": JSON(verbs)]
        if !apiGroups.isEmpty { members["apiGroups"] = JSON(apiGroups) }
        if !resources.isEmpty { members["resources"] = JSON(resources) }
        if !resourceNames.isEmpty { members["resourceNames"] = JSON(resourceNames) }
        if !nonResourceURLs.isEmpty { members["nonResourceURLs"] = JSON(nonResourceURLs) }
        return .object(members)
    }

    /// The rules of a Role or ClusterRole object.
    static func rules(of role: KubeObject) -> [PolicyRule] { (role["rules"]?.arrayValue ?? []).map { PolicyRule($0) } }

    func allows(_ attributes: AuthorizationAttributes) -> Bool {
        guard Self.matches(verbs, attributes.verb) else { return false }
        guard attributes.isResource else { return nonResourceURLs.contains { Self.matches(url: $0, attributes.path) } }
        guard Self.matches(apiGroups, attributes.group), allowsResource(attributes) else { return false }
        return resourceNames.isEmpty || resourceNames.contains(attributes.name)
    }

    private func allowsResource(_ attributes: AuthorizationAttributes) -> Bool {
        let combined = attributes.combinedResource
        return resources.contains { resource in
            if resource == "*" || resource == combined { return true }
            return !attributes.subresource.isEmpty && resource == "*/" + attributes.subresource
        }
    }

    private static func matches(_ list: [String], _ value: String) -> Bool {
        list.contains { $0 == "*" || $0 == value }
    }

    /// A trailing star matches the rest.
    static func matches(url pattern: String, _ path: String) -> Bool {
        if pattern == "*" || pattern == path { return true }
        return pattern.hasSuffix("*") && path.hasPrefix(pattern.dropLast())
    }
}

extension PolicyRule {
    /// One permission: the smallest piece of a rule.
    private var pieces: [PolicyRule] {
        var pieces: [PolicyRule] = []
        for verb in verbs {
            for url in nonResourceURLs { pieces.append(PolicyRule([verb], urls: [url])) }
            for group in apiGroups {
                for resource in resources {
                    if resourceNames.isEmpty {
                        pieces.append(PolicyRule([verb], groups: [group], [resource]))
                    } else {
                        for name in resourceNames {
                            pieces.append(PolicyRule([verb], groups: [group], [resource], names: [name]))
                        }
                    }
                }
            }
        }
        return pieces
    }

    /// Whether this rule grants all of `piece`.
    private func covers(_ piece: PolicyRule) -> Bool {
        guard Self.has(verbs, all: piece.verbs) else { return false }
        if let url = piece.nonResourceURLs.first {
            return nonResourceURLs.contains { own in
                own == url || (own.hasSuffix("*") && url.hasPrefix(own.dropLast()))
            }
        }
        guard Self.has(apiGroups, all: piece.apiGroups) else { return false }
        let hasResource = piece.resources.allSatisfy { wanted in
            resources.contains { own in
                if own == "*" || own == wanted { return true }
                guard own.hasPrefix("*/"), let slash = wanted.firstIndex(of: "/") else { return false }
                return own.dropFirst(2) == wanted[wanted.index(after: slash)...]
            }
        }
        guard hasResource else { return false }
        if resourceNames.isEmpty { return true }
        return !piece.resourceNames.isEmpty && piece.resourceNames.allSatisfy(resourceNames.contains)
    }

    private static func has(_ list: [String], all wanted: [String]) -> Bool {
        list.contains("*") || wanted.allSatisfy(list.contains)
    }

    /// What `rules` grant beyond `held`; empty when nothing.
    static func excess(of rules: [PolicyRule], over held: [PolicyRule]) -> [PolicyRule] {
        rules.flatMap(\.pieces).filter { piece in !held.contains { $0.covers(piece) } }
    }

    /// As upstream prints a missing permission: `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}`.
    var refusalText: String {
        func list(_ values: [String]) -> String { "[" + values.map { "\"\($0)\"" }.joined(separator: " ") + "]" }
        var parts: [String] = []
        if !nonResourceURLs.isEmpty { parts.append("NonResourceURLs:" + list(nonResourceURLs)) }
        if !apiGroups.isEmpty { parts.append("APIGroups:" + list(apiGroups)) }
        if !resources.isEmpty { parts.append("Resources:" + list(resources)) }
        if !resourceNames.isEmpty { parts.append("ResourceNames:" + list(resourceNames)) }
        parts.append("Verbs:" + list(verbs))
        return "{" + parts.joined(separator: ", ") + "}"
    }
}
