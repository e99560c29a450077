import ControlPlaneAPI
import KubeCore
import KubeRuntime
import MLTypes
import TestSupport
import Testing

@testable import Extension

/// Upstream's releases on a cluster, through the agent.
@Suite(.timeLimit(.minutes(2))) struct AgentBundleTests {
    private static var profile: ClusterProfile {
        var profile = testProfile
        profile.thirdParty = .bundles
        return profile
    }

    private static let settings = ["installNvidiaDevicePlugin": "True", "installDcgmExporter": "True"]

    @Test func `The lack of a bundle is said, and stops nothing`() async throws {
        try await withAgent(profile: Self.profile) { _, link in
            link.want([wanted()])
            let report = try await link.wait("Succeeded")
            #expect(report.statuses.contains { $0.message.contains("outrigger bundle pull volcano") })
        }
    }

    @Test func `Daemon sets and what an operator makes are waited for, and all of it goes again`() async throws {
        try await TestCluster.run { cluster in
            let api = cluster.api
            try await api.create(.nodes, .node("node-0"))
            try await withControllers(api) {
                let link = RecordingLink()
                link.give(Self.bundles)
                link.want([wanted(Self.settings)])
                try await running(api, link, profile: Self.profile) {
                    try await eventuallyTrue("waits for Prometheus only") {
                        let waiting = link.last?.statuses.filter { $0.displayStatus == "NotReady" }.map(\.code)
                        return waiting == ["prometheus-prom-prometheus"]
                    }
                    #expect(link.last?.provisioningState == "Creating")
                    let ready = Set(link.last?.statuses.filter { $0.displayStatus == "Ready" }.map(\.code) ?? [])
                    #expect(
                        ready.isSuperset(of: ["nvidia-device-plugin-daemonset", "amlext-dcgm-exporter"]),
                        "\(ready)"
                    )
                    try await api.create(.statefulSets, Self.prometheus)
                    try await link.wait("Succeeded")
                }
                // The control plane has lost its bundles, and the agent is a new one.
                let second = RecordingLink()
                second.want([wanted(Self.settings)])
                try await running(api, second, profile: Self.profile) {
                    let report = try await second.wait("Succeeded")
                    #expect(report.statuses.contains { $0.message.contains("bundle pull") }, "\(report.statuses)")
                    #expect(
                        try await api.find(.daemonSets, namespace: "azureml", name: "nvidia-device-plugin-daemonset")
                            != nil
                    )
                    try await api.deleteIfPresent(.statefulSets, Self.prometheus.key)
                    second.want([wanted(Self.settings, generation: 2, isDeleting: true)])
                    try await second.wait("Gone", generation: 2)
                }
                #expect(try await api.list(.customResourceDefinitions).items.isEmpty)
                for type in [ResourceType.clusterRoles, .clusterRoleBindings] {
                    let left = try await api.list(
                        type,
                        namespace: nil,
                        options: ListOptions(labelSelector: "app.kubernetes.io/managed-by=outrigger-extension")
                    ).items
                    #expect(left.isEmpty, "\(left.map(\.name))")
                }
            }
        }
    }

    /// The operator's release, with all kinds that are used of it.
    private static var bundles: [String: [KubeObject]] {
        var bundles = Upstream.all
        for (plural, kind) in [("podmonitors", "PodMonitor"), ("prometheuses", "Prometheus")] {
            let name = plural + ".monitoring.coreos.com"
            bundles["prometheus-operator"]?.removeAll { $0.name == name }
            let version: JSON = [
                "name": "v1", "served": true, "storage": true,
                "schema": ["openAPIV3Schema": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]],
            ]
            let spec: JSON = [
                "group": "monitoring.coreos.com", "scope": "Namespaced",
                "names": ["plural": .string(plural), "kind": .string(kind)], "versions": [version],
            ]
            bundles["prometheus-operator", default: []].insert(
                KubeObject(.customResourceDefinitions, name: name, body: ["spec": spec]),
                at: 0
            )
        }
        return bundles
    }

    private static var prometheus: KubeObject {
        let labels: JSON = ["app": "prometheus"]
        let spec: JSON = [
            "replicas": 1, "serviceName": "x", "selector": ["matchLabels": labels],
            "template": ["metadata": ["labels": labels], "spec": ["containers": [["name": "p", "image": "p"]]]],
        ]
        return KubeObject(
            .statefulSets,
            namespace: "azureml",
            name: "prometheus-prom-prometheus",
            body: ["spec": spec]
        )
    }

    @Test func `Webhooks go first when all is taken off, definitions last`() {
        let webhook = ResourceType(
            group: "admissionregistration.k8s.io",
            version: "v1",
            plural: "validatingwebhookconfigurations",
            kind: "ValidatingWebhookConfiguration",
            isNamespaced: false
        )
        let types = [
            ResourceType.namespaces, .customResourceDefinitions, .serviceAccounts, .services, .deployments,
            MLResources.queues, webhook,
        ]
        let objects = types.map { ObjectReference(type: $0, key: ObjectKey(name: "a")) }
        let order = RemovalOrder.sorted(objects).map(\.type)
        #expect(
            order == [
                webhook, MLResources.queues, .deployments, .services, .serviceAccounts, .customResourceDefinitions,
                .namespaces,
            ]
        )
    }
}
