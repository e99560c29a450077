internal import Crypto
internal import Extension
internal import Foundation
internal import KubeCore

/// The objects with which a cluster runs the extension agent, in the order in which they are applied.
///
/// Pure: equal inputs give equal objects.
struct AgentManifests: Sendable {
    static let namespace = "azure-arc"
    static let name = "outrigger-agent"
    static let clusterRole = "outrigger:agent"
    static let fieldManager = "outrigger-connect"
    static let managedByLabel = "app.kubernetes.io/managed-by"
    static let managedBy = "outrigger"
    /// Folder in the pod with the Secret's files.
    static let identityFolder = "/etc/outrigger/agent"
    static let healthPort = 8090

    /// Who the agent is, and where it reports.
    struct Identity: Sendable, Hashable {
        /// The connected cluster's ARM id.
        var clusterID: String
        /// Of the control plane, as pods reach it.
        var url: String
        /// That signed the control plane's certificate.
        var caPEM: String
        /// P-256.
        var privateKeyPEM: String

        /// Files of the Secret.
        var files: [String: String] {
            ["private.pem": privateKeyPEM, "ca.pem": caPEM, "url": url, "cluster-id": clusterID]
        }
    }

    var identity: Identity
    var image: String
    var rules: [AgentRule]

    func objects() -> [RenderedObject] {
        [
            RenderedObject(.namespaces, namespaceObject), RenderedObject(.serviceAccounts, object(.serviceAccounts)),
            RenderedObject(.clusterRoles, clusterRole), RenderedObject(.clusterRoleBindings, clusterBinding),
            RenderedObject(.roles, role), RenderedObject(.roleBindings, roleBinding),
            RenderedObject(.secrets, secret), RenderedObject(.deployments, deployment),
        ]
    }

    static let labels: [String: String] = [
        managedByLabel: managedBy, "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "azureml",
    ]

    private static let selector: [String: String] = ["app.kubernetes.io/name": name]

    private func object(_ type: ResourceType, body: [String: JSON] = [:]) -> KubeObject {
        KubeObject(type, namespace: Self.namespace, name: Self.name, labels: Self.labels, body: body)
    }

    private var namespaceObject: KubeObject {
        KubeObject(
            .namespaces,
            name: Self.namespace,
            labels: [Self.managedByLabel: Self.managedBy, "pod-security.kubernetes.io/enforce": "restricted"]
        )
    }

    /// In the agent's own namespace: the election of the one that acts.
    ///
    /// Creation cannot be limited by name.
    static let ownRules: [AgentRule] = [
        AgentRule("coordination.k8s.io", ["leases"], ["get", "create", "update", "patch"])
    ]

    private var clusterRole: KubeObject {
        KubeObject(.clusterRoles, name: Self.clusterRole, labels: Self.labels, body: ["rules": Self.json(rules)])
    }

    private var clusterBinding: KubeObject {
        KubeObject(
            .clusterRoleBindings,
            name: Self.clusterRole,
            labels: Self.labels,
            body: ["subjects": [Self.subject], "roleRef": Self.reference(.clusterRoles, Self.clusterRole)]
        )
    }

    private var role: KubeObject { object(.roles, body: ["rules": Self.json(Self.ownRules)]) }

    private var roleBinding: KubeObject {
        object(.roleBindings, body: ["subjects": [Self.subject], "roleRef": Self.reference(.roles, Self.name)])
    }

    private static let subject: JSON = [
        "kind": "ServiceAccount", "name": .string(name), "namespace": .string(namespace),
    ]

    private static func reference(_ type: ResourceType, _ name: String) -> JSON {
        ["apiGroup": .string(type.group), "kind": .string(type.kind), "name": .string(name)]
    }

    private static func json(_ rules: [AgentRule]) -> JSON {
        .array(
            rules.map { rule in
                var members: [String: JSON] = [
                    "apiGroups": JSON(rule.groups), "resources": JSON(rule.resources), "verbs": JSON(rule.verbs),
                ]
                if !rule.names.isEmpty { members["resourceNames"] = JSON(rule.names) }
                return .object(members)
            }
        )
    }

    private var secret: KubeObject {
        let data = identity.files.mapValues { Data($0.utf8).base64EncodedString() }
        return object(.secrets, body: ["type": "Opaque", "data": JSON(data)])
    }

    /// A renewed key or address starts the pod anew.
    private var identityDigest: String {
        let text = identity.files.sorted { $0.key < $1.key }.map { "\($0.key)\n\($0.value)" }.joined(separator: "\n")
        return SHA256.hash(data: Data(text.utf8)).prefix(8).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    private var deployment: KubeObject {
        let metadata: JSON = [
            "labels": JSON(Self.labels), "annotations": ["outrigger.ml/identity-digest": .string(identityDigest)],
        ]
        let spec: [String: JSON] = [
            "replicas": 1, "revisionHistoryLimit": 2, "selector": ["matchLabels": JSON(Self.selector)],
            // Two agents of one cluster would contradict each other.
            "strategy": ["type": "Recreate"], "template": ["metadata": metadata, "spec": podSpec],
        ]
        return object(.deployments, body: ["spec": .object(spec)])
    }

    private var podSpec: JSON {
        let security: JSON = [
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "seccompProfile": ["type": "RuntimeDefault"],
        ]
        // Readable by the pod's group only.
        let source: JSON = ["secretName": .string(Self.name), "defaultMode": 0o440]
        let spec: [String: JSON] = [
            "serviceAccountName": .string(Self.name), "enableServiceLinks": false, "securityContext": security,
            "nodeSelector": ["kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"],
            "terminationGracePeriodSeconds": 30, "containers": [container],
            "volumes": [["name": "tmp", "emptyDir": [:]], ["name": "identity", "secret": source]],
        ]
        return .object(spec)
    }

    private var container: JSON {
        let security: JSON = [
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": ["drop": ["ALL"]],
        ]
        let members: [String: JSON] = [
            "name": .string(Self.name), "image": .string(image), "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/local/bin/outrigger"], "args": ["component", "extension-agent"], "env": environment,
            "securityContext": security,
            "ports": [["name": "health", "containerPort": JSON(Self.healthPort), "protocol": "TCP"]],
            "resources": [
                "requests": ["cpu": "20m", "memory": "64Mi"], "limits": ["cpu": "500m", "memory": "512Mi"],
            ],
            "readinessProbe": [
                "httpGet": ["path": "/readyz", "port": "health"], "periodSeconds": 5, "timeoutSeconds": 2,
                "failureThreshold": 3,
            ],
            "livenessProbe": [
                "httpGet": ["path": "/healthz", "port": "health"], "periodSeconds": 10, "timeoutSeconds": 5,
                "failureThreshold": 6, "initialDelaySeconds": 10,
            ],
            "volumeMounts": [
                ["name": "tmp", "mountPath": "/tmp"],
                ["name": "identity", "mountPath": .string(Self.identityFolder), "readOnly": true],
            ],
        ]
        return .object(members)
    }

    private var environment: JSON {
        let fields: [(String, String)] = [
            (ComponentEnvironment.podName, "metadata.name"), (ComponentEnvironment.podNamespace, "metadata.namespace"),
            (ComponentEnvironment.podIP, "status.podIP"), (ComponentEnvironment.nodeName, "spec.nodeName"),
        ]
        let values: [(String, String)] = [
            (ComponentEnvironment.healthPort, String(Self.healthPort)), (ComponentEnvironment.image, image),
        ]
        let variables: [JSON] =
            values.map { ["name": .string($0.0), "value": .string($0.1)] }
            + fields.map { name, path in
                let field: JSON = ["apiVersion": "v1", "fieldPath": .string(path)]
                return ["name": .string(name), "valueFrom": ["fieldRef": field]]
            }
        return .array(variables)
    }
}
