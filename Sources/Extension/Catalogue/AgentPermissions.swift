/// What the extension's agent may do on a connected cluster: the rules of its ClusterRole.
///
/// Kubernetes lets nobody grant what he does not have. So the agent has, beside what it does itself, what its components do.
/// Upstream's releases bring roles that cannot be known here in full; for exactly their names it may go beyond that.
/// All are cluster-wide, because namespace azureml, where most of it happens, comes and goes with the extension.
package enum AgentPermissions {
    package static let rules: [Component.Rule] = own + kinds + definedKinds + bundles + components

    private static let manage = ["get", "list", "watch", "create", "update", "patch", "delete"]
    private static let purge = ["get", "list", "patch", "delete"]
    private static let rbac = "rbac.authorization.k8s.io"

    /// What its own work needs: to look at the cluster, to say what happens, to find out what it may do.
    static let own: [Component.Rule] = [
        .init("", ["nodes", "pods", "events"], ["get", "list", "watch"]),
        .init("", ["events"], ["create", "patch"]),
        .init("", ["pods/log"], ["get"]),
        .init("coordination.k8s.io", ["leases"], ["get", "create", "update"]),
        .init("authorization.k8s.io", ["selfsubjectaccessreviews"], ["create"]),
        .init("authentication.k8s.io", ["selfsubjectreviews"], ["create"]),
        // To purge an extension is to delete users' jobs and endpoints; those that do not end lose their finalizers.
        .init(ComponentCatalogue.ml, ["amljobs", "onlineendpoints", "onlinedeployments", "instancetypes"], purge),
        .init(ComponentCatalogue.volcanoBatch, ["jobs"], purge),
        .init(ComponentCatalogue.volcanoScheduling, ["podgroups"], purge),
    ]

    /// The kinds it renders.
    static let kinds: [Component.Rule] = [
        .init("", ["namespaces", "serviceaccounts", "services", "configmaps", "secrets"], manage),
        .init("apps", ["deployments", "daemonsets", "statefulsets"], manage),
        .init("batch", ["jobs"], manage),
        .init("policy", ["poddisruptionbudgets"], manage),
        .init(rbac, ["roles", "rolebindings", "clusterroles", "clusterrolebindings"], manage),
        .init("apiextensions.k8s.io", ["customresourcedefinitions"], manage),
        .init(
            "admissionregistration.k8s.io",
            ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
            manage
        ),
        .init(ComponentCatalogue.volcanoScheduling, ["queues"], manage),
        .init("monitoring.coreos.com", ["prometheuses", "podmonitors", "servicemonitors"], manage),
    ]

    /// Kinds that upstream's releases define: their definitions are removed only when nobody's objects go with them.
    static let definedKinds: [Component.Rule] = [
        "batch.volcano.sh", "bus.volcano.sh", "config.volcano.sh", "flow.volcano.sh", "nodeinfo.volcano.sh",
        "scheduling.volcano.sh", "shard.volcano.sh", "topology.volcano.sh", "monitoring.coreos.com",
    ].map { .init($0, ["*"], ["get", "list"]) }

    /// Roles of upstream's releases, by name.
    static let bundles: [Component.Rule] = [
        .init(
            rbac,
            ["clusterroles"],
            ["escalate", "bind"],
            names: ThirdPartyBundle.all.flatMap(\.clusterRoles).map { ThirdPartyTransform.rolePrefix + $0 }
        ),
        .init(rbac, ["roles"], ["escalate", "bind"], names: ThirdPartyBundle.all.flatMap(\.roles)),
    ]

    /// What it grants to components.
    static let components: [Component.Rule] = ComponentCatalogue.all.flatMap { $0.clusterRules + $0.namespaceRules }
        .reduce(into: [Component.Rule]()) { rules, rule in
            if !rules.contains(rule) { rules.append(rule) }
        }

    /// Whether `held` allows everything that `rule` allows, as the API server's escalation check sees it.
    static func covers(_ held: [Component.Rule], _ rule: Component.Rule) -> Bool {
        for group in rule.groups {
            for resource in rule.resources {
                for verb in rule.verbs {
                    let names: [String?] = rule.names.isEmpty ? [nil] : rule.names.map { $0 }
                    for name in names where !allows(held, group, resource, verb, name) { return false }
                }
            }
        }
        return true
    }

    private static func allows(
        _ held: [Component.Rule],
        _ group: String,
        _ resource: String,
        _ verb: String,
        _ name: String?
    ) -> Bool {
        held.contains { rule in
            rule.groups.contains(group) && (rule.resources.contains(resource) || rule.resources == ["*"])
                && rule.verbs.contains(verb)
                && (rule.names.isEmpty || name.map(rule.names.contains) ?? false)
        }
    }
}
