extension SettingKey {
    /// Source: the reference's table of settings.
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
            "Serves endpoints over plain HTTP, beside HTTPS when a certificate is given; for development and test."
        ),
        SettingKey(
            "inferenceRouterServiceType",
            .choice(["loadBalancer", "nodePort", "clusterIP"]),
            .documented,
            "Service type of the inference router; required with enableInference."
        ),
        SettingKey(
            "internalLoadBalancerProvider",
            aliases: ["scoringFe.serviceType.internalLoadBalancer"],
            .choice(["azure"]),
            .documented,
            "Uses an internal load balancer for the router; AKS only."
        ),
        SettingKey(
            "sslSecret",
            aliases: ["scoringFe.sslSecret"],
            .text,
            .documented,
            "Secret in namespace azureml with the router's certificate and key (cert.pem and key.pem, or tls.crt and tls.key)."
        ),
        SettingKey(
            "sslCname",
            .text,
            .documented,
            "Host name in scoring addresses, covered by the certificate; required with HTTPS."
        ),
        SettingKey(
            "inferenceRouterHA",
            aliases: ["inferenceLoadBalancerHA"],
            .boolean,
            default: "True",
            .documented,
            "Three routers on three nodes; one when False. Not given on a cluster of fewer nodes: one, and said so."
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
            aliases: ["volcanoScheduler.enable"],
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
            aliases: ["scoringFe.sslKey", "sslCertKeyFile"],
            .pem,
            isProtected: true,
            .documented,
            "Private key of the router's certificate, PEM without passphrase."
        ),
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
        SettingKey(
            "imageRegistry",
            .text,
            .own,
            "Registry, with path if need be, that replaces the registry in the name of every image the extension runs."
        ),
        SettingKey(
            "imagePullSecret",
            .text,
            .own,
            "Secret in namespace azureml with which the components' images are pulled."
        ),
        SettingKey(
            "environmentCache",
            .text,
            .own,
            "Where built Python environments are kept: emptyDir, hostPath:/FOLDER or pvc:NAME; emptyDir on real clusters."
        ),
    ]
}
