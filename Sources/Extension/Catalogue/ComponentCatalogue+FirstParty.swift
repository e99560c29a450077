extension ComponentCatalogue {
    static let relayServer = Component(
        nameTemplate: "relayserver",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        condition: "connectedClusters",
        isEnabled: { _, facts in facts.clusterType == .connected },
        work: "Keeps the tunnel to the control plane.",
        resources: .init(cpu: ("20m", "500m"), memory: ("32Mi", "256Mi")),
        usesAPI: false,
        replicas: { _, facts in facts.nodeCount > 1 ? 2 : 1 }
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
        ports: [.init(name: "https", containerPort: gatewayPort)],
        services: [.init(name: "gateway", ports: [.init(name: "https", port: gatewayPort, targetPort: "https")])],
        clusterRules: [
            .init(
                ml,
                ["amljobs", "onlineendpoints", "onlinedeployments"],
                ["get", "list", "watch", "create", "update", "patch", "delete"]
            ),
            .init("", ["secrets"], ["get", "create", "patch", "delete"]),
            .init("", ["nodes", "pods"], ["get", "list"]),
            .init("", ["namespaces", "pods/log"], ["get"]),
        ],
        namespaceRules: [
            // What the gateway has carried out; creation cannot be limited by name.
            .init("", ["configmaps"], ["get", "update", "patch"], names: ["outrigger-gateway-commands"]),
            .init("", ["configmaps"], ["create"]),
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
            .init(ml, ["amljobs", "instancetypes"], observe),
            .init(ml, ["amljobs/status"], ["update"]),
            // Its children name the job as an owner that waits for them.
            .init(ml, ["amljobs/finalizers"], ["update"]),
            .init(volcanoBatch, ["jobs"], ["get", "list", "watch", "create", "patch", "delete"]),
            .init(volcanoScheduling, ["podgroups"], observe),
            .init("", ["pods"], observe),
            .init("", ["configmaps"], ["create", "patch"]),
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
            .init(ml, ["onlineendpoints", "instancetypes"], observe),
            // It makes the endpoint the owner, which clusters that guard owner references tie to deletion.
            .init(ml, ["onlinedeployments"], ["get", "list", "watch", "patch", "delete"]),
            .init(ml, ["onlineendpoints/status", "onlinedeployments/status"], ["update"]),
            .init(ml, ["onlineendpoints/finalizers", "onlinedeployments/finalizers"], ["update"]),
            .init("apps", ["deployments"], ["get", "list", "watch", "create", "patch"]),
            .init("", ["services"], ["get", "list", "watch", "create", "patch"]),
            .init("", ["configmaps"], ["create", "patch"]),
            .init("", ["pods"], observe),
            .init("", ["nodes"], ["list"]),
            .init("", ["pods/log", "secrets"], ["get"]),
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
        ports: [
            .init(name: "http", containerPort: 8080, condition: .insecure),
            .init(name: "https", containerPort: 8443, condition: .tls),
        ],
        services: [
            .init(
                name: "azureml-fe",
                ports: [
                    .init(name: "http", port: 80, targetPort: "http", condition: .insecure),
                    .init(name: "https", port: 443, targetPort: "https", condition: .tls),
                ],
                isRouter: true
            )
        ],
        clusterRules: [
            .init(ml, ["onlineendpoints", "onlinedeployments"], observe),
            // Informers list by label, which permissions cannot say.
            .init("", ["secrets"], observe),
            .init("discovery.k8s.io", ["endpointslices"], observe),
        ],
        podLabels: ["azuremlappname": "azureml-fe", "azuremlappversion": "v2"],
        replicas: { settings, facts in settings.routerReplicas(facts) }
    )

    static let volcanoControllers = Component(
        nameTemplate: "volcano-controllers",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        realAvailability: .bundle(ThirdPartyBundle.volcano.reference),
        condition: "enableTraining and installVolcano",
        isEnabled: { settings, _ in settings.enableTraining && settings.installVolcano },
        work: "Runs Volcano jobs: pods, pod groups, queues.",
        resources: .init(cpu: ("20m", "500m"), memory: ("64Mi", "512Mi")),
        upstreamResources: .init(cpu: ("50m", "500m"), memory: ("128Mi", "512Mi")),
        clusterRules: [
            .init(volcanoBatch, ["jobs"], ["get", "list", "watch", "delete"]),
            .init(volcanoBatch, ["jobs/status", "jobs/finalizers"], ["update"]),
            .init("bus.volcano.sh", ["commands"], ["get", "list", "watch", "delete"]),
            .init(volcanoScheduling, ["podgroups"], ["get", "list", "watch", "create", "update"]),
            .init(volcanoScheduling, ["queues"], ["get", "list", "watch", "create"]),
            .init(volcanoScheduling, ["queues/status"], ["update"]),
            .init("", ["pods"], ["get", "list", "watch", "create", "delete"]),
            .init("", ["services", "configmaps", "persistentvolumeclaims"], ["create"]),
            events,
        ],
        namespaceRules: [leases]
    )

    static let volcanoScheduler = Component(
        nameTemplate: "volcano-scheduler",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        realAvailability: .bundle(ThirdPartyBundle.volcano.reference),
        condition: "enableTraining and installVolcano",
        isEnabled: { settings, _ in settings.enableTraining && settings.installVolcano },
        work: "Places gangs of pods on nodes, all or none.",
        resources: .init(cpu: ("20m", "500m"), memory: ("64Mi", "512Mi")),
        upstreamResources: .init(cpu: ("50m", "500m"), memory: ("128Mi", "512Mi")),
        services: [
            .init(
                name: "volcano-scheduler-service",
                ports: [.init(name: "metrics", port: 8080, targetPort: "health")]
            )
        ],
        clusterRules: [
            .init("", ["pods", "nodes"], observe),
            .init("", ["pods/binding"], ["create"]),
            .init("", ["pods/status"], ["patch"]),
            .init(volcanoScheduling, ["podgroups", "queues"], observe),
            .init(volcanoScheduling, ["podgroups/status"], ["patch"]),
            .init("scheduling.k8s.io", ["priorityclasses"], observe),
            events,
        ],
        namespaceRules: [leases]
    )

    static let volcanoAdmission = Component(
        nameTemplate: "volcano-admission",
        workload: .deployment,
        origin: .firstParty,
        availability: .implemented,
        realAvailability: .bundle(ThirdPartyBundle.volcano.reference),
        condition: "enableTraining and installVolcano",
        isEnabled: { settings, _ in settings.enableTraining && settings.installVolcano },
        work: "Checks and completes Volcano jobs when they are created.",
        resources: .init(cpu: ("10m", "100m"), memory: ("64Mi", "256Mi")),
        ports: [.init(name: "webhook", containerPort: admissionPort)],
        services: [
            .init(
                name: "volcano-admission-service",
                ports: [.init(name: "webhook", port: 443, targetPort: "webhook")]
            )
        ],
        clusterRules: [.init(volcanoScheduling, ["queues"], ["get"])]
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
}
