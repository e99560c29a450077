package import Foundation

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
        if let name = volcanoSchedulerConfigMap, !LabelRules.isDNSName(name) {
            problems.append(
                SettingProblem(
                    .invalidArgumentValue,
                    "volcanoScheduler.schedulerConfigMap",
                    "value '\(name)' is no ConfigMap name",
                    remedy: "Name a ConfigMap in namespace azureml"
                )
            )
        }
        return problems
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
        if let sslCname, !LabelRules.isDNSName(sslCname) {
            problems.append(
                SettingProblem(
                    .invalidArgumentValue,
                    "sslCname",
                    "value '\(sslCname)' is no DNS name",
                    remedy: "Use a host name such as score.example.com"
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
        if internalLoadBalancerProvider != nil, facts.clusterType != .managed {
            problems.append(
                SettingProblem(
                    .internalLoadBalancerNotSupported,
                    "internalLoadBalancerProvider",
                    "an internal load balancer works on AKS (managedClusters) only, and this is \(facts.clusterType.rawValue)",
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
        for name in ignored {
            remarks.append(
                SettingProblem(.unknownSetting, name, "'\(name)' has no effect here", remedy: "Remove it")
            )
        }
        return (problems, remarks)
    }

    static let nodesForHA = 3

    /// How many routers run on a cluster with these properties.
    package func routerReplicas(_ facts: ClusterFacts) -> Int {
        let wanted = inferenceRouterHA ?? (clusterPurpose != "DevTest")
        return wanted && facts.nodeCount >= Self.nodesForHA ? 3 : 1
    }
}
