import KubeCore
import Testing

@testable import Extension

@Suite struct ThirdPartyTests {
    private func input(
        _ extra: [String: String] = [:],
        bundles: [String: [KubeObject]] = Upstream.all,
        distribution: String = "kind"
    ) throws -> RenderInput {
        let base = [
            "enableTraining": "True", "enableInference": "True", "allowInsecureConnections": "True",
            "inferenceRouterServiceType": "clusterIP", "nodeSelector.pool": "ml",
        ]
        var profile = testProfile
        profile.thirdParty = nil
        return RenderInput(
            extensionName: "amlext",
            settings: try ExtensionSettings.make(settings: base.merging(extra) { $1 }),
            facts: ClusterFacts(clusterType: .managed, nodeCount: 3, distribution: distribution),
            profile: profile,
            bundles: bundles
        )
    }

    private func find(_ objects: [RenderedObject], _ kind: String, _ name: String) -> KubeObject? {
        objects.first { $0.object.kind == kind && $0.object.name == name }?.object
    }

    @Test func `Upstream's objects become the extension's`() throws {
        let renderer = ExtensionRenderer(
            try input(["imageRegistry": "r.example/mirror", "imagePullSecret": "pull", "installDcgmExporter": "True"])
        )
        #expect(renderer.problems.isEmpty)
        let objects = renderer.render()
        #expect(Set(objects.map(\.reference)).count == objects.count)
        for rendered in objects where rendered.object.labels[ExtensionRenderer.bundleLabel] != nil {
            let object = rendered.object
            #expect(object.namespace == (rendered.type.isNamespaced ? "azureml" : nil))
            #expect(object.labels[ExtensionRenderer.managedByLabel] == ExtensionRenderer.fieldManager)
            #expect(object.kind != "Namespace" && object["status"] == nil)
            #expect(object["metadata", "creationTimestamp"] == nil)
            guard let spec = PodTemplate.spec(object) else { continue }
            #expect(spec["imagePullSecrets"] == [["name": "pull"]])
            #expect(spec["nodeSelector"]?["pool"] == "ml")
            #expect(spec["priorityClassName"] == nil && spec["serviceAccount"] == nil)
            let keys = (spec["tolerations"]?.arrayValue ?? []).compactMap { $0["key"]?.stringValue }
            #expect(keys.contains("ml.azure.com/amlarc-system"))
            for container in spec["containers"]?.arrayValue ?? [] {
                #expect(container["image"]?.stringValue?.hasPrefix("r.example/mirror/") == true)
                #expect(container["imagePullPolicy"]?.stringValue == "IfNotPresent")
            }
        }
        let metrics = try #require(find(objects, "Deployment", "amlext-kube-state-metrics"))
        let spec = try #require(PodTemplate.spec(metrics))
        #expect(spec["serviceAccountName"]?.stringValue == "amlext-kube-state-metrics")
        #expect(
            spec["containers"]?[0]?["image"]?.stringValue
                == "r.example/mirror/kube-state-metrics/kube-state-metrics:v2.20.0@sha256:aa"
        )
        #expect(spec["containers"]?[0]?[path: "resources", "requests", "memory"]?.stringValue == "32Mi")
        let labels = metrics["spec", "template", "metadata", "labels"]?.stringMap
        #expect(labels?["ml.azure.com/infra-app"] == "amlext-kube-state-metrics")
        #expect(labels?["app"] == "kube-state-metrics", "services still select it")
        #expect(
            metrics["spec", "selector", "matchLabels"]?.stringMap
                == ["ml.azure.com/infra-app": "amlext-kube-state-metrics"]
        )
    }

    @Test func `Roles get names of their own, and bindings follow`() throws {
        let objects = ExtensionRenderer(try input()).render()
        let binding = try #require(find(objects, "ClusterRoleBinding", "azureml:volcano-scheduler-role"))
        #expect(binding["roleRef", "name"]?.stringValue == "azureml:volcano-scheduler")
        #expect(binding["subjects"]?[0]?["namespace"]?.stringValue == "azureml")
        let monitor = try #require(find(objects, "ClusterRoleBinding", "azureml:kube-state-metrics"))
        #expect(monitor["subjects"]?[0]?["name"]?.stringValue == "amlext-kube-state-metrics")
        #expect(find(objects, "ClusterRole", "kube-state-metrics") == nil)
        let local = try #require(find(objects, "RoleBinding", "volcano-admission-init-role"))
        #expect(local["roleRef", "name"]?.stringValue == "volcano-admission-init")
    }

    @Test func `A namespace is replaced where it is one, and nowhere else`() throws {
        let objects = ExtensionRenderer(try input()).render()
        let scheduler = try #require(find(objects, "Deployment", "volcano-scheduler"))
        let container = try #require(PodTemplate.spec(scheduler)?["containers"]?[0])
        #expect(container["args"]?.stringArray == ["--webhook-namespace=azureml", "--other=volcano-system", "-v=4"])
        let values = (container["env"]?.arrayValue ?? []).compactMap { $0["value"]?.stringValue }
        #expect(values == ["azureml", "volcano-system"])
        let webhook = try #require(
            find(objects, "MutatingWebhookConfiguration", "volcano-admission-service-jobs-mutate")
        )
        let hook = try #require(webhook["webhooks"]?[0])
        #expect(hook[path: "clientConfig", "service", "namespace"]?.stringValue == "azureml")
        #expect(
            hook[path: "namespaceSelector", "matchExpressions"]?[0]?["values"]?.stringArray
                == ["azureml", "kube-system"]
        )
        let map = try #require(find(objects, "ConfigMap", "volcano-scheduler-configmap"))
        #expect(map["data", "volcano-scheduler.conf"]?.stringValue?.contains("volcano-system") == true)
        let job = try #require(objects.first { $0.object.kind == "Job" }?.object)
        #expect(job.name.hasPrefix("volcano-admission-init-") && job["spec", "ttlSecondsAfterFinished"] == nil)
        #expect(
            PodTemplate.spec(job)?["containers"]?[0]?["command"]?.stringArray
                == ["./make-secret", "--namespace", "azureml", "--secret", "s"]
        )
    }

    @Test func `Images in arguments follow the registry`() throws {
        let objects = ExtensionRenderer(try input(["imageRegistry": "r.example"])).render()
        let spec = PodTemplate.spec(try #require(find(objects, "Deployment", "amlext-prometheus-operator")))
        #expect(
            spec?["containers"]?[0]?["args"]?.stringArray == [
                "--prometheus-config-reloader=r.example/prometheus-operator/prometheus-config-reloader:v0.93.0",
                "--prometheus-instance-namespaces=azureml", "--alertmanager-instance-namespaces=azureml",
                "--thanos-ruler-instance-namespaces=azureml",
            ],
            "it stays out of kube-system and of other operators' namespaces"
        )
    }

    @Test func `A custom scheduler configuration takes the place of upstream's`() throws {
        let objects = ExtensionRenderer(try input(["volcanoScheduler.schedulerConfigMap": "mine"])).render()
        let spec = PodTemplate.spec(try #require(find(objects, "Deployment", "volcano-scheduler")))
        #expect(spec?["volumes"]?[0]?[path: "configMap", "name"]?.stringValue == "mine")
    }

    @Test func `Upstream's Volcano runs instead of ours, and without its bundle ours`() throws {
        let with = ExtensionRenderer(try input())
        #expect(find(with.render(), "CustomResourceDefinition", "queues.scheduling.volcano.sh") == nil)
        #expect(find(with.render(), "Queue", "default") == nil)
        #expect(find(with.render(), "ClusterRole", "outrigger:volcano-scheduler") == nil)
        #expect(with.remarks.isEmpty)
        let without = ExtensionRenderer(try input(bundles: [:]))
        #expect(without.problems.isEmpty)
        #expect(find(without.render(), "ClusterRole", "outrigger:volcano-scheduler") != nil)
        #expect(find(without.render(), "Queue", "default") != nil)
        let remark = try #require(without.remarks.first { $0.setting == "volcano" })
        #expect(remark.code == .bundleMissing && remark.remedy.contains("outrigger bundle pull volcano"))
        #expect(without.remarks.count == 3)
        let absent = without.components.map(\.nameTemplate)
        #expect(absent.contains("volcano-admission") && !absent.contains("{EXT}-kube-state-metrics"))
        #expect(!absent.contains("prometheus-prom-prometheus"), "it needs its operator")
    }

    @Test func `Embedded clusters know themselves`() throws {
        let input = try input(distribution: "outrigger")
        #expect(input.source == .standIns && input.neededBundles.isEmpty)
        #expect(ExtensionRenderer(input).render().allSatisfy { $0.object.labels[ExtensionRenderer.bundleLabel] == nil })
    }

    @Test func `What needs the node makes the namespace privileged, and it is said`() throws {
        let calm = ExtensionRenderer(try input())
        #expect(calm.render()[0].object.labels[ExtensionRenderer.podSecurityLabel] == "baseline")
        let plugin = ExtensionRenderer(try input(["installNvidiaDevicePlugin": "True"]))
        #expect(plugin.render()[0].object.labels[ExtensionRenderer.podSecurityLabel] == "privileged")
        #expect(
            plugin.remarks.contains {
                $0.code == .podSecurity && $0.message.contains("hostPath /var/lib/kubelet/device-plugins")
            }
        )
    }

    @Test func `Prometheus is made of a resource for the operator`() throws {
        let wanted = try input(["clusterId": "/subscriptions/x", "imageRegistry": "r.example"])
        let objects = ExtensionRenderer(wanted).render()
        let prometheus = try #require(find(objects, "Prometheus", "prom-prometheus"))
        #expect(prometheus["spec", "externalLabels", "cluster_name"]?.stringValue == "/subscriptions/x")
        #expect(prometheus["spec", "image"]?.stringValue?.hasPrefix("r.example/prometheus/prometheus:") == true)
        #expect(objects.last?.type == .prometheuses)
        #expect(find(objects, "ServiceAccount", "prometheus-prom-prometheus") != nil)
        #expect(find(objects, "Service", "prom-prometheus") != nil)
        let foreign = try input(["installPromOp": "False"])
        #expect(find(ExtensionRenderer(foreign).render(), "Prometheus", "prom-prometheus") == nil)
        var served = foreign
        served.hasMonitoringAPI = true
        #expect(find(ExtensionRenderer(served).render(), "Prometheus", "prom-prometheus") != nil)
    }

    @Test func `A release with surprises is refused`() throws {
        var bundles = Upstream.all
        bundles["kube-state-metrics"]?.append(
            KubeObject(["apiVersion": "example.com/v1", "kind": "Thing", "metadata": ["name": "a"]])
        )
        bundles["kube-state-metrics"]?.append(
            KubeObject([
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": ["name": "other"],
            ])
        )
        let problems = ExtensionRenderer(try input(bundles: bundles)).problems
        #expect(problems.count == 2 && problems.allSatisfy { $0.code == .bundleInvalid })
    }

    @Test func `The table of components says what becomes of each`() throws {
        let rows = ComponentRow.rows(try input(bundles: ["volcano": Upstream.volcano]))
        #expect(rows.count == 17)
        func row(_ name: String) -> ComponentRow? { rows.first { $0.name == name } }
        #expect(row("volcano-scheduler")?.json["availability"] == "Bundle")
        #expect(row("volcano-scheduler")?.image == "docker.io/volcanosh/volcano-scheduler:v1.15.1")
        #expect(row("gateway")?.json["availability"] == "Implemented")
        #expect(row("gateway")?.image == "outrigger.ml/outrigger:1.0.0")
        #expect(row("relayserver")?.isEnabled == false && row("relayserver")?.isInstalled == false)
        #expect(row("amlext-kube-state-metrics")?.json["message"]?.stringValue?.contains("no bundle") == true)
        #expect(row("azureml-fe-v2")?.replicas == 3)
        #expect(row("volcano-scheduler")?.requests == ["cpu": "50m", "memory": "128Mi"])
        #expect(row("nvidia-device-plugin-daemonset")?.json["availability"] == "Bundle", "it is only switched off")
        #expect(row("gateway")?.json["requests"] == ["cpu": "20m", "memory": "64Mi"])
    }
}
