import KubeCore

/// Small releases of the shape that upstream projects publish, for the transformation.
enum Upstream {
    static let all: [String: [KubeObject]] = [
        "volcano": volcano, "kube-state-metrics": kubeStateMetrics, "prometheus-operator": prometheusOperator,
        "dcgm-exporter": dcgmExporter, "nvidia-device-plugin": devicePlugin,
    ]

    private static func object(
        _ version: String,
        _ kind: String,
        _ metadata: JSON,
        _ body: [String: JSON] = [:]
    )
        -> KubeObject
    {
        KubeObject(
            .object(body.merging(["apiVersion": .string(version), "kind": .string(kind), "metadata": metadata]) { $1 })
        )
    }

    private static func definition(_ group: String, _ plural: String, _ kind: String) -> KubeObject {
        object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            ["name": .string(plural + "." + group), "creationTimestamp": .null],
            [
                "spec": [
                    "group": .string(group), "scope": "Namespaced",
                    "names": ["plural": .string(plural), "kind": .string(kind)],
                    "versions": [
                        [
                            "name": "v1", "served": true, "storage": true,
                            "schema": [
                                "openAPIV3Schema": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
                            ],
                        ]
                    ],
                ],
                "status": ["conditions": []],
            ]
        )
    }

    private static func workload(
        _ kind: String,
        _ namespace: String?,
        _ name: String,
        account: [String: JSON],
        container: [String: JSON],
        pod: [String: JSON] = [:]
    ) -> KubeObject {
        var metadata: [String: JSON] = ["name": .string(name)]
        if let namespace { metadata["namespace"] = .string(namespace) }
        var spec: [String: JSON] = [
            "containers": [.object(container.merging(["name": "main"]) { $1 })]
        ]
        spec.merge(account) { $1 }
        spec.merge(pod) { $1 }
        return object(
            "apps/v1",
            kind,
            .object(metadata),
            [
                "spec": [
                    "selector": ["matchLabels": ["app": .string(name)]],
                    "template": ["metadata": ["labels": ["app": .string(name)]], "spec": .object(spec)],
                ]
            ]
        )
    }

    private static let rbac = "rbac.authorization.k8s.io/v1"

    private static func role(_ name: String) -> KubeObject {
        object(
            rbac,
            "ClusterRole",
            ["name": .string(name)],
            ["rules": [["apiGroups": ["*"], "resources": ["pods"], "verbs": ["*"]]]]
        )
    }

    private static func binding(_ name: String, _ role: String, _ account: String, _ namespace: String) -> KubeObject {
        object(
            rbac,
            "ClusterRoleBinding",
            ["name": .string(name)],
            [
                "roleRef": [
                    "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(role),
                ],
                "subjects": [
                    ["kind": "ServiceAccount", "name": .string(account), "namespace": .string(namespace)]
                ],
            ]
        )
    }

    static let volcano: [KubeObject] =
        [
            object("v1", "Namespace", ["name": "volcano-system"]),
            definition("batch.volcano.sh", "jobs", "Job"),
            object(
                "admissionregistration.k8s.io/v1",
                "MutatingWebhookConfiguration",
                ["name": "volcano-admission-service-jobs-mutate"],
                [
                    "webhooks": [
                        [
                            "name": "mutatejob.volcano.sh", "admissionReviewVersions": ["v1"],
                            "sideEffects": "NoneOnDryRun",
                            "clientConfig": [
                                "service": [
                                    "name": "volcano-admission-service", "namespace": "volcano-system", "path": "/jobs",
                                ]
                            ],
                            "namespaceSelector": [
                                "matchExpressions": [
                                    [
                                        "key": "kubernetes.io/metadata.name", "operator": "NotIn",
                                        "values": ["volcano-system", "kube-system"],
                                    ]
                                ]
                            ],
                        ]
                    ]
                ]
            ),
            object(
                "batch/v1",
                "Job",
                ["name": "volcano-admission-init", "namespace": "volcano-system"],
                [
                    "spec": [
                        "ttlSecondsAfterFinished": 3600,
                        "template": [
                            "spec": [
                                "restartPolicy": "Never", "serviceAccountName": "volcano-admission-init",
                                "containers": [
                                    [
                                        "name": "main", "image": "docker.io/volcanosh/vc-webhook-manager:v1.15.1",
                                        "command": ["./make-secret", "--namespace", "volcano-system", "--secret", "s"],
                                    ]
                                ],
                            ]
                        ],
                    ]
                ]
            ),
            object(
                rbac,
                "Role",
                ["name": "volcano-admission-init", "namespace": "volcano-system"],
                ["rules": [["apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "patch", "get"]]]]
            ),
            object(
                rbac,
                "RoleBinding",
                ["name": "volcano-admission-init-role", "namespace": "volcano-system"],
                [
                    "roleRef": [
                        "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "volcano-admission-init",
                    ],
                    "subjects": [
                        [
                            "kind": "ServiceAccount", "name": "volcano-admission-init", "namespace": "volcano-system",
                        ]
                    ],
                ]
            ),
            object(
                "v1",
                "Service",
                ["name": "volcano-admission-service", "namespace": "volcano-system"],
                ["spec": ["ports": [["port": 443, "targetPort": 8443]], "selector": ["app": "volcano-admission"]]]
            ),
            object(
                "v1",
                "ConfigMap",
                ["name": "volcano-scheduler-configmap", "namespace": "volcano-system"],
                ["data": ["volcano-scheduler.conf": "actions: \"allocate\" # volcano-system"]]
            ),
        ]
        + ["volcano-admission", "volcano-controllers", "volcano-scheduler"].flatMap { name -> [KubeObject] in
            let account = object("v1", "ServiceAccount", ["name": .string(name), "namespace": "volcano-system"])
            let deployment = workload(
                "Deployment",
                "volcano-system",
                name,
                account: ["serviceAccount": .string(name)],
                container: [
                    "image": .string("docker.io/volcanosh/\(name):v1.15.1"), "imagePullPolicy": "Always",
                    "args": ["--webhook-namespace=volcano-system", "--other=volcano-system", "-v=4"],
                    "env": [
                        ["name": "KUBE_POD_NAMESPACE", "value": "volcano-system"],
                        ["name": "RELEASE", "value": "volcano-system"],
                    ],
                ],
                pod: [
                    "priorityClassName": "system-cluster-critical",
                    "volumes": [
                        ["name": "scheduler-config", "configMap": ["name": "volcano-scheduler-configmap"]]
                    ],
                ]
            )
            return [account, role(name), binding(name + "-role", name, name, "volcano-system"), deployment]
        }

    static let kubeStateMetrics: [KubeObject] = [
        object(
            "v1",
            "List",
            [:],
            [
                "items": [
                    object(
                        "v1",
                        "ServiceAccount",
                        ["name": "kube-state-metrics", "namespace": "kube-system"]
                    ).json, role("kube-state-metrics").json,
                    binding("kube-state-metrics", "kube-state-metrics", "kube-state-metrics", "kube-system").json,
                    workload(
                        "Deployment",
                        "kube-system",
                        "kube-state-metrics",
                        account: ["serviceAccountName": "kube-state-metrics"],
                        container: [
                            "image": "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.20.0@sha256:aa",
                            "securityContext": ["runAsUser": 65534, "runAsNonRoot": true],
                        ],
                        pod: ["nodeSelector": ["kubernetes.io/os": "linux"]]
                    ).json,
                ]
            ]
        )
    ]

    static let prometheusOperator: [KubeObject] = [
        definition("monitoring.coreos.com", "prometheuses", "Prometheus"),
        definition("monitoring.coreos.com", "servicemonitors", "ServiceMonitor"),
        object("v1", "ServiceAccount", ["name": "prometheus-operator", "namespace": "default"]),
        role("prometheus-operator"),
        binding("prometheus-operator", "prometheus-operator", "prometheus-operator", "default"),
        object(
            "monitoring.coreos.com/v1",
            "ServiceMonitor",
            ["name": "prometheus-operator", "namespace": "default"],
            ["spec": ["selector": ["matchLabels": ["app": "x"]], "endpoints": [["port": "http"]]]]
        ),
        workload(
            "Deployment",
            "default",
            "prometheus-operator",
            account: ["serviceAccountName": "prometheus-operator"],
            container: [
                "image": "quay.io/prometheus-operator/prometheus-operator:v0.93.0",
                "args": [
                    "--kubelet-service=kube-system/kubelet",
                    "--prometheus-config-reloader=quay.io/prometheus-operator/prometheus-config-reloader:v0.93.0",
                ],
            ]
        ),
    ]

    static let dcgmExporter: [KubeObject] = [
        workload(
            "DaemonSet",
            nil,
            "dcgm-exporter",
            account: [:],
            container: [
                "image": "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless",
                "securityContext": ["runAsUser": 0, "capabilities": ["add": ["SYS_ADMIN"]]],
            ],
            pod: ["volumes": [["name": "a", "hostPath": ["path": "/var/lib/kubelet/pod-resources"]]]]
        )
    ]

    static let devicePlugin: [KubeObject] = [
        workload(
            "DaemonSet",
            "kube-system",
            "nvidia-device-plugin-daemonset",
            account: [:],
            container: ["image": "nvcr.io/nvidia/k8s-device-plugin:v0.19.3"],
            pod: [
                "priorityClassName": "system-node-critical",
                "tolerations": [["key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"]],
                "volumes": [["name": "a", "hostPath": ["path": "/var/lib/kubelet/device-plugins"]]],
            ]
        )
    ]
}
