import KubeCore
import Testing

@testable import KubeServer

/// Objects that kube-apiserver refuses, each for one reason.
@Suite(.timeLimit(.minutes(1))) struct RegistryRulesTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var type: ResourceType
        var body: [String: JSON]
        /// `field: message` of each cause.
        var want: [String]
        var testDescription: String { name }
    }

    private static func pod(_ spec: [String: JSON] = [:], container: [String: JSON] = [:]) -> [String: JSON] {
        var main: [String: JSON] = ["name": "main", "image": "busybox:1"]
        main.merge(container) { _, new in new }
        var all: [String: JSON] = ["containers": [.object(main)]]
        all.merge(spec) { _, new in new }
        return ["spec": .object(all)]
    }

    private static func deployment(_ spec: [String: JSON]) -> [String: JSON] {
        var all: [String: JSON] = [
            "selector": ["matchLabels": ["app": "a"]],
            "template": ["metadata": ["labels": ["app": "a"]], "spec": pod()["spec"] ?? [:]],
        ]
        all.merge(spec) { _, new in new }
        return ["spec": .object(all)]
    }

    private static func type(_ group: String, _ plural: String, _ kind: String) -> ResourceType {
        ResourceType(group: group, version: "v1", plural: plural, kind: kind)
    }

    private static let policies = type("networking.k8s.io", "networkpolicies", "NetworkPolicy")
    private static let ingresses = type("networking.k8s.io", "ingresses", "Ingress")

    static let pods: [Case] = [
        Case(
            name: "environment",
            type: .pods,
            body: pod(container: [
                "env": [
                    ["name": "A=B", "value": "1"], ["name": "X", "valueFrom": [:]],
                    ["name": "F", "valueFrom": ["fieldRef": ["fieldPath": "spec.magic"]]],
                    ["name": "S", "valueFrom": ["secretKeyRef": ["name": "s", "key": ""]]],
                ], "envFrom": [[:]],
            ]),
            want: [
                "spec.containers[0].env[0].name: Invalid value", "spec.containers[0].env[1].valueFrom: Invalid value",
                "spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Unsupported value",
                "spec.containers[0].env[3].valueFrom.secretKeyRef.key: Required value",
                "spec.containers[0].envFrom[0]: Invalid value",
            ]
        ),
        Case(
            name: "resources",
            type: .pods,
            body: pod(container: [
                "resources": ["limits": ["cpu": "1", "gpu": "1", "nvidia.com/gpu": "500m"], "requests": ["cpu": "2"]]
            ]),
            want: [
                "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource type",
                "spec.containers[0].resources.limits[nvidia.com/gpu]: Invalid value: \"500m\": must be an integer",
                "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            ]
        ),
        Case(
            name: "probes and hooks",
            type: .pods,
            body: pod(container: [
                "livenessProbe": ["httpGet": ["port": 0]], "readinessProbe": ["exec": ["command": []]],
                "startupProbe": ["tcpSocket": ["port": "Bad_Name"]], "lifecycle": ["preStop": [:]],
            ]),
            want: [
                "spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0",
                "spec.containers[0].readinessProbe.exec.command: Required value",
                "spec.containers[0].startupProbe.tcpSocket.port: Invalid value",
                "spec.containers[0].lifecycle.preStop: Required value: must specify a handler type",
            ]
        ),
        Case(
            name: "mounts and volumes",
            type: .pods,
            body: pod(
                ["volumes": [["name": "v", "hostPath": ["path": "/a/../b", "type": "Odd"]]]],
                container: [
                    "volumeMounts": [
                        ["name": "v", "mountPath": "/m", "subPath": "../x"], ["name": "none", "mountPath": "/n"],
                    ]
                ]
            ),
            want: [
                "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
                "spec.volumes[0].hostPath.type: Unsupported value: \"Odd\"",
                "spec.containers[0].volumeMounts[0].subPath: Invalid value: \"../x\": must not contain '..'",
                "spec.containers[0].volumeMounts[1].name: Not found: \"none\"",
            ]
        ),
        Case(
            name: "affinity and tolerations",
            type: .pods,
            body: pod([
                "affinity": [
                    "podAntiAffinity": [
                        "requiredDuringSchedulingIgnoredDuringExecution": [["labelSelector": [:]]],
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            ["weight": 0, "podAffinityTerm": ["topologyKey": "a"]]
                        ],
                    ]
                ], "tolerations": [["key": "a", "operator": "Exists", "value": "x"]],
                "topologySpreadConstraints": [["maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "Maybe"]],
            ]),
            want: [
                "spec.tolerations[0].operator: Invalid value: \"x\": value must be empty when `operator` is 'Exists'",
                "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value",
                "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0",
                "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0",
                "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"Maybe\"",
            ]
        ),
        Case(
            name: "init container with a probe, duplicate host ports",
            type: .pods,
            body: pod(
                ["initContainers": [["name": "i", "image": "x", "livenessProbe": ["exec": ["command": ["a"]]]]]],
                container: [
                    "ports": [["containerPort": 1, "hostPort": 80], ["containerPort": 2, "hostPort": 80]]
                ]
            ),
            want: [
                "spec.initContainers[0].livenessProbe: Forbidden",
                "spec.containers[0].ports[1].hostPort: Duplicate value",
            ]
        ),
    ]

    static let others: [Case] = [
        Case(
            name: "deployment rollout",
            type: .deployments,
            body: deployment([
                "strategy": ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": 0, "maxSurge": "0%"]],
                "minReadySeconds": 30, "progressDeadlineSeconds": 20,
            ]),
            want: [
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
                "spec.progressDeadlineSeconds: Invalid value: 20: must be greater than minReadySeconds",
            ]
        ),
        Case(
            name: "service",
            type: .services,
            body: [
                "spec": [
                    "ports": [["port": 80, "nodePort": 30080], ["port": 80]], "loadBalancerSourceRanges": ["10.0.0.0"],
                ]
            ],
            want: [
                "spec.LoadBalancerSourceRanges: Forbidden", "spec.LoadBalancerSourceRanges[0]: Invalid value",
                "spec.ports[0].name: Required value", "spec.ports[0].nodePort: Forbidden",
                "spec.ports[1].name: Required value", "spec.ports[1]: Duplicate value",
            ]
        ),
        Case(
            name: "disruption budget",
            type: .podDisruptionBudgets,
            body: ["spec": ["minAvailable": 1, "maxUnavailable": "120%"]],
            want: [
                "spec: Invalid value", "spec.maxUnavailable: Invalid value: \"120%\": must not be greater than 100%",
            ]
        ),
        Case(
            name: "network policy",
            type: policies,
            body: [
                "spec": [
                    "podSelector": [:], "policyTypes": ["Sideways"],
                    "ingress": [["from": [[:]], "ports": [["port": 80, "endPort": 70]]]],
                ]
            ],
            want: [
                "spec.ingress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`",
                "spec.ingress[0].from[0]: Required value: must specify a peer",
                "spec.policyTypes[0]: Unsupported value: \"Sideways\"",
            ]
        ),
        Case(
            name: "ingress",
            type: ingresses,
            body: ["spec": ["rules": [["http": ["paths": [["path": "x", "backend": ["service": ["name": "s"]]]]]]]]],
            want: [
                "spec.rules[0].http.paths[0].pathType: Required value",
                "spec.rules[0].http.paths[0].path: Invalid value: \"x\": must be an absolute path",
                "spec.rules[0].http.paths[0].backend: Required value: port name or number is required",
            ]
        ),
        Case(
            name: "lease",
            type: .leases,
            body: ["spec": ["leaseDurationSeconds": 0]],
            want: ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"]
        ),
        Case(
            name: "endpoint slice",
            type: .endpointSlices,
            body: ["addressType": "IPv4", "endpoints": [["addresses": []], ["addresses": ["fe80::1"]]]],
            want: [
                "endpoints[0].addresses: Required value: must contain at least 1 address",
                "endpoints[1].addresses[0]: Invalid value: \"fe80::1\"",
            ]
        ),
        Case(
            name: "event of another namespace",
            type: .events,
            body: ["involvedObject": ["namespace": "other", "kind": "Pod", "name": "p"]],
            want: ["involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"]
        ),
        Case(
            name: "TLS secret without its key",
            type: .secrets,
            body: ["type": "kubernetes.io/tls", "data": ["tls.crt": "YQ=="]],
            want: ["data[tls.key]: Required value"]
        ),
        Case(
            name: "docker configuration that is no JSON",
            type: .secrets,
            body: ["type": "kubernetes.io/dockerconfigjson", "data": [".dockerconfigjson": "e2E="]],
            want: ["data[.dockerconfigjson]: Invalid value"]
        ),
        Case(
            name: "config map beyond 1 MiB",
            type: .configMaps,
            body: ["data": ["k": .string(String(repeating: "x", count: 1_048_577))]],
            want: ["[]: Too long: may not be more than 1048576 bytes"]
        ),
        Case(
            name: "claim",
            type: .persistentVolumeClaims,
            body: [
                "spec": [
                    "accessModes": ["ReadWriteOncePod", "ReadWriteOnce"], "resources": ["requests": ["storage": 0]],
                ]
            ],
            want: ["spec.accessModes: Forbidden", "spec.resources[storage]: Invalid value"]
        ),
        Case(
            name: "annotation key of a template",
            type: .deployments,
            body: [
                "spec": [
                    "selector": ["matchLabels": ["app": "a"]],
                    "template": [
                        "metadata": ["labels": ["app": "a"], "annotations": ["bad key": "x"]],
                        "spec": pod()["spec"] ?? [:],
                    ],
                ]
            ],
            want: ["spec.template.metadata.annotations: Invalid value: \"bad key\""]
        ),
    ]

    @Test(arguments: pods + others) func `An object is refused for all that is wrong with it`(
        _ given: Case
    ) async throws {
        let api = try await RegistryFixture().registry
        let namespace = given.type.isNamespaced ? "default" : nil
        let object = KubeObject(given.type, namespace: namespace, name: "x", body: given.body)
        let error = await failure { try await api.create(given.type, object) }
        #expect(error?.code == 422, "\(error?.message ?? "accepted")")
        let causes = (error?.causes ?? []).map { "\($0.field): \($0.message)" }
        for want in given.want {
            #expect(causes.contains { $0.hasPrefix(want) }, "\(want) in \(causes)")
        }
    }

    @Test func `Ordinary objects of every kind pass`() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(
            .pods,
            KubeObject(
                .pods,
                namespace: "default",
                name: "full",
                body: Self.pod(
                    [
                        "volumes": [
                            ["name": "a", "emptyDir": ["sizeLimit": "1Gi"]],
                            ["name": "b", "projected": ["sources": [["secret": ["name": "s"]]]]],
                            ["name": "c", "configMap": ["name": "m", "items": [["key": "k", "path": "d/k"]]]],
                        ],
                        "affinity": [
                            "podAntiAffinity": [
                                "requiredDuringSchedulingIgnoredDuringExecution": [
                                    [
                                        "labelSelector": ["matchLabels": ["a": "b"]],
                                        "topologyKey": "kubernetes.io/hostname",
                                    ]
                                ]
                            ]
                        ],
                        "tolerations": [
                            ["operator": "Exists"],
                            ["key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5],
                        ], "securityContext": ["runAsUser": 1000, "seccompProfile": ["type": "RuntimeDefault"]],
                    ],
                    container: [
                        "env": [
                            ["name": "NAME", "valueFrom": ["fieldRef": ["fieldPath": "metadata.name"]]],
                            ["name": "L", "valueFrom": ["fieldRef": ["fieldPath": "metadata.labels['a/b']"]]],
                            ["name": "C", "valueFrom": ["resourceFieldRef": ["resource": "limits.cpu"]]],
                        ], "envFrom": [["prefix": "P_", "configMapRef": ["name": "m"]]],
                        "ports": [["containerPort": 80, "name": "http"]],
                        "readinessProbe": ["httpGet": ["port": "http"]],
                        "lifecycle": ["preStop": ["sleep": ["seconds": 1]]],
                        "resources": ["limits": ["cpu": "1", "nvidia.com/gpu": 1]],
                    ]
                )
            )
        )
        try await api.create(
            .daemonSets,
            KubeObject(.daemonSets, namespace: "default", name: "d", body: Self.deployment([:]))
        )
        try await api.create(
            .statefulSets,
            KubeObject(.statefulSets, namespace: "default", name: "s", body: Self.deployment(["serviceName": "s"]))
        )
        try await api.create(
            .podDisruptionBudgets,
            KubeObject(
                .podDisruptionBudgets,
                namespace: "default",
                name: "p",
                body: ["spec": ["minAvailable": "50%", "selector": ["matchLabels": ["a": "b"]]]]
            )
        )
    }
}
