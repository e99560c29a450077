import KubeCore
import MLTypes
import Testing

@testable import Extension

private struct Combination: CustomTestStringConvertible, Sendable {
    var training: Bool
    var inference: Bool
    var https: Bool
    var clusterType: ClusterFacts.ClusterType
    var nodes: Int

    var testDescription: String {
        "training=\(training) inference=\(inference) https=\(https) \(clusterType.rawValue) nodes=\(nodes)"
    }

    static var all: [Combination] {
        var list: [Combination] = []
        for (training, inference) in [(true, false), (false, true), (true, true)] {
            for https in [false, true] {
                for type in [ClusterFacts.ClusterType.managed, .connected] {
                    for nodes in [1, 3] {
                        list.append(
                            .init(
                                training: training,
                                inference: inference,
                                https: https,
                                clusterType: type,
                                nodes: nodes
                            )
                        )
                    }
                }
            }
        }
        return list
    }

    func render(_ extra: [String: String] = [:]) throws -> [RenderedObject] {
        var settings = [
            "enableTraining": training ? "True" : "False", "enableInference": inference ? "True" : "False",
            "nodeSelector.pool": "ml",
        ]
        var protected: [String: String] = [:]
        if inference {
            settings["inferenceRouterServiceType"] = "loadBalancer"
            if https {
                let pair = try TestCertificates.Pair.make()
                settings["sslCname"] = "score.example.com"
                protected = ["sslCertPemFile": pair.certificate, "sslKeyPemFile": pair.key]
            } else {
                settings["allowInsecureConnections"] = "True"
            }
        }
        settings.merge(extra) { $1 }
        let made = try ExtensionSettings.make(settings: settings, protectedSettings: protected)
        return ExtensionRenderer(
            RenderInput(
                extensionName: "amlext",
                settings: made,
                facts: ClusterFacts(clusterType: clusterType, nodeCount: nodes),
                profile: testProfile,
                gatewaySecretsDigest: "abc"
            )
        ).render()
    }
}

let testProfile = ClusterProfile(
    image: "outrigger.ml/outrigger:1.0.0",
    version: "1.0.0",
    environmentCache: .hostPath("/var/lib/outrigger/environments"),
    thirdParty: .standIns,
    controlPlaneURL: "https://10.64.0.1:7443",
    controlPlaneCA: "CA",
    extraCRDs: [
        KubeObject(
            .customResourceDefinitions,
            name: "queues.scheduling.volcano.sh",
            body: [
                "spec": [
                    "group": "scheduling.volcano.sh", "scope": "Cluster",
                    "names": ["plural": "queues", "singular": "queue", "kind": "Queue", "listKind": "QueueList"],
                    "versions": [
                        [
                            "name": "v1beta1", "served": true, "storage": true,
                            "schema": [
                                "openAPIV3Schema": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
                            ],
                        ]
                    ],
                ]
            ]
        )
    ]
)

private func names(_ objects: [RenderedObject], _ type: ResourceType) -> Set<String> {
    Set(objects.filter { $0.type == type }.map(\.object.name))
}

@Suite struct RenderTests {
    @Test(arguments: Combination.all)
    private func `Every combination renders what its scenario needs`(combination: Combination) throws {
        let objects = try combination.render()
        var wanted: Set<String> = ["gateway"]
        if combination.training {
            wanted.formUnion(["aml-operator", "volcano-admission", "volcano-controllers", "volcano-scheduler"])
        }
        if combination.inference { wanted.formUnion(["azureml-fe-v2", "inference-operator-controller-manager"]) }
        let governed = Set(wanted.map { "outrigger:" + $0 })
        let isConnected = combination.clusterType == .connected
        if isConnected { wanted.insert("relayserver") }
        #expect(names(objects, .deployments) == wanted)
        #expect(names(objects, .serviceAccounts) == wanted)
        #expect(names(objects, .clusterRoleBindings) == governed, "the relay asks nothing of the API")
        #expect(objects.first?.type == .namespaces)
        #expect(Set(objects.map(\.reference)).count == objects.count)
        #expect(
            names(objects, .customResourceDefinitions).isSuperset(of: [
                "amljobs.amlarc.azureml.com", "instancetypes.amlarc.azureml.com",
            ])
        )
        #expect(names(objects, .services).contains("azureml-fe") == combination.inference)
        #expect(names(objects, MLResources.queues) == (combination.training ? ["default"] : []))
        for rendered in objects {
            let object = rendered.object
            #expect(object.labels[ExtensionRenderer.managedByLabel] == ExtensionRenderer.fieldManager)
            #expect(object.namespace == (rendered.type.isNamespaced ? "azureml" : nil))
            #expect(object.apiVersion == rendered.type.apiVersion && object.kind == rendered.type.kind)
        }
        for deployment in objects.filter({ $0.type == .deployments }).map(\.object) { try check(deployment) }
        let router = objects.first { $0.object.name == "azureml-fe-v2" && $0.type == .deployments }?.object
        let isHA = combination.inference && combination.nodes >= 3
        #expect(router?["spec", "replicas"]?.intValue == (combination.inference ? (isHA ? 3 : 1) : nil))
        #expect((router?["spec", "template", "spec", "affinity"] != nil) == isHA)
        #expect(names(objects, .podDisruptionBudgets).contains("azureml-fe-v2") == isHA)
        let relay = objects.first { $0.object.name == "relayserver" && $0.type == .deployments }?.object
        #expect(relay?["spec", "replicas"]?.intValue == (isConnected ? (combination.nodes > 1 ? 2 : 1) : nil))
        let service = objects.first { $0.object.name == "azureml-fe" && $0.type == .services }?.object
        let ports = service?["spec", "ports"]?.arrayValue?.compactMap { $0["port"]?.intValue } ?? []
        #expect(ports == (combination.inference ? (combination.https ? [443] : [80]) : []))
        #expect(names(objects, .secrets).contains("azureml-fe-tls") == (combination.inference && combination.https))
    }

    /// What every component's Deployment has.
    private func check(_ deployment: KubeObject) throws {
        let template = try #require(deployment["spec", "template"])
        let labels = try #require(template[path: "metadata", "labels"]?.stringMap)
        let selector = try #require(deployment["spec", "selector", "matchLabels"]?.stringMap)
        #expect(selector.allSatisfy { labels[$0.key] == $0.value })
        #expect(labels["ml.azure.com/amlarc-system"] == "true")
        #expect(labels["ml.azure.com/billing-category"] == "azureml-system")
        #expect(labels["ml.azure.com/infra-app"] == deployment.name)
        let spec = try #require(template["spec"])
        #expect(spec["nodeSelector"]?.stringMap == ["kubernetes.io/os": "linux", "pool": "ml"])
        #expect(spec["serviceAccountName"]?.stringValue == deployment.name)
        #expect(spec["tolerations"]?.arrayValue?.count == 2)
        let container = try #require(spec["containers"]?[0])
        #expect(container["command"]?.stringArray == ["/usr/local/bin/outrigger"])
        #expect(container["args"]?.stringArray == ["component", deployment.name])
        for part in ["requests", "limits"] {
            #expect(Set(container[path: "resources", part]?.stringMap?.keys.map { $0 } ?? []) == ["cpu", "memory"])
        }
        for probe in ["readinessProbe", "livenessProbe"] { #expect(container[probe]?["httpGet"] != nil) }
        #expect(container[path: "securityContext", "allowPrivilegeEscalation"]?.boolValue == false)
        #expect(container[path: "securityContext", "capabilities", "drop"]?.stringArray == ["ALL"])
        // Every mounted volume exists.
        let volumes = Set((spec["volumes"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue })
        let mounts = Set((container["volumeMounts"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue })
        #expect(volumes == mounts)
        for entry in container["env"]?.arrayValue ?? [] {
            #expect((entry["value"] == nil) != (entry["valueFrom"] == nil))
        }
    }

    @Test func `Equal inputs give equal objects`() throws {
        let combination = Combination(training: true, inference: true, https: false, clusterType: .managed, nodes: 3)
        #expect(try combination.render() == combination.render())
    }

    @Test func `The router opens only what it serves, and replaces its pods without a gap`() throws {
        var combination = Combination(training: false, inference: true, https: true, clusterType: .managed, nodes: 3)
        func ports(_ extra: [String: String]) throws -> [String] {
            let objects = try combination.render(extra)
            let router = objects.first { $0.object.name == "azureml-fe-v2" && $0.type == .deployments }?.object
            let container = router?["spec", "template", "spec", "containers"]?[0]
            return (container?["ports"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        }
        #expect(try ports([:]) == ["https", "health"])
        #expect(try ports(["allowInsecureConnections": "True"]) == ["http", "https", "health"])
        combination.https = false
        #expect(try ports([:]) == ["http", "health"])
        let router = try #require(
            try combination.render().first { $0.object.name == "azureml-fe-v2" && $0.type == .deployments }?.object
        )
        #expect(router["spec", "strategy", "rollingUpdate"] == ["maxUnavailable": 1, "maxSurge": 0])
        combination.nodes = 1
        let single = try combination.render().first { $0.object.name == "azureml-fe-v2" && $0.type == .deployments }
        #expect(single?.object["spec", "strategy", "rollingUpdate"] == ["maxUnavailable": 0, "maxSurge": 1])
    }

    @Test func `Webhooks of the built-in Volcano come with the authority, and may fail`() throws {
        var input = RenderInput(
            extensionName: "amlext",
            settings: try ExtensionSettings.make(settings: ["enableTraining": "True"]),
            facts: ClusterFacts(clusterType: .managed, nodeCount: 1),
            profile: testProfile
        )
        func hooks() -> [KubeObject] {
            ExtensionRenderer(input).render().map(\.object).filter { $0.kind.hasSuffix("WebhookConfiguration") }
        }
        #expect(hooks().isEmpty)
        input.componentCA = "CA"
        #expect(hooks().map(\.name) == ["volcano-admission-service-jobs-mutate", "volcano-admission-service"])
        for hook in hooks().compactMap({ $0["webhooks"]?[0] }) {
            #expect(hook["failurePolicy"]?.stringValue == "Ignore")
            #expect(hook[path: "clientConfig", "caBundle"]?.stringValue == "Q0E=")
            #expect(hook[path: "clientConfig", "service", "name"]?.stringValue == "volcano-admission-service")
        }
    }

    @Test func `The relay starts before its token is there and sees no key`() throws {
        let combination = Combination(training: true, inference: false, https: false, clusterType: .connected, nodes: 1)
        let relay = try #require(
            try combination.render().first { $0.object.name == "relayserver" && $0.type == .deployments }?.object
        )
        let spec = try #require(relay["spec", "template", "spec"])
        #expect(spec["automountServiceAccountToken"]?.boolValue == false)
        let secrets = (spec["volumes"]?.arrayValue ?? []).compactMap { $0["secret"] }
        #expect(secrets.first { $0["secretName"]?.stringValue == "relay-token" }?["optional"]?.boolValue == true)
        let certificates = secrets.first { $0["secretName"]?.stringValue == "gateway-tls" }
        #expect(certificates?["items"]?.arrayValue?.compactMap { $0["key"]?.stringValue } == ["ca.crt"])
        let mounts = (spec["containers"]?[0]?["volumeMounts"]?.arrayValue ?? [])
        #expect(mounts.allSatisfy { $0["subPath"] == nil })
        #expect(ComponentEnvironment.relayTokenFile == "/etc/outrigger/relay-token/token")
    }

    @Test func `Registry, pull secret, cache and OpenShift reach every pod`() throws {
        let combination = Combination(training: true, inference: true, https: false, clusterType: .connected, nodes: 3)
        let objects = try combination.render([
            "imageRegistry": "registry.example.com/mirror", "imagePullSecret": "pull", "environmentCache": "pvc:envs",
            "openshift": "True",
        ])
        for deployment in objects.filter({ $0.type == .deployments }).map(\.object) {
            let spec = try #require(deployment["spec", "template", "spec"])
            #expect(
                spec["containers"]?[0]?["image"]?.stringValue == "registry.example.com/mirror/outrigger:1.0.0"
            )
            #expect(spec["imagePullSecrets"] == [["name": "pull"]])
            #expect(spec[path: "securityContext", "runAsUser"] == nil)
            #expect(spec[path: "securityContext", "fsGroup"] == nil)
            #expect(spec[path: "securityContext", "runAsNonRoot"]?.boolValue == true)
        }
        let training = objects.first { $0.object.name == "aml-operator" && $0.type == .deployments }?.object
        let variables = training?["spec", "template", "spec", "containers"]?[0]?["env"]?.arrayValue ?? []
        func value(_ name: String) -> String? {
            variables.first { $0["name"]?.stringValue == name }?["value"]?.stringValue
        }
        #expect(value(ComponentEnvironment.environmentCache) == "pvc:envs")
        #expect(value(ComponentEnvironment.imagePullSecret) == "pull")
        #expect(value(ComponentEnvironment.image) == "registry.example.com/mirror/outrigger:1.0.0")
    }

    @Test(arguments: [
        ("docker.io/a/b:1", "r.example/a/b:1"), ("busybox", "r.example/library/busybox"),
        ("a/b@sha256:1", "r.example/a/b@sha256:1"),
        ("localhost:5000/a:2", "r.example/a:2"), ("r.example/a:2", "r.example/a:2"),
        ("quay.io/p/q/r:v1@sha256:2", "r.example/p/q/r:v1@sha256:2"),
    ])
    func `A registry replaces the one in the name`(image: String, want: String) {
        #expect(ImageName.rewritten(image, registry: "r.example") == want)
        #expect(ImageName.rewritten(image, registry: nil) == image)
    }

    @Test func `First-party pods are within Baseline`() throws {
        for combination in Combination.all {
            for object in try combination.render() {
                guard let spec = PodTemplate.spec(object.object) else { continue }
                #expect(PodSecurity.baselineViolations(spec).isEmpty)
            }
            let namespace = try #require(try combination.render().first?.object)
            #expect(namespace.labels[ExtensionRenderer.podSecurityLabel] == "baseline")
        }
    }

    @Test func `Everything Baseline forbids is found`() {
        let bad: JSON = [
            "hostNetwork": true, "hostPID": true, "hostIPC": true,
            "volumes": [["name": "a", "hostPath": ["path": "/a"]]],
            "securityContext": [
                "sysctls": [["name": "kernel.msgmax", "value": "1"]], "seccompProfile": ["type": "Unconfined"],
                "windowsOptions": ["hostProcess": true],
            ],
            "initContainers": [
                [
                    "name": "i",
                    "securityContext": ["privileged": true, "capabilities": ["add": ["SYS_ADMIN", "CHOWN"]]],
                ]
            ],
            "containers": [
                [
                    "name": "c", "ports": [["containerPort": 1, "hostPort": 1]],
                    "livenessProbe": ["httpGet": ["port": 1, "host": "example.com"]],
                    "securityContext": [
                        "procMount": "Unmasked", "appArmorProfile": ["type": "Unconfined"],
                        "seLinuxOptions": ["type": "spc_t", "user": "root"],
                    ],
                ]
            ],
        ]
        #expect(PodSecurity.baselineViolations(bad).count == 15)
    }

    @Test func `Nobody may do everything`() {
        for component in ComponentCatalogue.all {
            for rule in component.clusterRules + component.namespaceRules {
                #expect(!rule.verbs.contains("*") && !rule.resources.contains("*") && !rule.groups.contains("*"))
            }
        }
    }

    @Test func `The catalogue has the seventeen components of the reference`() {
        #expect(ComponentCatalogue.all.count == 17)
        #expect(Set(ComponentCatalogue.all.map(\.nameTemplate)).count == 17)
    }

    @Test func `Volcano can be left to the cluster`() throws {
        let combination = Combination(training: true, inference: false, https: false, clusterType: .managed, nodes: 1)
        let objects = try combination.render(["installVolcano": "False"])
        #expect(names(objects, .deployments) == ["gateway", "aml-operator"])
        #expect(!names(objects, .customResourceDefinitions).contains("queues.scheduling.volcano.sh"))
    }

    @Test func `An internal load balancer is asked for by annotation`() throws {
        let combination = Combination(training: false, inference: true, https: false, clusterType: .managed, nodes: 3)
        let objects = try combination.render(["internalLoadBalancerProvider": "azure"])
        let service = objects.first { $0.object.name == "azureml-fe" && $0.type == .services }?.object
        #expect(service?.annotations["service.beta.kubernetes.io/azure-load-balancer-internal"] == "true")
        #expect(service?["spec", "type"]?.stringValue == "LoadBalancer")
    }
}

@Suite struct ReadinessTests {
    private func deployment(ready: Int, generation: Int = 1, observed: Int = 1) -> KubeObject {
        var object = KubeObject(.deployments, namespace: "azureml", name: "gateway", body: ["spec": ["replicas": 1]])
        object["metadata", "generation"] = JSON(generation)
        object["status"] = [
            "observedGeneration": JSON(observed), "replicas": 1, "updatedReplicas": 1, "readyReplicas": JSON(ready),
        ]
        return object
    }

    private func pod(_ status: JSON) -> KubeObject {
        KubeObject(.pods, namespace: "azureml", name: "gateway-x", body: ["status": status])
    }

    @Test func `A ready deployment is ready`() {
        #expect(ComponentReadiness.evaluate(name: "gateway", deployment: deployment(ready: 1), pods: []).isReady)
        #expect(
            !ComponentReadiness.evaluate(name: "gateway", deployment: deployment(ready: 1, generation: 2), pods: [])
                .isReady
        )
        #expect(!ComponentReadiness.evaluate(name: "gateway", deployment: nil, pods: []).isReady)
    }

    @Test func `The reason is the pod's`() {
        let crash = pod([
            "containerStatuses": [
                [
                    "name": "gateway", "ready": false, "state": ["waiting": ["reason": "CrashLoopBackOff"]],
                    "lastState": ["terminated": ["exitCode": 3, "reason": "Error"]],
                ]
            ]
        ])
        let crashed = ComponentReadiness.evaluate(name: "gateway", deployment: deployment(ready: 0), pods: [crash])
        #expect(crashed.message == "0/1 ready: pod gateway-x: container gateway: CrashLoopBackOff, exit code 3")
        let unschedulable = pod([
            "conditions": [["type": "PodScheduled", "status": "False", "message": "0/1 nodes fit: not enough cpu"]]
        ])
        let waiting = ComponentReadiness.evaluate(
            name: "gateway",
            deployment: deployment(ready: 0),
            pods: [unschedulable]
        )
        #expect(waiting.message == "0/1 ready: pod gateway-x: 0/1 nodes fit: not enough cpu")
    }
}
