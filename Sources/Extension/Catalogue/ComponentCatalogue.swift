/// The components of the extension: the seventeen of the reference, in the order in which they are installed.
package enum ComponentCatalogue {
    package static let all: [Component] = [
        relayServer, gateway, volcanoAdmission, volcanoControllers, volcanoScheduler, amlOperator, inferenceOperator,
        router,
        identityController, identityProxy, metricsController, kubeStateMetrics, prometheusOperator, prometheus,
        fluentBit,
        dcgmExporter, nvidiaDevicePlugin,
    ]

    /// Enabled by these settings on this cluster, whether built yet or not.
    package static func enabled(_ settings: ExtensionSettings, _ facts: ClusterFacts) -> [Component] {
        all.filter { $0.isEnabled(settings, facts) }
    }

    /// Health, readiness and metrics of every first-party component.
    package static let healthPort = 8090

    private static let read = ["get", "list", "watch"]
    private static let write = ["get", "list", "watch", "create", "update", "patch", "delete"]
    private static let ml = "amlarc.azureml.com"
    private static let events = Component.Rule("", ["events"], ["get", "create", "patch"])

    /// Leader election; creation cannot be limited by name.
    private static let leases = Component.Rule("coordination.k8s.io", ["leases"], ["get", "create", "update", "patch"])

    static let relayServer = Component(
        nameTemplate: "relayserver",
        workload: .deployment,
        origin: .firstParty,
        availability: .absent("the control plane reaches the gateway directly"),
        condition: "connectedClusters",
        isEnabled: { _, facts in facts.clusterType == .connected },
        work: "Keeps the tunnel to the control plane.",
        resources: .init(cpu: ("20m", "500m"), memory: ("32Mi", "256Mi"))
    )

    static let gateway = Component(
        nameTemplate: "gateway",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        condition: "always",
        isEnabled: { _, _ in true },
        work: "Carries out what the control plane wants and reports nodes, jobs and deployments.",
        resources: .init(cpu: ("20m", "500m"), memory: ("64Mi", "512Mi")),
        ports: [.init(name: "https", containerPort: 5004)],
        services: [.init(name: "gateway", ports: [.init(name: "https", port: 5004, targetPort: "https")])],
        clusterRules: [
            .init(ml, ["amljobs", "onlineendpoints", "onlinedeployments"], write),
            .init("", ["secrets"], ["get", "create", "patch", "delete"]),
            .init("", ["nodes", "pods"], read),
            .init("", ["pods/log", "namespaces"], ["get"]),
        ]
    )

    static let amlOperator = Component(
        nameTemplate: "aml-operator",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        condition: "enableTraining",
        isEnabled: { settings, _ in settings.enableTraining },
        work: "Turns AmlJobs into gangs of pods.",
        resources: .init(cpu: ("20m", "1020m"), memory: ("64Mi", "512Mi")),
        clusterRules: [
            .init(ml, ["amljobs"], ["get", "list", "watch", "update", "patch"]),
            .init(ml, ["amljobs/status", "amljobs/finalizers"], ["get", "update", "patch"]),
            .init(ml, ["instancetypes"], read),
            .init("batch.volcano.sh", ["jobs"], write),
            .init("batch.volcano.sh", ["jobs/status"], ["get"]),
            .init("scheduling.volcano.sh", ["podgroups", "queues"], read),
            .init("", ["pods", "nodes"], read),
            .init("", ["pods/log"], ["get"]),
            .init("", ["configmaps"], write),
            events,
        ],
        namespaceRules: [leases]
    )

    static let inferenceOperator = Component(
        nameTemplate: "inference-operator-controller-manager",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        condition: "enableInference",
        isEnabled: { settings, _ in settings.enableInference },
        work: "Turns online endpoints and deployments into model servers and scales them.",
        resources: .init(cpu: ("20m", "1"), memory: ("64Mi", "512Mi")),
        clusterRules: [
            .init(ml, ["onlineendpoints", "onlinedeployments"], ["get", "list", "watch", "update", "patch"]),
            .init(
                ml,
                [
                    "onlineendpoints/status", "onlinedeployments/status", "onlineendpoints/finalizers",
                    "onlinedeployments/finalizers",
                ],
                ["get", "update", "patch"]
            ),
            .init(ml, ["instancetypes"], read),
            .init("apps", ["deployments"], write),
            .init("", ["pods", "nodes"], read),
            .init("", ["pods/log"], ["get"]),
            .init("", ["configmaps", "services"], write),
            .init("", ["secrets"], ["get"]),
            events,
        ],
        namespaceRules: [leases]
    )

    static let router = Component(
        nameTemplate: "azureml-fe-v2",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        condition: "enableInference",
        isEnabled: { settings, _ in settings.enableInference },
        work: "Routes scoring requests to model servers.",
        resources: .init(cpu: ("100m", "2"), memory: ("64Mi", "1200Mi")),
        ports: [.init(name: "http", containerPort: 8080), .init(name: "https", containerPort: 8443)],
        services: [
            .init(
                name: "azureml-fe",
                ports: [
                    .init(name: "http", port: 80, targetPort: "http"),
                    .init(name: "https", port: 443, targetPort: "https"),
                ],
                isRouter: true
            )
        ],
        clusterRules: [
            .init(ml, ["onlineendpoints", "onlinedeployments"], read),
            .init("", ["secrets"], read),
            .init("discovery.k8s.io", ["endpointslices"], read),
        ],
        podLabels: ["azuremlappname": "azureml-fe", "azuremlappversion": "v2"]
    )

    static let volcanoControllers = Component(
        nameTemplate: "volcano-controllers",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        condition: "enableTraining and installVolcano",
        isEnabled: { settings, _ in settings.enableTraining && settings.installVolcano },
        work: "Runs Volcano jobs: pods, pod groups, queues.",
        resources: .init(cpu: ("20m", "500m"), memory: ("64Mi", "512Mi")),
        clusterRules: [
            .init("batch.volcano.sh", ["jobs", "jobs/status", "jobs/finalizers"], write),
            .init("bus.volcano.sh", ["commands"], ["get", "list", "watch", "delete"]),
            .init(
                "scheduling.volcano.sh",
                ["podgroups", "podgroups/status", "podgroups/finalizers", "queues", "queues/status"],
                write
            ),
            .init("", ["pods", "pods/status"], write),
            .init("", ["services", "configmaps", "secrets"], write),
            .init("", ["persistentvolumeclaims"], ["get", "list", "watch", "create"]),
            .init("networking.k8s.io", ["networkpolicies"], ["get", "create", "delete"]),
            .init("scheduling.k8s.io", ["priorityclasses"], read),
            .init("", ["nodes", "namespaces"], read),
            events,
        ],
        namespaceRules: [leases]
    )

    static let volcanoScheduler = Component(
        nameTemplate: "volcano-scheduler",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        condition: "enableTraining and installVolcano",
        isEnabled: { settings, _ in settings.enableTraining && settings.installVolcano },
        work: "Places gangs of pods on nodes, all or none.",
        resources: .init(cpu: ("20m", "500m"), memory: ("64Mi", "512Mi")),
        services: [
            .init(
                name: "volcano-scheduler-service",
                ports: [.init(name: "metrics", port: 8080, targetPort: "health")]
            )
        ],
        clusterRules: [
            .init("", ["pods"], ["get", "list", "watch", "patch", "update", "delete"]),
            .init("", ["pods/binding"], ["create"]),
            .init("", ["pods/eviction"], ["create"]),
            .init("", ["pods/status"], ["get", "update", "patch"]),
            .init("", ["nodes", "namespaces", "resourcequotas", "persistentvolumeclaims", "persistentvolumes"], read),
            .init("batch.volcano.sh", ["jobs"], ["get", "list", "watch", "patch"]),
            .init(
                "scheduling.volcano.sh",
                ["podgroups", "queues"],
                ["get", "list", "watch", "create", "update", "patch"]
            ),
            .init("scheduling.volcano.sh", ["podgroups/status", "queues/status"], ["get", "update", "patch"]),
            .init("scheduling.k8s.io", ["priorityclasses"], read),
            .init("storage.k8s.io", ["storageclasses"], read),
            .init("", ["configmaps"], ["get", "list", "watch"]),
            events,
        ],
        namespaceRules: [leases]
    )

    static let volcanoAdmission = Component(
        nameTemplate: "volcano-admission",
        workload: .deployment,
        origin: .firstParty,
        availability: .absent("jobs are checked by the controllers instead of a webhook"),
        condition: "enableTraining and installVolcano",
        isEnabled: { settings, _ in settings.enableTraining && settings.installVolcano },
        work: "Checks Volcano jobs when they are created.",
        resources: .init(cpu: ("10m", "100m"), memory: ("64Mi", "256Mi"))
    )

    static let identityController = Component(
        nameTemplate: "amlarc-identity-controller",
        workload: .deployment,
        origin: .firstParty,
        availability: .absent("not built yet"),
        condition: "enableInference",
        isEnabled: { settings, _ in settings.enableInference },
        work: "Fetches and renews tokens for blobs and registries.",
        resources: .init(cpu: ("200m", "1"), memory: ("200Mi", "1024Mi"))
    )

    static let identityProxy = Component(
        nameTemplate: "amlarc-identity-proxy",
        workload: .deployment,
        origin: .firstParty,
        availability: .absent("not built yet"),
        condition: "enableInference",
        isEnabled: { settings, _ in settings.enableInference },
        work: "Gives pods their tokens.",
        resources: .init(cpu: ("200m", "1"), memory: ("200Mi", "1024Mi"))
    )

    static let metricsController = Component(
        nameTemplate: "metrics-controller-manager",
        workload: .deployment,
        origin: .firstParty,
        availability: .absent("not built yet"),
        condition: "always",
        isEnabled: { _, _ in true },
        work: "Configures Prometheus for what runs.",
        resources: .init(cpu: ("10m", "100m"), memory: ("20Mi", "300Mi"))
    )

    static let kubeStateMetrics = Component(
        nameTemplate: "{EXT}-kube-state-metrics",
        workload: .deployment,
        origin: .thirdParty("kube-state-metrics"),
        availability: .absent("not built yet"),
        condition: "installKubeStateMetrics",
        isEnabled: { settings, _ in settings.installKubeStateMetrics },
        work: "Metrics about the cluster's objects.",
        resources: .init(cpu: ("10m", "100m"), memory: ("32Mi", "256Mi"))
    )

    static let prometheusOperator = Component(
        nameTemplate: "{EXT}-prometheus-operator",
        workload: .deployment,
        origin: .thirdParty("prometheus-operator"),
        availability: .absent("not built yet"),
        condition: "installPromOp",
        isEnabled: { settings, _ in settings.installPromOp },
        work: "Runs Prometheus.",
        resources: .init(cpu: ("100m", "400m"), memory: ("128Mi", "512Mi"))
    )

    static let prometheus = Component(
        nameTemplate: "prometheus-prom-prometheus",
        workload: .statefulSet,
        origin: .thirdParty("Prometheus"),
        availability: .absent("not built yet"),
        condition: "always",
        isEnabled: { _, _ in true },
        work: "Collects metrics of jobs.",
        resources: .init(cpu: ("100m", "1"), memory: ("512Mi", "4096Mi"))
    )

    static let fluentBit = Component(
        nameTemplate: "fluent-bit",
        workload: .daemonSet,
        origin: .thirdParty("Fluent Bit"),
        availability: .absent("not built yet"),
        condition: "installFluentBit",
        isEnabled: { settings, _ in settings.installFluentBit },
        work: "Collects logs of components.",
        resources: .init(cpu: ("10m", "200m"), memory: ("100Mi", "300Mi"))
    )

    static let dcgmExporter = Component(
        nameTemplate: "{EXT}-dcgm-exporter",
        workload: .daemonSet,
        origin: .thirdParty("dcgm-exporter"),
        availability: .absent("not built yet"),
        condition: "installDcgmExporter",
        isEnabled: { settings, _ in settings.installDcgmExporter },
        work: "Metrics of GPUs.",
        resources: .init(cpu: ("10m", "200m"), memory: ("64Mi", "256Mi"))
    )

    static let nvidiaDevicePlugin = Component(
        nameTemplate: "nvidia-device-plugin-daemonset",
        workload: .daemonSet,
        origin: .thirdParty("NVIDIA device plugin"),
        availability: .absent("not built yet"),
        condition: "installNvidiaDevicePlugin",
        isEnabled: { settings, _ in settings.installNvidiaDevicePlugin },
        work: "Offers GPUs to pods.",
        resources: .init(cpu: ("10m", "100m"), memory: ("32Mi", "128Mi"))
    )
}
