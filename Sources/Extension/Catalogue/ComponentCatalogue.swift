/// The components of the extension: the seventeen of the reference, in the order in which they are installed.
package enum ComponentCatalogue {
    package static let all: [Component] = [
        relayServer, gateway, volcanoAdmission, volcanoControllers, volcanoScheduler, amlOperator, inferenceOperator,
        router, identityController, identityProxy, metricsController, kubeStateMetrics, prometheusOperator, prometheus,
        fluentBit, dcgmExporter, nvidiaDevicePlugin,
    ]

    /// Enabled by these settings on this cluster, whether built yet or not.
    package static func enabled(_ settings: ExtensionSettings, _ facts: ClusterFacts) -> [Component] {
        all.filter { $0.isEnabled(settings, facts) }
    }

    /// Health, readiness and metrics of every first-party component.
    package static let healthPort = 8090
    /// Of the gateway.
    package static let gatewayPort = 5004

    /// Of Volcano's webhooks.
    package static let admissionPort = 8443

    // Verbs as the programs use them: an informer lists and watches, server-side apply patches and, for a new object, creates.
    static let observe = ["get", "list", "watch"]
    static let ml = "amlarc.azureml.com"
    static let volcanoBatch = "batch.volcano.sh"
    static let volcanoScheduling = "scheduling.volcano.sh"
    static let events = Component.Rule("", ["events"], ["create", "patch"])

    /// Leader election; creation cannot be limited by name.
    static let leases = Component.Rule("coordination.k8s.io", ["leases"], ["get", "create", "update"])
}
