package import KubeCore

/// One thing that the extension's agent must be allowed to do on a cluster.
package struct ClusterRight: Sendable, Hashable, CustomStringConvertible {
    package var verb: String
    package var group: String
    package var resource: String
    package var subresource: String
    /// nil = in all namespaces, or for kinds without one.
    package var namespace: String?

    package init(_ verb: String, _ resource: String, group: String = "", namespace: String? = nil) {
        self.verb = verb
        self.group = group
        let parts = resource.split(separator: "/", maxSplits: 1).map(String.init)
        self.resource = parts.first ?? resource
        subresource = parts.count > 1 ? parts[1] : ""
        self.namespace = namespace
    }

    /// `create deployments.apps in namespace azureml`.
    package var description: String {
        let name = resource + (subresource.isEmpty ? "" : "/" + subresource) + (group.isEmpty ? "" : "." + group)
        return "\(verb) \(name)" + (namespace.map { " in namespace \($0)" } ?? "")
    }

    /// Every combination in the rules of a Role (with `namespace`) or ClusterRole.
    package static func all(rules: [JSON], namespace: String? = nil) -> [ClusterRight] {
        var rights: [ClusterRight] = []
        for rule in rules where (rule["resourceNames"]?.arrayValue ?? []).isEmpty {
            for group in rule["apiGroups"]?.stringArray ?? [] {
                for resource in rule["resources"]?.stringArray ?? [] {
                    for verb in rule["verbs"]?.stringArray ?? [] {
                        rights.append(ClusterRight(verb, resource, group: group, namespace: namespace))
                    }
                }
            }
        }
        return rights
    }

    /// What installing the extension takes at the least.
    package static let extensionInstallation: [ClusterRight] = {
        let write = ["get", "list", "watch", "create", "patch", "delete"]
        let clusterWide: [(String, String)] = [
            ("", "namespaces"), ("apiextensions.k8s.io", "customresourcedefinitions"),
            ("rbac.authorization.k8s.io", "clusterroles"), ("rbac.authorization.k8s.io", "clusterrolebindings"),
        ]
        let inNamespace: [(String, String)] = [
            ("", "serviceaccounts"), ("", "services"), ("", "secrets"), ("", "configmaps"), ("apps", "deployments"),
            ("apps", "daemonsets"), ("rbac.authorization.k8s.io", "roles"),
            ("rbac.authorization.k8s.io", "rolebindings"), ("policy", "poddisruptionbudgets"),
        ]
        var rights: [ClusterRight] = [ClusterRight("list", "nodes"), ClusterRight("watch", "nodes")]
        for (group, resource) in clusterWide {
            rights += write.map { ClusterRight($0, resource, group: group) }
        }
        for (group, resource) in inNamespace {
            rights += write.map { ClusterRight($0, resource, group: group, namespace: "azureml") }
        }
        for verb in ["get", "list", "watch"] { rights.append(ClusterRight(verb, "pods", namespace: "azureml")) }
        rights.append(ClusterRight("get", "pods/log", namespace: "azureml"))
        for verb in ["get", "update", "delete"] {
            rights.append(ClusterRight(verb, "services/proxy", namespace: "azureml"))
        }
        return rights
    }()
}
