/// A kind of object as the API names it: group, version, plural and kind.
package struct ResourceType: Sendable, Hashable, CustomStringConvertible {
    /// Empty for the core group.
    package var group: String
    package var version: String
    /// Lower-case plural, as in addresses.
    package var plural: String
    package var kind: String
    package var isNamespaced: Bool

    package init(group: String, version: String, plural: String, kind: String, isNamespaced: Bool = true) {
        self.group = group
        self.version = version
        self.plural = plural
        self.kind = kind
        self.isNamespaced = isNamespaced
    }

    /// `v1` or `apps/v1`.
    package var apiVersion: String { group.isEmpty ? version : group + "/" + version }

    /// `deployments.apps`, or `pods` in the core group.
    package var groupResource: String { group.isEmpty ? plural : plural + "." + group }

    /// `/api/v1` or `/apps/apps/v1`.
    package var groupVersionPath: String { group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)" }

    package var description: String { groupResource }

    /// Path of the collection, or of one object in it.
    package func path(namespace: String?, name: String? = nil, subresource: String? = nil) -> String {
        var path = groupVersionPath
        if isNamespaced, let namespace { path += "/namespaces/" + namespace }
        path += "/" + plural
        if let name { path += "/" + name }
        if let subresource { path += "/" + subresource }
        return path
    }
}

extension ResourceType {
    package static let bindings = ResourceType(group: "", version: "v1", plural: "bindings", kind: "Binding")
    package static let configMaps = ResourceType(group: "", version: "v1", plural: "configmaps", kind: "ConfigMap")
    package static let endpoints = ResourceType(group: "", version: "v1", plural: "endpoints", kind: "Endpoints")
    package static let events = ResourceType(group: "", version: "v1", plural: "events", kind: "Event")
    package static let namespaces = ResourceType(
        group: "",
        version: "v1",
        plural: "namespaces",
        kind: "Namespace",
        isNamespaced: false
    )
    package static let nodes = ResourceType(
        group: "",
        version: "v1",
        plural: "nodes",
        kind: "Node",
        isNamespaced: false
    )
    package static let persistentVolumeClaims = ResourceType(
        group: "",
        version: "v1",
        plural: "persistentvolumeclaims",
        kind: "PersistentVolumeClaim"
    )
    package static let pods = ResourceType(group: "", version: "v1", plural: "pods", kind: "Pod")
    package static let secrets = ResourceType(group: "", version: "v1", plural: "secrets", kind: "Secret")
    package static let services = ResourceType(group: "", version: "v1", plural: "services", kind: "Service")
    package static let serviceAccounts = ResourceType(
        group: "",
        version: "v1",
        plural: "serviceaccounts",
        kind: "ServiceAccount"
    )
    package static let daemonSets = ResourceType(group: "apps", version: "v1", plural: "daemonsets", kind: "DaemonSet")
    package static let deployments = ResourceType(
        group: "apps",
        version: "v1",
        plural: "deployments",
        kind: "Deployment"
    )
    package static let replicaSets = ResourceType(
        group: "apps",
        version: "v1",
        plural: "replicasets",
        kind: "ReplicaSet"
    )
    package static let statefulSets = ResourceType(
        group: "apps",
        version: "v1",
        plural: "statefulsets",
        kind: "StatefulSet"
    )
    package static let controllerRevisions = ResourceType(
        group: "apps",
        version: "v1",
        plural: "controllerrevisions",
        kind: "ControllerRevision"
    )
    package static let jobs = ResourceType(group: "batch", version: "v1", plural: "jobs", kind: "Job")
    package static let cronJobs = ResourceType(group: "batch", version: "v1", plural: "cronjobs", kind: "CronJob")
    package static let leases = ResourceType(
        group: "coordination.k8s.io",
        version: "v1",
        plural: "leases",
        kind: "Lease"
    )
    package static let endpointSlices = ResourceType(
        group: "discovery.k8s.io",
        version: "v1",
        plural: "endpointslices",
        kind: "EndpointSlice"
    )
    package static let customResourceDefinitions = ResourceType(
        group: "apiextensions.k8s.io",
        version: "v1",
        plural: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
        isNamespaced: false
    )
    package static let roles = ResourceType(
        group: "rbac.authorization.k8s.io",
        version: "v1",
        plural: "roles",
        kind: "Role"
    )
    package static let roleBindings = ResourceType(
        group: "rbac.authorization.k8s.io",
        version: "v1",
        plural: "rolebindings",
        kind: "RoleBinding"
    )
    package static let clusterRoles = ResourceType(
        group: "rbac.authorization.k8s.io",
        version: "v1",
        plural: "clusterroles",
        kind: "ClusterRole",
        isNamespaced: false
    )
    package static let clusterRoleBindings = ResourceType(
        group: "rbac.authorization.k8s.io",
        version: "v1",
        plural: "clusterrolebindings",
        kind: "ClusterRoleBinding",
        isNamespaced: false
    )
    package static let podDisruptionBudgets = ResourceType(
        group: "policy",
        version: "v1",
        plural: "poddisruptionbudgets",
        kind: "PodDisruptionBudget"
    )
    package static let priorityClasses = ResourceType(
        group: "scheduling.k8s.io",
        version: "v1",
        plural: "priorityclasses",
        kind: "PriorityClass",
        isNamespaced: false
    )
}

/// Name of an object within its kind.
package struct ObjectKey: Sendable, Hashable, CustomStringConvertible {
    /// nil for cluster-scoped objects.
    package var namespace: String?
    package var name: String

    package init(namespace: String? = nil, name: String) {
        self.namespace = namespace
        self.name = name
    }

    package var description: String { namespace.map { $0 + "/" + name } ?? name }
}
