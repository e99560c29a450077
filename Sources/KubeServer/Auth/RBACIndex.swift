internal import KubeCore

/// All roles and bindings, arranged for the question "what may this user do there".
///
/// Pure state.
struct RBACIndex: Sendable {
    /// One binding of one subject.
    private struct Grant: Sendable, Hashable {
        /// nil = in all namespaces and beyond.
        var namespace: String?
        var roleKind: String
        var roleName: String
        var binding: String
    }

    private var roles: [ObjectKey: [PolicyRule]] = [:]
    private var clusterRoles: [String: ClusterRole] = [:]
    private var resolved: [String: [PolicyRule]] = [:]
    private var bindings: [ObjectKey: KubeObject] = [:]
    private var grants: [String: Set<Grant>] = [:]

    private struct ClusterRole: Sendable {
        var labels: [String: String]
        var rules: [PolicyRule]
        /// Selectors of aggregated roles; nil when the rules are its own.
        var aggregation: [JSON]?
    }

    init() {}

    /// What is held of one of the four kinds.
    func keys(of type: ResourceType) -> [ObjectKey] {
        switch type {
        case .roles: Array(roles.keys)
        case .clusterRoles: clusterRoles.keys.map { ObjectKey(name: $0) }
        case .roleBindings: bindings.keys.filter { $0.namespace != nil }
        default: bindings.keys.filter { $0.namespace == nil }
        }
    }

    mutating func setRole(_ key: ObjectKey, _ role: KubeObject?) {
        roles[key] = role.map(PolicyRule.rules(of:))
    }

    mutating func setClusterRole(_ name: String, _ role: KubeObject?) {
        clusterRoles[name] = role.map {
            ClusterRole(
                labels: $0.labels,
                rules: PolicyRule.rules(of: $0),
                aggregation: $0["aggregationRule", "clusterRoleSelectors"]?.arrayValue
            )
        }
        resolved = [:]
        for (name, role) in clusterRoles where role.aggregation != nil { resolved[name] = aggregate(name, role) }
    }

    /// `key.namespace` is nil for a ClusterRoleBinding.
    mutating func setBinding(_ key: ObjectKey, _ binding: KubeObject?) {
        if let old = bindings[key] {
            for (subject, grant) in Self.grants(of: old) { grants[subject]?.remove(grant) }
        }
        bindings[key] = binding
        guard let binding else { return }
        for (subject, grant) in Self.grants(of: binding) { grants[subject, default: []].insert(grant) }
    }

    private static func grants(of binding: KubeObject) -> [(String, Grant)] {
        let grant = Grant(
            namespace: binding.namespace,
            roleKind: binding["roleRef", "kind"]?.stringValue ?? "",
            roleName: binding["roleRef", "name"]?.stringValue ?? "",
            binding: binding.name
        )
        return (binding["subjects"]?.arrayValue ?? []).compactMap { subject in
            guard let name = subject["name"]?.stringValue else { return nil }
            switch subject["kind"]?.stringValue {
            case "User": return ("user:" + name, grant)
            case "Group": return ("group:" + name, grant)
            case "ServiceAccount":
                guard let namespace = subject["namespace"]?.stringValue ?? binding.namespace else { return nil }
                return ("user:system:serviceaccount:\(namespace):\(name)", grant)
            default: return nil
            }
        }
    }

    /// The rules of a role; nil when it does not exist.
    func rules(ofRole kind: String, name: String, namespace: String?) -> [PolicyRule]? {
        if kind == "ClusterRole" { return resolved[name] ?? clusterRoles[name]?.rules }
        return roles[ObjectKey(namespace: namespace, name: name)]
    }

    /// The rules that an aggregated role gets from the roles it selects.
    func aggregatedRules(_ name: String) -> [PolicyRule]? { resolved[name] }

    var aggregatedNames: [String] { resolved.keys.sorted() }

    private func aggregate(_ name: String, _ role: ClusterRole) -> [PolicyRule] {
        var rules: [PolicyRule] = []
        var seen: Set<PolicyRule> = []
        var selected: Set<String> = []
        func visit(_ role: ClusterRole, from name: String) {
            for selector in role.aggregation ?? [] {
                for (other, candidate) in clusterRoles.sorted(by: { $0.key < $1.key })
                where other != name && Self.selects(selector, candidate.labels) && selected.insert(other).inserted {
                    for rule in candidate.aggregation == nil ? candidate.rules : []
                    where seen.insert(rule).inserted { rules.append(rule) }
                    if candidate.aggregation != nil { visit(candidate, from: other) }
                }
            }
        }
        visit(role, from: name)
        return rules
    }

    /// `metav1.LabelSelector` against labels.
    private static func selects(_ selector: JSON, _ labels: [String: String]) -> Bool {
        for (key, value) in selector["matchLabels"]?.stringMap ?? [:] where labels[key] != value { return false }
        for expression in selector["matchExpressions"]?.arrayValue ?? [] {
            let key = expression["key"]?.stringValue ?? ""
            let values = expression["values"]?.stringArray ?? []
            let holds =
                switch expression["operator"]?.stringValue {
                case "In": labels[key].map(values.contains) ?? false
                case "NotIn": !(labels[key].map(values.contains) ?? false)
                case "Exists": labels[key] != nil
                case "DoesNotExist": labels[key] == nil
                default: false
                }
            if !holds { return false }
        }
        return true
    }

    /// Calls `body` with every rule that applies to the user in the namespace (empty: cluster scope) until it returns false.
    ///
    /// - Returns: what kept rules from being read, such as a role that does not exist.
    @discardableResult
    func visitRules(
        of user: RequestUser,
        namespace: String,
        _ body: (_ rules: [PolicyRule]) -> Bool
    ) -> [String] {
        var problems: [String] = []
        let subjects = ["user:" + user.name] + user.groups.map { "group:" + $0 }
        for subject in subjects {
            for grant in grants[subject] ?? []
            where grant.namespace == nil || (!namespace.isEmpty && grant.namespace == namespace) {
                guard let rules = rules(ofRole: grant.roleKind, name: grant.roleName, namespace: grant.namespace) else {
                    let kind = grant.roleKind == "ClusterRole" ? "clusterrole" : "role"
                    problems.append("\(kind).rbac.authorization.k8s.io \"\(grant.roleName)\" not found")
                    continue
                }
                if !body(rules) { return problems }
            }
        }
        return problems
    }

    /// All rules that apply to the user in the namespace.
    func rules(of user: RequestUser, namespace: String) -> (rules: [PolicyRule], problems: [String]) {
        var rules: [PolicyRule] = []
        let problems = visitRules(of: user, namespace: namespace) { found in
            rules += found
            return true
        }
        return (rules, problems)
    }

    /// Whether the user may do it, and why a refusal may be incomplete.
    func decide(_ attributes: AuthorizationAttributes) -> (isAllowed: Bool, problems: [String]) {
        if attributes.user.groups.contains(RequestUser.mastersGroup) { return (true, []) }
        var isAllowed = false
        let problems = visitRules(of: attributes.user, namespace: attributes.namespace) { rules in
            isAllowed = rules.contains { $0.allows(attributes) }
            return !isAllowed
        }
        return (isAllowed, problems)
    }
}
