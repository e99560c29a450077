/// One configuration setting that a user can give: its name, what it takes, and what it does.
///
/// The table is the only place that knows names; parsing, error messages and the reference page come from it.
package struct SettingKey: Sendable, Hashable {
    package enum Value: Sendable, Hashable {
        case boolean
        case text
        /// One of these, letter case aside.
        case choice([String])
        /// A Kubernetes quantity such as `500m` or `1Gi`.
        case quantity
        /// PEM text, as such or in base64.
        case pem
    }

    /// Where a setting comes from.
    package enum Standing: String, Sendable {
        /// In the reference's table of settings.
        case documented
        /// Understood by the reference, not in its table.
        case additional
        /// Our own.
        case own
        /// Known to the reference, without a meaning here: accepted, and said to be ignored.
        case ignored
    }

    package let name: String
    package let aliases: [String]
    package let value: Value
    /// What holds when it is not given; nil = nothing.
    package let defaultValue: String?
    /// Must be given as a protected setting: it is a secret.
    package let isProtected: Bool
    package let standing: Standing
    /// One sentence.
    package let effect: String

    package init(
        _ name: String,
        aliases: [String] = [],
        _ value: Value,
        default defaultValue: String? = nil,
        isProtected: Bool = false,
        _ standing: Standing,
        _ effect: String
    ) {
        self.name = name
        self.aliases = aliases
        self.value = value
        self.defaultValue = defaultValue
        self.isProtected = isProtected
        self.standing = standing
        self.effect = effect
    }
}

extension SettingKey {
    /// Settings with free second parts: `nodeSelector.<label>`.
    package static let nodeSelectorPrefix = "nodeSelector."
    package static let tolerationPrefix = "workLoadToleration["

    package static let all: [SettingKey] = documented + additional + own + ignored

    static let documented: [SettingKey] = [
        SettingKey(
            "enableTraining",
            .boolean,
            default: "False",
            .documented,
            "Installs what training jobs and batch scoring need."
        ),
        SettingKey(
            "enableInference",
            .boolean,
            default: "False",
            .documented,
            "Installs the inference router and the operator of online endpoints."
        ),
        SettingKey(
            "allowInsecureConnections",
            .boolean,
            default: "False",
            .documented,
            "Serves endpoints over plain HTTP; for development and test."
        ),
        SettingKey(
            "inferenceRouterServiceType",
            .choice(["loadBalancer", "nodePort", "clusterIP"]),
            .documented,
            "Service type of the inference router; required with enableInference."
        ),
        SettingKey(
            "internalLoadBalancerProvider",
            .choice(["azure"]),
            .documented,
            "Uses an internal load balancer for the router; AKS only."
        ),
        SettingKey(
            "sslSecret",
            .text,
            .documented,
            "Secret in namespace azureml with the router's certificate and key (cert.pem and key.pem, or tls.crt and tls.key)."
        ),
        SettingKey("sslCname", .text, .documented, "Host name in scoring addresses; required with HTTPS."),
        SettingKey(
            "inferenceRouterHA",
            aliases: ["inferenceLoadBalancerHA"],
            .boolean,
            default: "True",
            .documented,
            "Three routers on three nodes; one when False."
        ),
        SettingKey(
            "installNvidiaDevicePlugin",
            .boolean,
            default: "False",
            .documented,
            "Installs the NVIDIA device plugin."
        ),
        SettingKey(
            "installPromOp",
            .boolean,
            default: "True",
            .documented,
            "Installs the Prometheus operator; False reuses the cluster's."
        ),
        SettingKey(
            "installVolcano",
            .boolean,
            default: "True",
            .documented,
            "Installs Volcano for training; False reuses the cluster's."
        ),
        SettingKey(
            "installDcgmExporter",
            .boolean,
            default: "False",
            .documented,
            "Installs the GPU metrics exporter."
        ),
        SettingKey(
            "sslCertPemFile",
            aliases: ["scoringFe.sslCert"],
            .pem,
            isProtected: true,
            .documented,
            "Certificate chain of the router, PEM: server, intermediate, root."
        ),
        SettingKey(
            "sslKeyPemFile",
            aliases: ["scoringFe.sslKey"],
            .pem,
            isProtected: true,
            .documented,
            "Private key of the router's certificate, PEM without passphrase."
        ),
    ]

    static let additional: [SettingKey] = [
        SettingKey(
            "clusterPurpose",
            .choice(["DevTest", "FastProd"]),
            .additional,
            "DevTest runs one router unless inferenceRouterHA says otherwise."
        ),
        SettingKey(
            "volcanoScheduler.schedulerConfigMap",
            .text,
            .additional,
            "ConfigMap in namespace azureml with the scheduler's configuration."
        ),
        SettingKey(
            "amloperator.skipResourceValidation",
            .boolean,
            default: "False",
            .additional,
            "Accepts jobs that no present node can hold, for clusters that grow."
        ),
        SettingKey(
            "scoringFe.resources.requests.cpu",
            .quantity,
            .additional,
            "CPU request of the router."
        ),
        SettingKey(
            "scoringFe.resources.requests.memory",
            .quantity,
            .additional,
            "Memory request of the router."
        ),
        SettingKey("scoringFe.resources.limits.cpu", .quantity, .additional, "CPU limit of the router."),
        SettingKey("scoringFe.resources.limits.memory", .quantity, .additional, "Memory limit of the router."),
        SettingKey("clusterId", .text, .additional, "Resource id of the cluster, for labels and reports."),
        SettingKey("cluster_name", .text, .additional, "Resource id of the cluster, as older templates give it."),
        SettingKey("cluster_name_friendly", .text, .additional, "Name of the cluster."),
        SettingKey("location", .text, .additional, "Region of the cluster, for labels and reports."),
    ]

    static let own: [SettingKey] = [
        SettingKey(
            "installKubeStateMetrics",
            .boolean,
            default: "True",
            .own,
            "Installs kube-state-metrics; False reuses the cluster's."
        ),
        SettingKey("installFluentBit", .boolean, default: "True", .own, "Installs the log shipper."),
    ]

    static let ignored: [SettingKey] =
        ([
            "isAKSMigration", "logAnalyticsWS", "relayserver.enabled", "relayserver.relayConnectionString",
            "relayServerConnectionString", "relayserver.hybridConnectionResourceID", "relayserver.hybridConnectionName",
            "servicebus.enabled", "serviceBusConnectionString", "servicebus.resourceID", "nginxIngress.enabled",
            "nginxIngress.controller", "nginxIngress.controllerConfig.worker-processes",
            "nginxIngress.resources.controller.limits.memory", "scoringFe.serviceType.nodePort",
            "scoringFe.serviceType.internalLoadBalancer", "scoringFe.sslSecret", "scoringFe.namespace",
            "scoringFe.enableUpgrade", "openshift", "clusterName", "jobSchedulerLocation", "domain",
            "prometheus.prometheusSpec.externalLabels.cluster_name", "volcanoScheduler.enable",
            "amloperator.custom_ip_interface_enabled", "amloperator.custom_ip_interface", "enable_https",
            "volumePluginDir",
            "blobfuseSysctlInstall.enabled", "blobCsiDriverEnabled", "privateEndpointILB", "privateEndpointNodeport",
        ] as [String]).map { SettingKey($0, .text, .ignored, "Has no meaning here.") }

    /// Lower-cased name or alias → key.
    static let byName: [String: SettingKey] = {
        var keys: [String: SettingKey] = [:]
        for key in all {
            for name in [key.name] + key.aliases { keys[name.lowercased()] = key }
        }
        return keys
    }()

    /// The known name that is closest to `name`, when one is close.
    static func nearest(to name: String) -> String? {
        let wanted = Array(name.lowercased().utf8)
        let known =
            all.filter { $0.standing != .ignored }.flatMap { [$0.name] + $0.aliases } + [nodeSelectorPrefix + "<label>"]
        let scored = known.map { ($0, editDistance(wanted, Array($0.lowercased().utf8))) }
        guard let best = scored.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }) else { return nil }
        return best.1 <= max(3, wanted.count / 3) ? best.0 : nil
    }

    /// Insertions, deletions and replacements that lead from one to the other.
    private static func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var previous = Array(0...right.count)
        for (row, byte) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                let replacement = previous[column] + (byte == other ? 0 : 1)
                current.append(min(replacement, previous[column + 1] + 1, current[column] + 1))
            }
            previous = current
        }
        return previous[right.count]
    }
}
