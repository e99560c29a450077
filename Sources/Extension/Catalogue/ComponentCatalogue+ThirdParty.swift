extension ComponentCatalogue {
    private static let onRealClusters = "part of the extension on real clusters only"

    static let kubeStateMetrics = Component(
        nameTemplate: "{EXT}-kube-state-metrics",
        workload: .deployment,
        origin: .thirdParty("kube-state-metrics"),
        availability: .absent(onRealClusters),
        realAvailability: .bundle(ThirdPartyBundle.kubeStateMetrics.reference),
        condition: "installKubeStateMetrics",
        isEnabled: { settings, _ in settings.installKubeStateMetrics },
        work: "Metrics about the cluster's objects.",
        resources: .init(cpu: ("10m", "100m"), memory: ("32Mi", "256Mi"))
    )

    static let prometheusOperator = Component(
        nameTemplate: "{EXT}-prometheus-operator",
        workload: .deployment,
        origin: .thirdParty("prometheus-operator"),
        availability: .absent(onRealClusters),
        realAvailability: .bundle(ThirdPartyBundle.prometheusOperator.reference),
        condition: "installPromOp",
        isEnabled: { settings, _ in settings.installPromOp },
        work: "Runs Prometheus.",
        resources: .init(cpu: ("100m", "400m"), memory: ("128Mi", "512Mi"))
    )

    /// The operator makes its pods of a custom resource, so it has no objects of its own upstream.
    static let prometheus = Component(
        nameTemplate: "prometheus-prom-prometheus",
        workload: .statefulSet,
        origin: .thirdParty("Prometheus"),
        availability: .absent(onRealClusters),
        realAvailability: .implemented,
        condition: "always",
        isEnabled: { _, _ in true },
        work: "Collects metrics of jobs.",
        resources: .init(cpu: ("100m", "1"), memory: ("512Mi", "4096Mi")),
        ports: [.init(name: "web", containerPort: 9090)],
        services: [
            .init(name: "prom-prometheus", ports: [.init(name: "web", port: 9090, targetPort: "web")])
        ],
        clusterRules: [
            .init("", ["nodes/metrics"], ["get"]),
            .init("", ["nodes"], observe),
        ],
        namespaceRules: [
            .init("", ["services", "endpoints", "pods"], observe),
            .init("discovery.k8s.io", ["endpointslices"], observe),
        ]
    )

    static let fluentBit = Component(
        nameTemplate: "fluent-bit",
        workload: .daemonSet,
        origin: .thirdParty("Fluent Bit"),
        availability: .absent("logs stay with the cluster, where kubectl logs and k8s-extension diagnose read them"),
        realAvailability: .absent(
            "it needs the nodes' log folders, which Baseline Pod Security forbids, and there is nowhere to send logs; kubectl logs and k8s-extension diagnose read them"
        ),
        condition: "installFluentBit",
        isEnabled: { settings, _ in settings.installFluentBit },
        work: "Collects logs of components.",
        resources: .init(cpu: ("10m", "200m"), memory: ("100Mi", "300Mi"))
    )

    static let dcgmExporter = Component(
        nameTemplate: "{EXT}-dcgm-exporter",
        workload: .daemonSet,
        origin: .thirdParty("dcgm-exporter"),
        availability: .absent(onRealClusters),
        realAvailability: .bundle(ThirdPartyBundle.dcgmExporter.reference),
        condition: "installDcgmExporter",
        isEnabled: { settings, _ in settings.installDcgmExporter },
        work: "Metrics of GPUs.",
        resources: .init(cpu: ("10m", "200m"), memory: ("64Mi", "256Mi"))
    )

    static let nvidiaDevicePlugin = Component(
        nameTemplate: "nvidia-device-plugin-daemonset",
        workload: .daemonSet,
        origin: .thirdParty("NVIDIA device plugin"),
        availability: .absent(onRealClusters),
        realAvailability: .bundle(ThirdPartyBundle.nvidiaDevicePlugin.reference),
        condition: "installNvidiaDevicePlugin",
        isEnabled: { settings, _ in settings.installNvidiaDevicePlugin },
        work: "Offers GPUs to pods.",
        resources: .init(cpu: ("10m", "100m"), memory: ("32Mi", "128Mi"))
    )
}
