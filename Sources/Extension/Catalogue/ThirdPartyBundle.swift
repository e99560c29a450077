/// A pinned release of an upstream project, by the name under which bundles are kept.
package struct BundleReference: Sendable, Hashable, CustomStringConvertible {
    package var component: String
    package var version: String

    package init(component: String, version: String) {
        self.component = component
        self.version = version
    }

    package var description: String { "\(component) \(version)" }
}

/// What has to be known of an upstream release to fit its objects into the extension.
package struct ThirdPartyBundle: Sendable {
    package var reference: BundleReference
    /// Upstream's own namespace, replaced by ours wherever an object names it; nil when it names none.
    package var namespace: String?
    /// Upstream's object name → ours, with `{EXT}` for the extension's name.
    package var names: [String: String] = [:]
    /// Cluster roles and roles of the release: the agent may write only these.
    package var clusterRoles: [String] = []
    package var roles: [String] = []
    /// Flags of programs whose value is an image.
    package var imageFlags: [String] = []
    /// Flags that are left out, whatever their value.
    package var droppedFlags: [String] = []
    /// Arguments by our name of the workload, after upstream's.
    package var addedArguments: [String: [String]] = [:]
}

extension ThirdPartyBundle {
    package static let all: [ThirdPartyBundle] = [
        volcano, prometheusOperator, kubeStateMetrics, nvidiaDevicePlugin, dcgmExporter,
    ]

    /// The release of `component`, nil for a name that is none.
    package static func named(_ component: String) -> ThirdPartyBundle? {
        all.first { $0.reference.component == component }
    }

    static let volcano = ThirdPartyBundle(
        reference: BundleReference(component: "volcano", version: "v1.15.1"),
        namespace: "volcano-system",
        clusterRoles: ["volcano-admission", "volcano-controllers", "volcano-scheduler"],
        roles: ["volcano-admission-init"]
    )

    static let prometheusOperator = ThirdPartyBundle(
        reference: BundleReference(component: "prometheus-operator", version: "v0.93.0"),
        namespace: "default",
        names: ["prometheus-operator": "{EXT}-prometheus-operator"],
        clusterRoles: ["prometheus-operator"],
        imageFlags: ["--prometheus-config-reloader", "--prometheus-default-base-image"],
        // It would write a service into kube-system, which nobody would remove.
        droppedFlags: ["--kubelet-service", "--kubelet-endpoints", "--kubelet-endpointslice"],
        // Other namespaces may have an operator of their own.
        addedArguments: [
            "{EXT}-prometheus-operator": [
                "--prometheus-instance-namespaces=azureml", "--alertmanager-instance-namespaces=azureml",
                "--thanos-ruler-instance-namespaces=azureml",
            ]
        ]
    )

    static let kubeStateMetrics = ThirdPartyBundle(
        reference: BundleReference(component: "kube-state-metrics", version: "v2.20.0"),
        namespace: "kube-system",
        names: ["kube-state-metrics": "{EXT}-kube-state-metrics"],
        clusterRoles: ["kube-state-metrics"]
    )

    static let nvidiaDevicePlugin = ThirdPartyBundle(
        reference: BundleReference(component: "nvidia-device-plugin", version: "v0.19.3"),
        namespace: "kube-system"
    )

    static let dcgmExporter = ThirdPartyBundle(
        reference: BundleReference(component: "dcgm-exporter", version: "4.5.3-4.8.2"),
        names: ["dcgm-exporter": "{EXT}-dcgm-exporter"]
    )
}
