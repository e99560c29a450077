internal import KubeCore

/// Kinds that upstream's releases hold: `apiVersion` and `kind` → the resource that serves them.
struct ObjectKinds {
    private var types: [String: ResourceType] = [:]

    /// The built-in kinds, and those that the CustomResourceDefinitions among `objects` define.
    init(_ objects: [KubeObject] = []) {
        for (group, version, plural, kind, isNamespaced) in Self.builtIn {
            add(group, version, plural, kind, isNamespaced)
        }
        for definition in objects where definition.kind == "CustomResourceDefinition" { add(definition) }
    }

    private mutating func add(
        _ group: String,
        _ version: String,
        _ plural: String,
        _ kind: String,
        _ isNamespaced: Bool
    ) {
        let type = ResourceType(
            group: group,
            version: version,
            plural: plural,
            kind: kind,
            isNamespaced: isNamespaced
        )
        types[type.apiVersion + "/" + kind] = type
    }

    private mutating func add(_ definition: KubeObject) {
        guard let group = definition["spec", "group"]?.stringValue,
            let plural = definition["spec", "names", "plural"]?.stringValue,
            let kind = definition["spec", "names", "kind"]?.stringValue
        else { return }
        let isNamespaced = definition["spec", "scope"]?.stringValue == "Namespaced"
        for version in (definition["spec", "versions"]?.arrayValue ?? []).compactMap({ $0["name"]?.stringValue }) {
            add(group, version, plural, kind, isNamespaced)
        }
    }

    /// nil for a kind that neither Kubernetes nor the release defines.
    func type(of object: KubeObject) -> ResourceType? { types[object.apiVersion + "/" + object.kind] }

    private static let builtIn: [(String, String, String, String, Bool)] = [
        ("", "v1", "namespaces", "Namespace", false), ("", "v1", "serviceaccounts", "ServiceAccount", true),
        ("", "v1", "configmaps", "ConfigMap", true), ("", "v1", "secrets", "Secret", true),
        ("", "v1", "services", "Service", true),
        ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true),
        ("", "v1", "resourcequotas", "ResourceQuota", true), ("", "v1", "limitranges", "LimitRange", true),
        ("apps", "v1", "deployments", "Deployment", true), ("apps", "v1", "daemonsets", "DaemonSet", true),
        ("apps", "v1", "statefulsets", "StatefulSet", true), ("batch", "v1", "jobs", "Job", true),
        ("batch", "v1", "cronjobs", "CronJob", true),
        ("rbac.authorization.k8s.io", "v1", "roles", "Role", true),
        ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true),
        ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false),
        ("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false),
        ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false),
        ("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false),
        (
            "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations",
            "ValidatingWebhookConfiguration", false
        ), ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true),
        ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", false),
        ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true),
        ("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true),
        ("apiregistration.k8s.io", "v1", "apiservices", "APIService", false),
        ("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor", true),
        ("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor", true),
        ("monitoring.coreos.com", "v1", "prometheuses", "Prometheus", true),
    ]
}

extension ResourceType {
    static let prometheuses = ResourceType(
        group: "monitoring.coreos.com",
        version: "v1",
        plural: "prometheuses",
        kind: "Prometheus"
    )
    static let mutatingWebhookConfigurations = ResourceType(
        group: "admissionregistration.k8s.io",
        version: "v1",
        plural: "mutatingwebhookconfigurations",
        kind: "MutatingWebhookConfiguration",
        isNamespaced: false
    )
    static let validatingWebhookConfigurations = ResourceType(
        group: "admissionregistration.k8s.io",
        version: "v1",
        plural: "validatingwebhookconfigurations",
        kind: "ValidatingWebhookConfiguration",
        isNamespaced: false
    )
    static let podMonitors = ResourceType(
        group: "monitoring.coreos.com",
        version: "v1",
        plural: "podmonitors",
        kind: "PodMonitor"
    )
}
