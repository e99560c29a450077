internal import KubeCore

/// The roles and bindings that every cluster has.
enum BootstrapRoles {
    /// A ClusterRole and who gets it cluster-wide.
    struct Entry: Sendable {
        var name: String
        var rules: [PolicyRule] = []
        /// Of an aggregated role: the label that the roles it takes in carry.
        var aggregates: String?
        var labels: [String: String] = [:]
        var subjects: [Subject] = []
    }

    enum Subject: Sendable {
        case user(String)
        case group(String)
        case account(String, namespace: String)
    }

    private static let read = ["get", "list", "watch"]
    private static let write = ["create", "delete", "deletecollection", "patch", "update"]
    private static let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]

    static let entries: [Entry] = base + userFacing + components

    private static let base: [Entry] = [
        Entry(
            name: "cluster-admin",
            rules: [PolicyRule(["*"], groups: ["*"], ["*"]), PolicyRule(["*"], urls: ["*"])],
            subjects: [.group("system:masters")]
        ),
        Entry(
            name: "system:discovery",
            rules: [
                PolicyRule(
                    ["get"],
                    urls: [
                        "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
                        "/version", "/version/",
                    ]
                )
            ],
            subjects: [.group("system:authenticated")]
        ),
        Entry(
            name: "system:public-info-viewer",
            rules: [PolicyRule(["get"], urls: ["/healthz", "/livez", "/readyz", "/version", "/version/"])],
            subjects: [.group("system:authenticated"), .group("system:unauthenticated")]
        ),
        Entry(
            name: "system:basic-user",
            rules: [
                PolicyRule(
                    ["create"],
                    groups: ["authorization.k8s.io"],
                    ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
                ),
                PolicyRule(["create"], groups: ["authentication.k8s.io"], ["selfsubjectreviews"]),
            ],
            subjects: [.group("system:authenticated")]
        ),
        Entry(
            name: "system:service-account-issuer-discovery",
            rules: [PolicyRule(["get"], urls: ["/.well-known/openid-configuration", "/openid/v1/jwks"])],
            subjects: [.group("system:serviceaccounts")]
        ),
        Entry(
            name: "system:auth-delegator",
            rules: [
                PolicyRule(["create"], groups: ["authentication.k8s.io"], ["tokenreviews"]),
                PolicyRule(["create"], groups: ["authorization.k8s.io"], ["subjectaccessreviews"]),
            ]
        ),
        Entry(
            name: "system:monitoring",
            rules: [
                PolicyRule(
                    ["get"],
                    urls: [
                        "/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz",
                        "/readyz/*",
                    ]
                )
            ],
            subjects: [.group("system:monitoring")]
        ),
    ]

    private static func aggregated(_ name: String, extra: [String: String] = [:]) -> Entry {
        Entry(name: name, aggregates: "rbac.authorization.k8s.io/aggregate-to-" + name, labels: extra)
    }

    private static let userFacing: [Entry] = [
        aggregated("admin"),
        aggregated("edit", extra: ["rbac.authorization.k8s.io/aggregate-to-admin": "true"]),
        aggregated("view", extra: ["rbac.authorization.k8s.io/aggregate-to-edit": "true"]),
        Entry(
            name: "system:aggregate-to-admin",
            rules: [
                PolicyRule(["create"], groups: ["authorization.k8s.io"], ["localsubjectaccessreviews"]),
                PolicyRule(all, groups: ["rbac.authorization.k8s.io"], ["rolebindings", "roles"]),
            ],
            labels: ["rbac.authorization.k8s.io/aggregate-to-admin": "true"]
        ),
        Entry(
            name: "system:aggregate-to-edit",
            rules: edit,
            labels: ["rbac.authorization.k8s.io/aggregate-to-edit": "true"]
        ),
        Entry(
            name: "system:aggregate-to-view",
            rules: view,
            labels: ["rbac.authorization.k8s.io/aggregate-to-view": "true"]
        ),
    ]

    private static let edit: [PolicyRule] = [
        PolicyRule(read, ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"]),
        PolicyRule(["impersonate"], ["serviceaccounts"]),
        PolicyRule(write, ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"]),
        PolicyRule(["create"], ["pods/eviction"]),
        PolicyRule(
            write,
            [
                "configmaps", "events", "persistentvolumeclaims", "replicationcontrollers",
                "replicationcontrollers/scale",
                "secrets", "serviceaccounts", "services", "services/proxy",
            ]
        ),
        PolicyRule(["create"], ["serviceaccounts/token"]),
        PolicyRule(
            write,
            groups: ["apps"],
            [
                "daemonsets", "deployments", "deployments/rollback", "deployments/scale", "replicasets",
                "replicasets/scale", "statefulsets", "statefulsets/scale",
            ]
        ),
        PolicyRule(write, groups: ["autoscaling"], ["horizontalpodautoscalers"]),
        PolicyRule(write, groups: ["batch"], ["cronjobs", "jobs"]),
        PolicyRule(write, groups: ["policy"], ["poddisruptionbudgets"]),
        PolicyRule(write, groups: ["networking.k8s.io"], ["ingresses", "networkpolicies"]),
        PolicyRule(all, groups: ["coordination.k8s.io"], ["leases"]),
    ]

    private static let view: [PolicyRule] = [
        PolicyRule(
            read,
            [
                "configmaps", "endpoints", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods",
                "replicationcontrollers", "replicationcontrollers/scale", "serviceaccounts", "services",
                "services/status",
            ]
        ),
        PolicyRule(
            read,
            [
                "bindings", "events", "limitranges", "namespaces/status", "pods/log", "pods/status",
                "replicationcontrollers/status", "resourcequotas", "resourcequotas/status",
            ]
        ),
        PolicyRule(read, ["namespaces"]),
        PolicyRule(read, groups: ["discovery.k8s.io"], ["endpointslices"]),
        PolicyRule(
            read,
            groups: ["apps"],
            [
                "controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale",
                "deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets",
                "statefulsets/scale", "statefulsets/status",
            ]
        ),
        PolicyRule(
            read,
            groups: ["autoscaling"],
            ["horizontalpodautoscalers", "horizontalpodautoscalers/status"]
        ),
        PolicyRule(read, groups: ["batch"], ["cronjobs", "cronjobs/status", "jobs", "jobs/status"]),
        PolicyRule(read, groups: ["policy"], ["poddisruptionbudgets", "poddisruptionbudgets/status"]),
        PolicyRule(
            read,
            groups: ["networking.k8s.io"],
            ["ingresses", "ingresses/status", "networkpolicies"]
        ),
    ]

    private static let components: [Entry] = [
        Entry(
            name: "system:node",
            rules: [
                PolicyRule(["get", "list"], ["services"]),
                PolicyRule(["create", "get", "patch"], ["nodes"]),
                PolicyRule(["get", "patch"], ["nodes/status"]),
                PolicyRule(["delete", "get", "list", "patch", "watch"], ["pods"]),
                PolicyRule(["patch"], ["pods/status"]),
                PolicyRule(["get"], ["configmaps", "secrets", "persistentvolumeclaims", "persistentvolumes"]),
                PolicyRule(["create"], ["serviceaccounts/token"]),
                PolicyRule(["create", "patch"], ["events"]),
            ],
            subjects: [.group("system:nodes")]
        ),
        Entry(
            name: "system:node-proxier",
            rules: [
                PolicyRule(read, ["services", "endpoints"]), PolicyRule(read, ["nodes"]),
                PolicyRule(["create", "patch", "update"], groups: ["", "events.k8s.io"], ["events"]),
                PolicyRule(read, groups: ["discovery.k8s.io"], ["endpointslices"]),
            ],
            subjects: [.user("system:kube-proxy")]
        ),
        Entry(
            name: "system:kube-dns",
            rules: [PolicyRule(["list", "watch"], ["endpoints", "services"])],
            subjects: [.account("kube-dns", namespace: "kube-system")]
        ),
        Entry(
            name: "system:kube-scheduler",
            rules: [
                PolicyRule(["create", "patch", "update"], groups: ["", "events.k8s.io"], ["events"]),
                PolicyRule(["create", "get", "list", "update", "watch"], groups: ["coordination.k8s.io"], ["leases"]),
                PolicyRule(read, ["nodes", "namespaces"]), PolicyRule(["delete", "get", "list", "watch"], ["pods"]),
                PolicyRule(["create"], ["bindings", "pods/binding"]), PolicyRule(["patch", "update"], ["pods/status"]),
                PolicyRule(read, ["replicationcontrollers", "services", "persistentvolumes"]),
                PolicyRule(read + ["patch", "update"], ["persistentvolumeclaims"]),
                PolicyRule(read, groups: ["apps"], ["replicasets", "statefulsets"]),
                PolicyRule(read, groups: ["policy"], ["poddisruptionbudgets"]),
                PolicyRule(read, groups: ["storage.k8s.io"], ["*"]),
            ],
            subjects: [.user("system:kube-scheduler")]
        ),
        Entry(
            name: "system:kube-controller-manager",
            rules: [
                PolicyRule(["create", "patch", "update"], groups: ["", "events.k8s.io"], ["events"]),
                PolicyRule(["create", "get", "update"], groups: ["coordination.k8s.io"], ["leases"]),
                PolicyRule(["create"], ["secrets", "serviceaccounts", "serviceaccounts/token"]),
                PolicyRule(["delete"], ["secrets"]),
                PolicyRule(["get", "update"], ["configmaps", "namespaces", "secrets", "serviceaccounts"]),
                PolicyRule(["create"], groups: ["authentication.k8s.io"], ["tokenreviews"]),
                PolicyRule(["create"], groups: ["authorization.k8s.io"], ["subjectaccessreviews"]),
                PolicyRule(["list", "watch"], groups: ["*"], ["*"]),
            ],
            subjects: [.user("system:kube-controller-manager")]
        ),
        Entry(
            name: "system:kube-aggregator",
            rules: [PolicyRule(read, ["endpoints", "services"])]
        ),
        Entry(
            name: "system:persistent-volume-provisioner",
            rules: [
                PolicyRule(["create", "delete", "get", "list", "watch"], ["persistentvolumes"]),
                PolicyRule(["get", "list", "update", "watch"], ["persistentvolumeclaims"]),
                PolicyRule(read, groups: ["storage.k8s.io"], ["storageclasses"]),
                PolicyRule(["create", "patch", "update", "watch", "list", "get"], ["events"]),
            ]
        ),
    ]
}

extension BootstrapRoles {
    static let nodeLeaseNamespace = "kube-node-lease"

    /// Node agents renew their own leases, and can touch no other component's.
    static let nodeLeases: [(type: ResourceType, object: KubeObject)] = {
        let name = "system:node-leases"
        let group: JSON = "rbac.authorization.k8s.io"
        let rule = PolicyRule(["create", "get", "patch"], groups: ["coordination.k8s.io"], ["leases"])
        let role = KubeObject(.roles, namespace: nodeLeaseNamespace, name: name, body: ["rules": [rule.json]])
        let body: [String: JSON] = [
            "roleRef": ["apiGroup": group, "kind": "Role", "name": .string(name)],
            "subjects": [["kind": "Group", "apiGroup": group, "name": "system:nodes"]],
        ]
        return [
            (.roles, role),
            (.roleBindings, KubeObject(.roleBindings, namespace: nodeLeaseNamespace, name: name, body: body)),
        ]
    }()
}

extension BootstrapRoles.Entry {
    private var bootstrapLabels: [String: String] {
        labels.merging(["kubernetes.io/bootstrapping": "rbac-defaults"]) { own, _ in own }
    }

    var role: KubeObject {
        var body: [String: JSON] = ["rules": .array(rules.map(\.json))]
        if let aggregates {
            body["rules"] = .array([])
            body["aggregationRule"] = ["clusterRoleSelectors": [["matchLabels": [aggregates: "true"]]]]
        }
        return KubeObject(
            .clusterRoles,
            name: name,
            labels: bootstrapLabels,
            annotations: ["rbac.authorization.kubernetes.io/autoupdate": "true"],
            body: body
        )
    }

    /// nil when nobody has the role from the start.
    var binding: KubeObject? {
        guard !subjects.isEmpty else { return nil }
        let list: [JSON] = subjects.map { subject in
            let group: JSON = "rbac.authorization.k8s.io"
            switch subject {
            case .user(let name): return ["kind": "User", "apiGroup": group, "name": .string(name)]
            case .group(let name): return ["kind": "Group", "apiGroup": group, "name": .string(name)]
            case .account(let name, let namespace):
                return ["kind": "ServiceAccount", "name": .string(name), "namespace": .string(namespace)]
            }
        }
        let reference: JSON = [
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(name),
        ]
        return KubeObject(
            .clusterRoleBindings,
            name: name,
            labels: ["kubernetes.io/bootstrapping": "rbac-defaults"],
            annotations: ["rbac.authorization.kubernetes.io/autoupdate": "true"],
            body: ["roleRef": reference, "subjects": .array(list)]
        )
    }
}
