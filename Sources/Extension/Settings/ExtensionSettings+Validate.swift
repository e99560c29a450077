package import Foundation
internal import KubeCore
internal import MLTypes

extension ExtensionSettings {
    /// Everything that is wrong with the whole of the settings; empty when they can be installed.
    ///
    /// Pure but for the clock.
    package func validate(now: Date = .now) -> [SettingProblem] {
        var problems: [SettingProblem] = []
        if !enableTraining, !enableInference {
            problems.append(
                SettingProblem(
                    .requiredArgumentMissing,
                    "enableTraining, enableInference",
                    "neither enableTraining nor enableInference is True, so nothing would be installed",
                    remedy: "Set enableTraining=True, enableInference=True or both"
                )
            )
        }
        if enableInference { problems += inferenceProblems(now: now) }
        return problems + nameProblems() + resourceProblems()
    }

    /// Values that must be names of objects or registries.
    private func nameProblems() -> [SettingProblem] {
        var problems: [SettingProblem] = []
        func refuse(_ setting: String, _ value: String, _ rule: String, _ remedy: String) {
            problems.append(
                SettingProblem(.invalidArgumentValue, setting, "value '\(value)' is \(rule)", remedy: remedy)
            )
        }
        if let name = volcanoSchedulerConfigMap, !LabelRules.isDNSName(name) {
            refuse(
                "volcanoScheduler.schedulerConfigMap",
                name,
                "no ConfigMap name",
                "Name a ConfigMap in namespace azureml"
            )
        }
        if let name = imagePullSecret, !LabelRules.isDNSName(name) {
            refuse("imagePullSecret", name, "no Secret name", "Name a Secret in namespace azureml")
        }
        if let registry = imageRegistry, !ImageName.isRegistry(registry) {
            refuse(
                "imageRegistry",
                registry,
                "no registry",
                "Write host, host:port or host/path, without a scheme and in lower case"
            )
        }
        if case .persistentVolumeClaim(let name) = environmentCache, !LabelRules.isDNSName(name) {
            refuse(
                "environmentCache",
                name,
                "no name of a PersistentVolumeClaim",
                "Name one that exists in each namespace of jobs and deployments"
            )
        }
        return problems
    }

    /// A request above its limit is refused by every API server.
    private func resourceProblems() -> [SettingProblem] {
        let defaults = ComponentCatalogue.router.resources
        let pairs = [
            ("cpu", defaults.requestCPU, defaults.limitCPU), ("memory", defaults.requestMemory, defaults.limitMemory),
        ]
        return pairs.compactMap { name, request, limit in
            let wanted = routerResources["requests.\(name)"] ?? request
            let bound = routerResources["limits.\(name)"] ?? limit
            guard let low = try? Quantity(parsing: wanted), let high = try? Quantity(parsing: bound), low > high else {
                return nil
            }
            let given = routerResources["requests.\(name)"] == nil ? "limits" : "requests"
            return SettingProblem(
                .invalidArgumentValue,
                "scoringFe.resources.\(given).\(name)",
                "the router's \(name) request \(wanted) is above its limit \(bound)",
                remedy: "Give scoringFe.resources.requests.\(name) and .limits.\(name) that fit"
            )
        }
    }

    private func inferenceProblems(now: Date) -> [SettingProblem] {
        var problems: [SettingProblem] = []
        if !hasTLS, !allowInsecureConnections {
            problems.append(
                SettingProblem(
                    .requiredArgumentMissing,
                    "sslSecret, sslCertPemFile, sslKeyPemFile",
                    "endpoints need a certificate, or the consent to plain HTTP",
                    remedy: "Give sslCertPemFile and sslKeyPemFile, or sslSecret, or set allowInsecureConnections=True"
                )
            )
        }
        if hasTLS, sslCname == nil {
            problems.append(
                SettingProblem(
                    .requiredArgumentMissing,
                    "sslCname",
                    "sslCname is required when a certificate is given",
                    remedy: "Set sslCname to the host name in the certificate"
                )
            )
        }
        if let sslCname, !LabelRules.isDNSName(sslCname), IPAddress(sslCname) == nil {
            problems.append(
                SettingProblem(
                    .invalidArgumentValue,
                    "sslCname",
                    "value '\(sslCname)' is no DNS name",
                    remedy: sslCname.contains("://") || sslCname.contains("/")
                        ? "Write the host name alone, without scheme and path"
                        : sslCname.hasPrefix("*.")
                            ? "Write one host name that the wildcard certificate covers"
                            : "Use a host name such as score.example.com"
                )
            )
        }
        if certificatePair == nil, let sslSecret, !LabelRules.isDNSName(sslSecret) {
            problems.append(
                SettingProblem(
                    .invalidArgumentValue,
                    "sslSecret",
                    "value '\(sslSecret)' is no Secret name",
                    remedy: "Name a Secret in namespace azureml"
                )
            )
        }
        if inferenceRouterServiceType == nil {
            problems.append(
                SettingProblem(
                    .requiredArgumentMissing,
                    "inferenceRouterServiceType",
                    "inferenceRouterServiceType is required with enableInference=True",
                    remedy: "Set it to loadBalancer, nodePort or clusterIP"
                )
            )
        }
        if let provider = internalLoadBalancerProvider, let type = inferenceRouterServiceType, type != .loadBalancer {
            problems.append(
                SettingProblem(
                    .mutuallyExclusiveArgument,
                    "inferenceRouterServiceType, internalLoadBalancerProvider",
                    "internalLoadBalancerProvider=\(provider) contradicts inferenceRouterServiceType=\(type.rawValue)",
                    remedy: "Remove internalLoadBalancerProvider, or use inferenceRouterServiceType=loadBalancer"
                )
            )
        }
        if let certificatePair {
            problems += CertificateRules.problems(certificatePair, host: sslCname, now: now)
        }
        return problems
    }

    /// What the settings mean on a cluster with these properties: problems that stop the installation, remarks that do not.
    package func check(_ facts: ClusterFacts) -> (problems: [SettingProblem], remarks: [SettingProblem]) {
        var problems: [SettingProblem] = []
        var remarks: [SettingProblem] = []
        if enableInference, facts.nodeCount < Self.nodesForHA {
            let message =
                "the cluster has \(facts.nodeCount) worker node\(facts.nodeCount == 1 ? "" : "s"), high availability of the router needs \(Self.nodesForHA)"
            if inferenceRouterHA == true {
                problems.append(
                    SettingProblem(
                        .insufficientNode,
                        "inferenceRouterHA",
                        message,
                        remedy: "Set inferenceRouterHA=False, or add nodes"
                    )
                )
            } else if inferenceRouterHA == nil, clusterPurpose != "DevTest" {
                remarks.append(
                    SettingProblem(
                        .insufficientNode,
                        "inferenceRouterHA",
                        message + "; one router is installed",
                        remedy: "Add nodes, then update the extension with inferenceRouterHA=True"
                    )
                )
            }
        }
        if enableInference, internalLoadBalancerProvider != nil, let kind = Self.otherThanAKS(facts) {
            problems.append(
                SettingProblem(
                    .internalLoadBalancerNotSupported,
                    "internalLoadBalancerProvider",
                    "an internal load balancer works on AKS only, and this cluster is \(kind)",
                    remedy: "Remove internalLoadBalancerProvider"
                )
            )
        }
        if enableInference, allowInsecureConnections, !hasTLS {
            remarks.append(
                SettingProblem(
                    .invalidArgumentValue,
                    "allowInsecureConnections",
                    "endpoints are served over plain HTTP",
                    remedy: "Use a certificate outside of development and test"
                )
            )
        }
        if certificatePair != nil, let sslSecret, enableInference {
            remarks.append(
                SettingProblem(
                    .mutuallyExclusiveArgument,
                    "sslSecret",
                    "sslCertPemFile and sslKeyPemFile go before sslSecret '\(sslSecret)', which is not used",
                    remedy: "Give one of the two"
                )
            )
        }
        remarks += uselessRemarks
        for name in ignored {
            let reason = SettingKey.named(name).map { $0.standing == .ignored ? $0.effect : "" } ?? ""
            let text = reason.isEmpty ? "" : ": " + reason.dropFirst("Ignored: ".count).dropLast()
            remarks.append(
                SettingProblem(.unknownSetting, name, "'\(name)' has no effect here\(text)", remedy: "Remove it")
            )
        }
        return (problems, remarks)
    }

    /// Settings of a half of the extension that is not installed.
    private var uselessRemarks: [SettingProblem] {
        let inference: Set<String> = [
            "allowInsecureConnections", "inferenceRouterServiceType", "internalLoadBalancerProvider", "sslSecret",
            "sslCname", "inferenceRouterHA", "sslCertPemFile", "sslKeyPemFile",
        ]
        let training: Set<String> = ["installVolcano", "volcanoScheduler.schedulerConfigMap"]
        var remarks: [SettingProblem] = []
        for (names, isUsed, needed) in [
            (inference, enableInference, "enableInference"), (training, enableTraining, "enableTraining"),
        ] where !isUsed {
            for name in given.intersection(names).sorted() {
                remarks.append(
                    SettingProblem(
                        .unknownSetting,
                        name,
                        "'\(name)' has no effect without \(needed)=True",
                        remedy: "Remove it, or set \(needed)=True"
                    )
                )
            }
        }
        return remarks
    }

    /// What the cluster is instead of AKS; nil when it is that, or may be.
    private static func otherThanAKS(_ facts: ClusterFacts) -> String? {
        if facts.clusterType != .managed { return "one of \(facts.clusterType.rawValue)" }
        let mayBe = ["", "aks", "generic", ClusterFacts.embeddedDistribution]
        return mayBe.contains(facts.distribution) ? nil : facts.distribution
    }

    static let nodesForHA = 3

    /// How many routers run on a cluster with these properties.
    package func routerReplicas(_ facts: ClusterFacts) -> Int {
        let wanted = inferenceRouterHA ?? (clusterPurpose != "DevTest")
        return wanted && facts.nodeCount >= Self.nodesForHA ? 3 : 1
    }
}
