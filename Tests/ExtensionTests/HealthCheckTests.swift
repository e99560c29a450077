import Foundation
import KubeCore
import MLTypes
import Testing

@testable import Extension

/// Every check both ways, as a pure function of what was seen.
@Suite struct HealthCheckTests {
    private struct Refused: Error {}

    private static func input(
        _ settings: [String: String] = [:],
        nodes: [KubeObject] = [node()],
        clusterType: String = "connectedClusters",
        operation: HealthOperation = .install,
        configure: (inout HealthInput) -> Void = { _ in }
    ) throws -> HealthInput {
        var all = [
            "enableTraining": "True", "enableInference": "True", "inferenceRouterServiceType": "loadBalancer",
            "allowInsecureConnections": "True",
        ]
        all.merge(settings) { $1 }
        let typed = try ExtensionSettings.make(settings: all.filter { !$0.value.isEmpty })
        var seen = ClusterObservation()
        seen.nodes = .success(nodes)
        seen.kubernetesVersion = .success("v1.36.0")
        let render = RenderInput(
            extensionName: "amlext",
            settings: typed,
            facts: ExtensionPlanner.facts(nodes, clusterType: clusterType, selector: typed.nodeSelector),
            profile: testProfile
        )
        var input = HealthInput(
            operation: operation,
            render: render,
            objects: ExtensionRenderer(render).render(),
            observation: seen,
            now: Date(timeIntervalSince1970: 1_800_000_000)
        )
        configure(&input)
        return input
    }

    private static func node(
        _ name: String = "node",
        labels: [String: String] = [:],
        os: String = "linux",
        architecture: String = NodeChecker.architecture,
        provider: String? = nil
    ) -> KubeObject {
        var spec: [String: JSON] = [:]
        spec["providerID"] = provider.map(JSON.string)
        let information: JSON = ["operatingSystem": .string(os), "architecture": .string(architecture)]
        return KubeObject(
            .nodes,
            name: name,
            labels: labels,
            body: ["spec": .object(spec), "status": ["nodeInfo": information]]
        )
    }

    private static func program(
        _ name: String,
        namespace: String = "other",
        image: String,
        isReady: Bool = true,
        labels: [String: String] = [:],
        annotations: [String: String] = [:]
    ) -> KubeObject {
        let spec: JSON = [
            "replicas": 1, "template": ["spec": ["containers": [["name": "main", "image": .string(image)]]]],
        ]
        let count: JSON = isReady ? 1 : 0
        return KubeObject(
            .deployments,
            namespace: namespace,
            name: name,
            labels: labels,
            annotations: annotations,
            body: [
                "spec": spec,
                "status": ["replicas": 1, "readyReplicas": count, "updatedReplicas": 1, "observedGeneration": 0],
            ]
        )
    }

    private static func definitions(_ names: [String]) -> ClusterObservation.Seen<[ObjectReference: KubeObject]> {
        .success(
            Dictionary(
                names.map {
                    (
                        ObjectReference(type: .customResourceDefinitions, key: ObjectKey(name: $0)),
                        KubeObject(.customResourceDefinitions, name: $0)
                    )
                },
                uniquingKeysWith: { $1 }
            )
        )
    }

    private static func check(_ input: HealthInput, _ name: String) throws -> HealthCheck {
        let checks = HealthChecker.check(input)
        return try #require(checks.first { $0.name == name }, "\(checks.map(\.name))")
    }

    private static func expect(
        _ input: HealthInput,
        _ name: String,
        _ status: HealthCheck.Status,
        _ code: String = "",
        mentions: String = "",
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let found = try check(input, name)
        #expect(found.status == status && found.code == code, "\(found)", sourceLocation: location)
        #expect(!found.checked.isEmpty && !found.found.isEmpty, sourceLocation: location)
        #expect((status == .passed) == found.fix.isEmpty, "\(found)", sourceLocation: location)
        if !mentions.isEmpty {
            #expect(found.sentence.contains(mentions), "\(found.sentence)", sourceLocation: location)
        }
    }

    @Test func `E40001: a load balancer is recognised, missed, or known to be missing`() throws {
        try Self.expect(try Self.input(), "loadBalancer", .warning, "E40001", mentions: "nodePort")
        try Self.expect(
            try Self.input(nodes: [Self.node(provider: "aws:///eu/i-1")]),
            "loadBalancer",
            .passed,
            mentions: "AWS"
        )
        try Self.expect(
            try Self.input(nodes: [Self.node(provider: "openstack:///i-1")]),
            "loadBalancer",
            .passed,
            mentions: "openstack"
        )
        let metallb = try Self.input {
            $0.observation.deployments = .success([
                Self.program("controller", image: "quay.io/metallb/controller:v0.15")
            ])
        }
        try Self.expect(metallb, "loadBalancer", .passed, mentions: "MetalLB")
        func service(_ created: String, ingress: JSON) -> KubeObject {
            var service = KubeObject(.services, namespace: "web", name: "s", body: ["spec": ["type": "LoadBalancer"]])
            service["metadata", "creationTimestamp"] = .string(created)
            service["status"] = ["loadBalancer": ["ingress": ingress]]
            return service
        }
        let served = try Self.input {
            $0.observation.services = .success([service("2026-01-01T00:00:00Z", ingress: [["ip": "192.0.2.1"]])])
        }
        try Self.expect(served, "loadBalancer", .passed, mentions: "web/s")
        let waiting = try Self.input {
            $0.observation.services = .success([service("2026-01-01T00:00:00Z", ingress: [])])
        }
        try Self.expect(waiting, "loadBalancer", .failed, "E40001", mentions: "web/s")
        let checks = HealthChecker.check(try Self.input(["inferenceRouterServiceType": "nodePort"]))
        #expect(!checks.contains { $0.name == "loadBalancer" })
    }

    @Test func `E40002: routers need nodes`() throws {
        try Self.expect(
            try Self.input(["inferenceRouterHA": "True"]),
            "inferenceRouterHA",
            .failed,
            "E40002",
            mentions: "1 worker node"
        )
        try Self.expect(try Self.input(), "inferenceRouterHA", .warning, "E40002")
        try Self.expect(
            try Self.input(["inferenceRouterHA": "True"], nodes: ["a", "b", "c"].map { Self.node($0) }),
            "inferenceRouterHA",
            .passed
        )
        // Only nodes that components may run on count.
        let nodes = ["a", "b", "c"].map { Self.node($0, labels: $0 == "a" ? ["disk": "ssd"] : [:]) }
        try Self.expect(
            try Self.input(["inferenceRouterHA": "True", "nodeSelector.disk": "ssd"], nodes: nodes),
            "inferenceRouterHA",
            .failed,
            "E40002"
        )
    }

    @Test func `E40003: internal load balancers are AKS only`() throws {
        let settings = ["internalLoadBalancerProvider": "azure"]
        try Self.expect(try Self.input(settings), "internalLoadBalancerProvider", .failed, "E40003")
        try Self.expect(
            try Self.input(settings, clusterType: "managedClusters"),
            "internalLoadBalancerProvider",
            .passed
        )
    }

    @Test func `E40004 to E40006: the router as it is`() throws {
        func router(_ status: JSON?) throws -> HealthInput {
            try Self.input(operation: .test) { input in
                input.inventory = Inventory(extensionName: "amlext")
                guard let status else { return }
                input.observation.deployments = .success([
                    KubeObject(
                        .deployments,
                        namespace: "azureml",
                        name: "azureml-fe-v2",
                        body: ["spec": ["replicas": 3], "status": status]
                    )
                ])
            }
        }
        try Self.expect(try router(nil), "router", .failed, "E40004")
        try Self.expect(
            try router(["replicas": 3, "readyReplicas": 1, "updatedReplicas": 3]),
            "router",
            .failed,
            "E40005",
            mentions: "1/3"
        )
        try Self.expect(
            try router(["replicas": 3, "readyReplicas": 3, "updatedReplicas": 1]),
            "router",
            .failed,
            "E40006"
        )
        let stuck: JSON = [
            "replicas": 0, "conditions": [["type": "ReplicaFailure", "status": "True", "message": "quota exceeded"]],
        ]
        try Self.expect(try router(stuck), "router", .failed, "E40006", mentions: "quota exceeded")
        try Self.expect(
            try router(["replicas": 3, "readyReplicas": 3, "updatedReplicas": 3]),
            "router",
            .passed
        )
    }

    @Test func `E40007: the certificate's secret`() throws {
        let settings = [
            "sslSecret": "tls", "sslCname": "score.example.com", "allowInsecureConnections": "False",
        ]
        func with(_ secret: KubeObject?) throws -> HealthInput {
            try Self.input(settings) { $0.observation.secrets = .success(["tls": secret] as [String: KubeObject?]) }
        }
        try Self.expect(try with(nil), "sslSecret", .failed, "E40007", mentions: "does not exist")
        let empty = KubeObject(.secrets, namespace: "azureml", name: "tls", body: ["data": ["a": "YQ=="]])
        try Self.expect(try with(empty), "sslSecret", .failed, "E40007", mentions: "cert.pem")
        let garbage = KubeObject(
            .secrets,
            namespace: "azureml",
            name: "tls",
            body: ["data": ["tls.crt": "YQ==", "tls.key": "YQ=="]]
        )
        try Self.expect(try with(garbage), "sslSecret", .failed, "E40007", mentions: "Secret 'tls'")
    }

    @Test func `E45001: the agent`() throws {
        try Self.expect(try Self.input(), "agent", .passed)
        try Self.expect(
            try Self.input { $0.observation.unlisted = ["pods"] },
            "agent",
            .warning,
            "E45001",
            mentions: "pods"
        )
        let broken = try Self.input {
            $0.observation.agent = .success([
                Self.program("outrigger-agent", namespace: "azure-arc", image: "x", isReady: false)
            ])
        }
        try Self.expect(broken, "agent", .warning, "E45001", mentions: "0/1")
        let restarting = try Self.input {
            var pod = KubeObject(.pods, namespace: "azure-arc", name: "p")
            pod["status"] = ["containerStatuses": [["name": "a", "restartCount": 9]]]
            $0.observation.agent = .success([pod])
        }
        try Self.expect(restarting, "agent", .warning, "E45001", mentions: "9 times")
    }

    @Test func `E45002: Prometheus operators`() throws {
        let other = Self.program("op", image: "quay.io/prometheus-operator/prometheus-operator:v0.80.0@sha256:00")
        func with(_ installs: String, _ found: Bool, definition: Bool = true) throws -> HealthInput {
            try Self.input(["installPromOp": installs]) {
                $0.render.profile.thirdParty = .bundles
                $0.render.bundles = ["prometheus-operator": [KubeObject(.services, name: "x")]]
                $0.observation.deployments = .success(found ? [other] : [])
                if definition { $0.observation.present = Self.definitions([PrometheusChecker.definition]) }
            }
        }
        try Self.expect(try with("True", true), "installPromOp", .warning, "E45002", mentions: "v0.80.0")
        try Self.expect(try with("True", false), "installPromOp", .passed)
        try Self.expect(try with("False", true), "installPromOp", .passed, mentions: "v0.80.0")
        try Self.expect(try with("False", false), "installPromOp", .warning, "E45002", mentions: "none was found")
        try Self.expect(try with("False", true, definition: false), "installPromOp", .warning, "E45002")
    }

    @Test func `E45003: the control plane`() throws {
        try Self.expect(
            try Self.input { $0.observation.controlPlane = .failure(Refused()) },
            "controlPlane",
            .warning,
            "E45003"
        )
        try Self.expect(
            try Self.input { $0.render.profile.controlPlaneURL = "https://127.0.0.1:7443" },
            "controlPlane",
            .warning,
            "E45003",
            mentions: "--advertise"
        )
        try Self.expect(
            try Self.input { $0.render.profile.controlPlaneURL = "https://ml.example.com" },
            "controlPlane",
            .passed
        )
    }

    @Test func `E45004 and E45005: remains of the first router`() throws {
        try Self.expect(try Self.input(), "routerRole", .passed)
        try Self.expect(try Self.input(), "routerDeployment", .passed)
        let remains = try Self.input {
            $0.observation.routerV1Binding = .success(
                KubeObject(
                    .clusterRoleBindings,
                    name: "azureml-fe-binding",
                    body: ["subjects": [["kind": "ServiceAccount", "namespace": "default", "name": "azureml-fe"]]]
                )
            )
            $0.observation.deployments = .success([Self.program("azureml-fe", namespace: "default", image: "fe")])
        }
        try Self.expect(remains, "routerRole", .warning, "E45004", mentions: "ServiceAccount/default/azureml-fe")
        try Self.expect(remains, "routerDeployment", .warning, "E45005", mentions: "namespace default")
        let upgrading = try Self.input {
            $0.observation.deployments = .success([
                Self.program("azureml-fe", image: "fe", annotations: ["azureml-fe-enable-upgrade": "true"])
            ])
        }
        try Self.expect(upgrading, "routerDeployment", .passed)
    }

    @Test func `E45006: instance types`() throws {
        func type(_ resources: JSON, selector: [String: String] = [:]) -> KubeObject {
            KubeObject(
                MLResources.instanceTypes,
                name: "t",
                body: ["spec": ["resources": resources, "nodeSelector": JSON(selector)]]
            )
        }
        func with(_ object: KubeObject) throws -> HealthInput {
            try Self.input { $0.observation.instanceTypes = .success([object]) }
        }
        let good: JSON = [
            "requests": ["cpu": "700m", "memory": "1500Mi"],
            "limits": ["cpu": "1", "nvidia.com/gpu": 1, "memory": "2Gi"],
        ]
        try Self.expect(try with(type(good)), "instancetype", .passed)
        let cases: [(JSON, String)] = [
            (["requests": ["cpu": "1", "memory": "1Gi"], "limits": ["cpu": "1"]], "limits.memory"),
            (["requests": ["cpu": "0", "memory": "1Gi"], "limits": ["cpu": "1", "memory": "1Gi"]], "zero"),
            (["requests": ["cpu": "2", "memory": "1Gi"], "limits": ["cpu": "1", "memory": "1Gi"]], "above"),
            (["requests": ["cpu": "x", "memory": "1Gi"], "limits": ["cpu": "1", "memory": "1Gi"]], "requests.cpu"),
            (
                [
                    "requests": ["cpu": "1", "memory": "1Gi", "nvidia.com/gpu": 1],
                    "limits": ["cpu": "1", "memory": "1Gi"],
                ], "limits only"
            ),
        ]
        for (resources, mention) in cases {
            try Self.expect(try with(type(resources)), "instancetype", .warning, "E45006", mentions: mention)
        }
        try Self.expect(
            try with(type(good, selector: ["gpu": "a100"])),
            "instancetype",
            .warning,
            "E45006",
            mentions: "no node"
        )
    }

    @Test func `E49999: a check that cannot be made stops no other`() throws {
        let input = try Self.input {
            $0.observation.instanceTypes = .failure(Refused())
            $0.observation.services = .failure(Refused())
        }
        let checks = HealthChecker.check(input)
        #expect(checks.filter { $0.code == "E49999" }.map(\.name).sorted() == ["instancetype", "loadBalancer"])
        #expect(checks.count > 10)
        #expect(checks.allSatisfy { $0.status != .failed })
    }

    @Test func `The version of Kubernetes`() throws {
        for (version, isKnown) in [("v1.36.3", true), ("v1.34.1+k3s1", true), ("v1.33.9", false), ("v1.37.0", false)] {
            let input = try Self.input { $0.observation.kubernetesVersion = .success(version) }
            try Self.expect(
                input,
                "kubernetesVersion",
                isKnown ? .passed : .warning,
                isKnown ? "" : "KubernetesVersionNotSupported"
            )
        }
        try Self.expect(
            try Self.input { $0.observation.kubernetesVersion = .success(nil) },
            "kubernetesVersion",
            .warning,
            "KubernetesVersionNotSupported"
        )
    }

    @Test func `Nodes: kind and labels`() throws {
        try Self.expect(try Self.input(), "nodes", .passed)
        try Self.expect(try Self.input(nodes: []), "nodes", .failed, "NoSuitableNode")
        try Self.expect(
            try Self.input(nodes: [Self.node(os: "windows"), Self.node(architecture: "s390x")]),
            "nodes",
            .failed,
            "NoSuitableNode",
            mentions: "windows"
        )
        let selector = ["nodeSelector.disk": "ssd"]
        try Self.expect(
            try Self.input(selector),
            "nodeSelector",
            .failed,
            "NodeSelectorMatchesNoNode",
            mentions: "disk=ssd"
        )
        try Self.expect(
            try Self.input(selector.merging(["amloperator.skipResourceValidation": "True"]) { $1 }),
            "nodeSelector",
            .warning,
            "NodeSelectorMatchesNoNode"
        )
        try Self.expect(
            try Self.input(selector, nodes: [Self.node(labels: ["disk": "ssd"])]),
            "nodeSelector",
            .passed
        )
    }

    @Test func `Permissions`() throws {
        try Self.expect(try Self.input(), "permissions", .passed)
        let missing = try Self.input {
            $0.observation.missingPermissions = .success([Permission("patch", .services, namespace: "azureml")])
            $0.observation.user = "system:serviceaccount:azure-arc:outrigger-agent"
        }
        try Self.expect(
            missing,
            "permissions",
            .failed,
            "PermissionMissing",
            mentions: "patch services in namespace azureml"
        )
    }

    @Test func `Volcano: reused, missing, twice`() throws {
        let scheduler = Self.program("volcano-scheduler", image: "docker.io/volcanosh/vc-scheduler:v1.12.0")
        func with(_ installs: String, _ programs: [KubeObject], definitions: Bool = true) throws -> HealthInput {
            try Self.input(["installVolcano": installs]) {
                $0.observation.deployments = .success(programs)
                if definitions { $0.observation.present = Self.definitions(VolcanoChecker.names) }
            }
        }
        try Self.expect(try with("False", [scheduler]), "installVolcano", .passed, mentions: "v1.12.0")
        #expect(try Self.check(try with("False", [scheduler]), "installVolcano").isNotable)
        try Self.expect(try with("False", []), "installVolcano", .failed, "VolcanoNotFound")
        try Self.expect(
            try with("False", [scheduler], definitions: false),
            "installVolcano",
            .failed,
            "VolcanoNotFound",
            mentions: "jobs.batch.volcano.sh"
        )
        let broken = Self.program("s", image: "vc-scheduler:v1", isReady: false)
        try Self.expect(try with("False", [broken]), "installVolcano", .failed, "VolcanoNotFound", mentions: "0/1")
        try Self.expect(
            try with("True", [scheduler], definitions: false),
            "installVolcano",
            .failed,
            "VolcanoConflict"
        )
        let ours = Self.program(
            "volcano-scheduler",
            image: "vc-scheduler:v1",
            labels: ["app.kubernetes.io/managed-by": "outrigger-extension"]
        )
        try Self.expect(try with("True", [ours], definitions: false), "installVolcano", .passed)
    }

    @Test func `The namespace: ending, and its security`() throws {
        try Self.expect(try Self.input(), "namespace", .passed)
        let ending = try Self.input {
            var namespace = KubeObject(.namespaces, name: "azureml")
            namespace["metadata", "deletionTimestamp"] = "2026-01-01T00:00:00Z"
            namespace["status"] = [
                "conditions": [["type": "NamespaceContentRemaining", "status": "True", "message": "pods remain"]]
            ]
            $0.observation.namespace = .success(namespace)
        }
        try Self.expect(ending, "namespace", .warning, "NamespaceTerminating", mentions: "pods remain")
        let label = ["pod-security.kubernetes.io/enforce": "restricted"]
        let restricted = try Self.input {
            $0.observation.namespace = .success(KubeObject(.namespaces, name: "azureml", labels: label))
            $0.observation.workloadNamespace = .success(KubeObject(.namespaces, name: "default", labels: label))
        }
        try Self.expect(restricted, "podSecurity", .warning, "PodSecurityConflict")
        try Self.expect(restricted, "jobNamespace", .warning, "PodSecurityConflict")
        let open = try Self.input {
            $0.observation.workloadNamespace = .success(KubeObject(.namespaces, name: "default"))
        }
        try Self.expect(open, "podSecurity", .passed)
        try Self.expect(open, "jobNamespace", .passed)
    }

    @Test func `Objects of somebody else`() throws {
        let reference = ObjectReference(type: .deployments, key: ObjectKey(namespace: "azureml", name: "gateway"))
        func with(_ labels: [String: String], _ annotations: [String: String] = [:]) throws -> HealthInput {
            try Self.input {
                $0.observation.present = .success([
                    reference: KubeObject(
                        .deployments,
                        namespace: "azureml",
                        name: "gateway",
                        labels: labels,
                        annotations: annotations
                    )
                ])
            }
        }
        try Self.expect(try Self.input(), "ownership", .passed)
        try Self.expect(
            try with(["app.kubernetes.io/managed-by": "Helm"], ["meta.helm.sh/release-name": "amlext"]),
            "ownership",
            .failed,
            "ObjectOwnedByOther",
            mentions: "Helm release 'amlext'"
        )
        try Self.expect(
            try with(["app.kubernetes.io/managed-by": "outrigger-extension"]),
            "ownership",
            .passed
        )
        try Self.expect(try with([:], ["outrigger.ml/unmanaged": "true"]), "ownership", .passed)
    }

    @Test func `Images: the pull secret, and pods that wait`() throws {
        func secret(_ type: String) -> KubeObject {
            KubeObject(.secrets, namespace: "azureml", name: "pull", body: ["type": .string(type)])
        }
        func with(_ object: KubeObject?) throws -> HealthInput {
            try Self.input(["imagePullSecret": "pull"]) {
                $0.observation.secrets = .success(["pull": object] as [String: KubeObject?])
            }
        }
        try Self.expect(try with(nil), "imagePullSecret", .failed, "ImagePullFailed", mentions: "docker-registry")
        try Self.expect(try with(secret("Opaque")), "imagePullSecret", .failed, "ImagePullFailed")
        try Self.expect(try with(secret("kubernetes.io/dockerconfigjson")), "imagePullSecret", .passed)
        try Self.expect(try Self.input(), "images", .passed)
        let waiting = try Self.input {
            var pod = KubeObject(.pods, namespace: "azureml", name: "gateway-x")
            let state: JSON = ["waiting": ["reason": "ImagePullBackOff", "message": "no such host"]]
            pod["status"] = ["containerStatuses": [["name": "gateway", "image": "r/x:1", "state": state]]]
            $0.observation.pods = .success([pod])
        }
        try Self.expect(waiting, "images", .warning, "ImagePullFailed", mentions: "r/x:1")
    }

    @Test func `Users' objects are named before a removal`() throws {
        try Self.expect(try Self.input(operation: .delete), "users", .passed)
        let used = try Self.input(operation: .delete) {
            $0.observation.userObjects = .success(["amljobs": 2, "onlineendpoints": 0])
        }
        try Self.expect(used, "users", .warning, "ExtensionInUse", mentions: "2 amljobs")
        #expect(!HealthChecker.check(used).contains { $0.name == "nodes" })
    }
}
