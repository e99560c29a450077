extension SettingKey {
    /// Understood by the reference's command line or chart, and with a meaning here.
    static let additional: [SettingKey] = [
        SettingKey(
            "clusterPurpose",
            .choice(["DevTest", "FastProd"]),
            .additional,
            "DevTest runs one router unless inferenceRouterHA says otherwise."
        ),
        SettingKey(
            "scoringFe.serviceType.nodePort",
            aliases: ["privateEndpointNodeport"],
            .boolean,
            .additional,
            "True is inferenceRouterServiceType=nodePort, as older templates write it."
        ),
        SettingKey(
            "privateEndpointILB",
            .boolean,
            .additional,
            "True is inferenceRouterServiceType=loadBalancer with internalLoadBalancerProvider=azure, as older templates write it."
        ),
        SettingKey(
            "volcanoScheduler.schedulerConfigMap",
            .text,
            .additional,
            "ConfigMap in namespace azureml with the configuration of Volcano's scheduler."
        ),
        SettingKey(
            "amloperator.skipResourceValidation",
            .boolean,
            default: "False",
            .additional,
            "Accepts jobs that no present node can hold, for clusters that grow."
        ),
        SettingKey("scoringFe.resources.requests.cpu", .quantity, .additional, "CPU request of the router."),
        SettingKey("scoringFe.resources.requests.memory", .quantity, .additional, "Memory request of the router."),
        SettingKey("scoringFe.resources.limits.cpu", .quantity, .additional, "CPU limit of the router."),
        SettingKey("scoringFe.resources.limits.memory", .quantity, .additional, "Memory limit of the router."),
        SettingKey(
            "openshift",
            .boolean,
            .additional,
            "True leaves the user ids of pods to OpenShift; detected when not given."
        ),
        SettingKey("clusterId", .text, .additional, "Resource id of the cluster, for metrics and reports."),
        SettingKey("cluster_name", .text, .additional, "Resource id of the cluster, as older templates give it."),
        SettingKey("cluster_name_friendly", .text, .additional, "Name of the cluster."),
        SettingKey("location", .text, .additional, "Region of the cluster, for labels and reports."),
        SettingKey(
            "prometheus.prometheusSpec.externalLabels.cluster_name",
            .text,
            .additional,
            "Label cluster_name on the metrics that Prometheus passes on; the cluster's resource id when not given."
        ),
    ]

    /// Known to the reference, without a meaning here, each with the reason.
    static let ignored: [SettingKey] = [
        ignore("isAKSMigration", "there is no earlier router to take over from; the router stays in namespace azureml"),
        ignore("logAnalyticsWS", noWorkspace), ignore("azure_log_analytics.*", noWorkspace),
        ignore(
            "relayserver.*",
            "connectedClusters always run the relay, managedClusters never; it needs no Azure Relay"
        ),
        ignore("relayServerConnectionString", "the relay dials the control plane itself; it needs no Azure Relay"),
        ignore("servicebus.*", noServiceBus), ignore("serviceBusConnectionString", noServiceBus),
        ignore("nginxIngress.*", "no ingress controller is installed; the router is reached through its own service"),
        ignore("scoringFe.namespace", "the router stays in namespace azureml"),
        ignore("scoringFe.enableUpgrade", "there is no earlier router to take over from"),
        ignore("scoringFe.resourcesEnvoy.*", oneProcess), ignore("scoringFe.resourcesXds.*", oneProcess),
        ignore("scoringFe.resourcesClb.*", oneProcess),
        ignore("jobSchedulerLocation", "jobs are scheduled by this cluster's control plane"),
        ignore("domain", "scoring addresses take their host from sslCname or from the router's service"),
        ignore("clusterName", "use cluster_name_friendly"),
        ignore("amloperator.custom_ip_interface_enabled", namesOfPods),
        ignore("amloperator.custom_ip_interface", namesOfPods),
        ignore(
            "enable_https",
            "connections between components are always encrypted, by certificates of its own"
        ),
        ignore("volumePluginDir", noDriver), ignore("blobfuseSysctlInstall.*", noDriver),
        ignore("blobCsiDriverEnabled", noDriver),
    ]

    private static let noWorkspace = "logs stay on the cluster; there is no Log Analytics workspace"
    private static let noServiceBus = "the gateway reports to the control plane directly; there is no Service Bus"
    private static let oneProcess = "the router is one process; use scoringFe.resources"
    private static let namesOfPods = "processes of a job find each other by the names of their pods"
    private static let noDriver = "inputs are downloaded by the job's own pods; no volume driver is installed"

    private static func ignore(_ name: String, _ reason: String) -> SettingKey {
        SettingKey(name, .text, .ignored, "Ignored: \(reason).")
    }
}
