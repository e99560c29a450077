internal import KubeCore

/// Keeps users from granting what they do not hold: the check on writes of roles and bindings.
///
/// The HTTP layer sets `current` around a request; in-process callers are not checked.
struct EscalationGuard: Sendable {
    @TaskLocal static var current: EscalationGuard?

    let authorizer: Authorizer

    func check(_ object: KubeObject, old: KubeObject?, type: ResourceType, user: RequestUser) throws(APIError) {
        if user.isMaster { return }
        if type == .roleBindings || type == .clusterRoleBindings {
            try checkBinding(object, old: old, type: type, user: user)
        } else {
            try checkRole(object, old: old, type: type, user: user)
        }
    }

    /// A PUT or apply that makes its object needs the right to create as well.
    ///
    /// - Throws: 403 as a POST would.
    static func checkCreation(_ resource: Resource, namespace: String, name: String) throws(APIError) {
        guard let authorizer = current?.authorizer, let user = RequestScope.current?.user else { return }
        let type = resource.type
        try authorizer.authorize(
            AuthorizationAttributes(
                user: user,
                verb: "create",
                isResource: true,
                group: type.group,
                version: type.version,
                resource: type.plural,
                namespace: namespace,
                name: name
            )
        )
    }

    private func checkRole(
        _ role: KubeObject,
        old: KubeObject?,
        type: ResourceType,
        user: RequestUser
    ) throws(APIError) {
        if let old, old["rules"] == role["rules"], old["aggregationRule"] == role["aggregationRule"] { return }
        if allows("escalate", type, role.namespace, role.name, user) { return }
        var rules = PolicyRule.rules(of: role)
        if role["aggregationRule"] != nil {
            // What it will select is not known yet, so it may become anything.
            rules += [PolicyRule(["*"], groups: ["*"], ["*"]), PolicyRule(["*"], urls: ["*"])]
        }
        try checkRules(rules, object: role, type: type, user: user)
    }

    private func checkBinding(
        _ binding: KubeObject,
        old: KubeObject?,
        type: ResourceType,
        user: RequestUser
    ) throws(APIError) {
        if let old, old["roleRef"] == binding["roleRef"], old["subjects"] == binding["subjects"] { return }
        let kind = binding["roleRef", "kind"]?.stringValue ?? ""
        let name = binding["roleRef", "name"]?.stringValue ?? ""
        let roleType: ResourceType = kind == "ClusterRole" ? .clusterRoles : .roles
        if allows("bind", roleType, binding.namespace, name, user) { return }
        guard let rules = authorizer.snapshot.rules(ofRole: kind, name: name, namespace: binding.namespace) else {
            throw APIError.notFound(roleType, name)
        }
        try checkRules(rules, object: binding, type: type, user: user)
    }

    private func allows(
        _ verb: String,
        _ type: ResourceType,
        _ namespace: String?,
        _ name: String,
        _ user: RequestUser
    ) -> Bool {
        let attributes = AuthorizationAttributes(
            user: user,
            verb: verb,
            isResource: true,
            group: type.group,
            version: type.version,
            resource: type.plural,
            namespace: namespace ?? "",
            name: name
        )
        return authorizer.snapshot.decide(attributes).isAllowed
    }

    private func checkRules(
        _ rules: [PolicyRule],
        object: KubeObject,
        type: ResourceType,
        user: RequestUser
    ) throws(APIError) {
        let held = authorizer.snapshot.rules(of: user, namespace: object.namespace ?? "")
        let excess = PolicyRule.excess(of: rules, over: held.rules)
        if excess.isEmpty { return }
        let groups = user.groups.map { "\"\($0)\"" }.joined(separator: " ")
        let list = excess.prefix(64).map(\.refusalText).joined(separator: "\n")
        let problems = held.problems.isEmpty ? "" : "; resolution errors: [\(held.problems.joined(separator: ", "))]"
        throw APIError(
            code: 403,
            reason: .forbidden,
            message:
                "\(type.groupResource) \"\(object.name)\" is forbidden: user \"\(user.name)\" (groups=[\(groups)]) is "
                + "attempting to grant RBAC permissions not currently held:\n\(list)\(problems)",
            name: object.name,
            group: type.group,
            kind: type.plural
        )
    }
}

extension RoleStrategy {
    func admit(_ object: inout KubeObject, old: KubeObject?, _ context: StrategyContext) async throws {
        try EscalationGuard.current?.check(object, old: old, type: context.type, user: context.user)
    }
}
