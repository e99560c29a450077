import ControlPlaneAPI
import Crypto
import Foundation
import MLTypes
import SwiftASN1
import Testing
import X509

@testable import Extension

/// Settings that hold, one violated at a time.
private let good: [String: String] = [
    "enableTraining": "True", "enableInference": "True", "inferenceRouterServiceType": "LoadBalancer",
    "allowInsecureConnections": "True", "inferenceLoadBalancerHA": "False",
]

private struct Violation: CustomTestStringConvertible, Sendable {
    var name: String
    var change: [String: String?] = [:]
    var protected: [String: String] = [:]
    var wantCode: SettingProblem.Code
    var wantSetting: String
    var wantText: String
    var testDescription: String { name }
}

private let violations: [Violation] = [
    Violation(
        name: "nothing enabled",
        change: ["enableTraining": "False", "enableInference": nil],
        wantCode: .requiredArgumentMissing,
        wantSetting: "enableTraining, enableInference",
        wantText: "enableTraining=True"
    ),
    Violation(
        name: "neither certificate nor insecure",
        change: ["allowInsecureConnections": nil],
        wantCode: .requiredArgumentMissing,
        wantSetting: "sslSecret, sslCertPemFile, sslKeyPemFile",
        wantText: "allowInsecureConnections=True"
    ),
    Violation(
        name: "certificate without name",
        change: ["sslSecret": "tls"],
        wantCode: .requiredArgumentMissing,
        wantSetting: "sslCname",
        wantText: "host name"
    ),
    Violation(
        name: "no service type",
        change: ["inferenceRouterServiceType": nil],
        wantCode: .requiredArgumentMissing,
        wantSetting: "inferenceRouterServiceType",
        wantText: "loadBalancer, nodePort or clusterIP"
    ),
    Violation(
        name: "wrong service type",
        change: ["inferenceRouterServiceType": "external"],
        wantCode: .invalidArgumentValue,
        wantSetting: "inferenceRouterServiceType",
        wantText: "'external'"
    ),
    Violation(
        name: "node port with internal balancer",
        change: ["inferenceRouterServiceType": "nodePort", "internalLoadBalancerProvider": "azure"],
        wantCode: .mutuallyExclusiveArgument,
        wantSetting: "inferenceRouterServiceType, internalLoadBalancerProvider",
        wantText: "contradicts"
    ),
    Violation(
        name: "unknown provider",
        change: ["internalLoadBalancerProvider": "aws"],
        wantCode: .invalidArgumentValue,
        wantSetting: "internalLoadBalancerProvider",
        wantText: "must be one of azure"
    ),
    Violation(
        name: "no boolean",
        change: ["enableTraining": "yes"],
        wantCode: .invalidArgumentValue,
        wantSetting: "enableTraining",
        wantText: "value 'yes' must be True or False"
    ),
    Violation(
        name: "unknown key",
        change: ["enableTrainig": "True"],
        wantCode: .unknownSetting,
        wantSetting: "enableTrainig",
        wantText: "Did you mean 'enableTraining'"
    ),
    Violation(
        name: "same setting twice",
        change: ["inferenceRouterHA": "True"],
        wantCode: .duplicateKeys,
        wantSetting: "inferenceRouterHA",
        wantText: "duplicate keys"
    ),
    Violation(
        name: "plain and protected",
        change: [:],
        protected: ["enableTraining": "True"],
        wantCode: .duplicateKeys,
        wantSetting: "enableTraining",
        wantText: "plain or in the protected"
    ),
    Violation(
        name: "secret in plain settings",
        change: ["sslKeyPemFile": "-----BEGIN PRIVATE KEY-----"],
        wantCode: .invalidArgumentValue,
        wantSetting: "sslKeyPemFile",
        wantText: "--config-protected"
    ),
    Violation(
        name: "half a pair",
        change: [:],
        protected: ["sslCertPemFile": "-----BEGIN CERTIFICATE-----"],
        wantCode: .requiredArgumentMissing,
        wantSetting: "sslKeyPemFile",
        wantText: "Give both"
    ),
    Violation(
        name: "no PEM",
        change: [:],
        protected: ["sslCertPemFile": "/tmp/cert.pem", "sslKeyPemFile": "/tmp/key.pem"],
        wantCode: .invalidSSLSetting,
        wantSetting: "sslCertPemFile",
        wantText: "neither PEM"
    ),
    Violation(
        name: "bad label",
        change: ["nodeSelector.a b": "x"],
        wantCode: .invalidArgumentValue,
        wantSetting: "nodeSelector.a b",
        wantText: "no label key"
    ),
    Violation(
        name: "bad label value",
        change: ["nodeSelector.zone": "a/b"],
        wantCode: .invalidArgumentValue,
        wantSetting: "nodeSelector.zone",
        wantText: "no label value"
    ),
    Violation(
        name: "bad host name",
        change: ["sslSecret": "tls", "sslCname": "under_score.example"],
        wantCode: .invalidArgumentValue,
        wantSetting: "sslCname",
        wantText: "no DNS name"
    ),
    Violation(
        name: "bad secret name",
        change: ["sslSecret": "Not A Name", "sslCname": "a.example"],
        wantCode: .invalidArgumentValue,
        wantSetting: "sslSecret",
        wantText: "no Secret name"
    ),
    Violation(
        name: "bad quantity",
        change: ["scoringFe.resources.limits.memory": "lots"],
        wantCode: .invalidArgumentValue,
        wantSetting: "scoringFe.resources.limits.memory",
        wantText: "no quantity"
    ),
    Violation(
        name: "no registry",
        change: ["imageRegistry": "https://registry.example.com"],
        wantCode: .invalidArgumentValue,
        wantSetting: "imageRegistry",
        wantText: "no registry"
    ),
    Violation(
        name: "no environment cache",
        change: ["environmentCache": "nfs:/x"],
        wantCode: .invalidArgumentValue,
        wantSetting: "environmentCache",
        wantText: "emptyDir, hostPath:/FOLDER or pvc:NAME"
    ),
    Violation(
        name: "no claim name",
        change: ["environmentCache": "pvc:Not Mine"],
        wantCode: .invalidArgumentValue,
        wantSetting: "environmentCache",
        wantText: "PersistentVolumeClaim"
    ),
    Violation(
        name: "bad pull secret",
        change: ["imagePullSecret": "Not A Name"],
        wantCode: .invalidArgumentValue,
        wantSetting: "imagePullSecret",
        wantText: "no Secret name"
    ),
    Violation(
        name: "bad scheduler configuration",
        change: ["volcanoScheduler.schedulerConfigMap": "no/name"],
        wantCode: .invalidArgumentValue,
        wantSetting: "volcanoScheduler.schedulerConfigMap",
        wantText: "no ConfigMap name"
    ),
    Violation(
        name: "limit below the request",
        change: ["scoringFe.resources.limits.memory": "1Mi"],
        wantCode: .invalidArgumentValue,
        wantSetting: "scoringFe.resources.limits.memory",
        wantText: "above its limit"
    ),
    Violation(
        name: "two older service types",
        change: ["privateEndpointNodeport": "True", "privateEndpointILB": "True"],
        wantCode: .mutuallyExclusiveArgument,
        wantSetting: "scoringFe.serviceType.nodePort, privateEndpointILB",
        wantText: "inferenceRouterServiceType"
    ),
    Violation(
        name: "older and newer service type",
        change: ["scoringFe.serviceType.nodePort": "true"],
        wantCode: .mutuallyExclusiveArgument,
        wantSetting: "inferenceRouterServiceType, scoringFe.serviceType.nodePort",
        wantText: "contradicts"
    ),
    Violation(
        name: "URL for a host",
        change: ["sslSecret": "tls", "sslCname": "https://score.example.com"],
        wantCode: .invalidArgumentValue,
        wantSetting: "sslCname",
        wantText: "without scheme"
    ),
    Violation(
        name: "wildcard for a host",
        change: ["sslSecret": "tls", "sslCname": "*.example.com"],
        wantCode: .invalidArgumentValue,
        wantSetting: "sslCname",
        wantText: "wildcard"
    ),
    Violation(
        name: "snake case",
        change: ["enable_training": "True"],
        wantCode: .unknownSetting,
        wantSetting: "enable_training",
        wantText: "Did you mean 'enableTraining'"
    ),
    Violation(
        name: "value of a toleration that exists",
        change: [
            "workLoadToleration[0].key": "gpu", "workLoadToleration[0].operator": "Exists",
            "workLoadToleration[0].value": "a",
        ],
        wantCode: .invalidArgumentValue,
        wantSetting: "workLoadToleration[0].value",
        wantText: "operator Exists"
    ),
    Violation(
        name: "toleration without key",
        change: ["workLoadToleration[0].effect": "NoSchedule"],
        wantCode: .requiredArgumentMissing,
        wantSetting: "workLoadToleration[0].key",
        wantText: "operator=Exists"
    ),
    Violation(
        name: "bad toleration",
        change: ["workLoadToleration[0].effect": "Never"],
        wantCode: .invalidArgumentValue,
        wantSetting: "workLoadToleration[0].effect",
        wantText: "NoSchedule"
    ),
]

@Suite struct SettingsTests {
    @Test func `The settings of the first example hold`() throws {
        let settings = try ExtensionSettings.make(settings: good)
        #expect(settings.enableTraining && settings.enableInference && settings.allowInsecureConnections)
        #expect(settings.inferenceRouterServiceType == .loadBalancer)
        #expect(settings.inferenceRouterHA == false)
        #expect(settings.installVolcano && settings.installPromOp && !settings.installNvidiaDevicePlugin)
    }

    @Test(arguments: violations)
    private func `Each rule has its own error`(violation: Violation) throws {
        var settings = good
        for (key, value) in violation.change { settings[key] = value }
        let error = #expect(throws: SettingsError.self) {
            try ExtensionSettings.make(settings: settings, protectedSettings: violation.protected)
        }
        let problem = try #require(
            error?.problems.first { $0.code == violation.wantCode && $0.setting == violation.wantSetting }
        )
        #expect(problem.description.contains(violation.wantText), "\(problem)")
        #expect(problem.detail.message.contains(violation.wantSetting), "what clients show names the setting")
    }

    @Test(arguments: ["loadbalancer", "LOADBALANCER", "LoadBalancer", "loadBalancer"])
    func `Letter case of service types does not matter`(type: String) throws {
        var settings = good
        settings["inferenceRouterServiceType"] = type
        settings["ENABLETRAINING"] = "tRuE"
        settings["enableTraining"] = nil
        let made = try ExtensionSettings.make(settings: settings)
        #expect(made.inferenceRouterServiceType == .loadBalancer)
        #expect(made.enableTraining)
    }

    @Test func `Node selectors and tolerations are collected`() throws {
        var settings = good
        settings["nodeSelector.disk"] = "ssd"
        settings["nodeSelector.topology.kubernetes.io/zone"] = "a"
        settings["workLoadToleration[1].key"] = "gpu"
        settings["workLoadToleration[1].operator"] = "Exists"
        let made = try ExtensionSettings.make(settings: settings)
        #expect(made.nodeSelector == ["disk": "ssd", "topology.kubernetes.io/zone": "a"])
        #expect(made.workloadTolerations == [.init(key: "gpu", operator: "Exists")])
    }

    @Test func `All problems are told at once`() throws {
        let error = #expect(throws: SettingsError.self) {
            try ExtensionSettings.make(settings: ["enableTraining": "x", "foo": "y", "installVolcano": "z"])
        }
        #expect(error?.problems.count == 3)
    }

    @Test func `Unknown settings can be let through`() throws {
        var settings = good
        settings["brandNew"] = "1"
        settings["logAnalyticsWS"] = "True"
        settings["nginxIngress.controllerConfig.worker-processes"] = "4"
        #expect(
            try ExtensionSettings.make(settings: settings, allowsUnknown: true).ignored == [
                "brandNew", "logAnalyticsWS", "nginxIngress.controllerConfig.worker-processes",
            ]
        )
    }

    @Test func `Ignored settings say why`() throws {
        var settings = good
        settings["relayserver.enabled"] = "True"
        settings["sslCname"] = "a.example.com"
        settings["enableInference"] = "False"
        let made = try ExtensionSettings.make(settings: settings)
        let remarks = made.check(ClusterFacts(clusterType: .connected, nodeCount: 3)).remarks
        #expect(remarks.first { $0.setting == "relayserver.enabled" }?.message.contains("always run the relay") == true)
        #expect(remarks.first { $0.setting == "sslCname" }?.message.contains("without enableInference=True") == true)
        #expect(SettingKey.ignored.allSatisfy { $0.effect.hasPrefix("Ignored: ") && $0.effect.count > 30 })
    }

    @Test func `Exported templates with both spellings of one value hold`() throws {
        var settings = good
        settings["sslSecret"] = "tls"
        settings["scoringFe.sslSecret"] = "tls"
        settings["sslCname"] = "score.example.com"
        settings["inferenceRouterHA"] = "false"
        settings["volcanoScheduler.enable"] = "False"
        let made = try ExtensionSettings.make(settings: settings)
        #expect(made.sslSecret == "tls" && made.inferenceRouterHA == false && !made.installVolcano)
    }

    @Test func `Older ways to give the service type are understood`() throws {
        var settings = good
        settings["inferenceRouterServiceType"] = nil
        settings["privateEndpointNodeport"] = "TRUE"
        #expect(try ExtensionSettings.make(settings: settings).inferenceRouterServiceType == .nodePort)
        settings["privateEndpointNodeport"] = nil
        settings["privateEndpointILB"] = "True"
        let made = try ExtensionSettings.make(settings: settings)
        #expect(made.inferenceRouterServiceType == .loadBalancer && made.internalLoadBalancerProvider == "azure")
    }

    @Test func `Settings of our own are read`() throws {
        var settings = good
        settings["imageRegistry"] = "registry.example.com:5000/mirror"
        settings["imagePullSecret"] = "pull"
        settings["environmentCache"] = "hostPath:/var/cache/envs"
        settings["InferenceRouterHA"] = "FALSE"
        settings["inferenceLoadBalancerHA"] = nil
        let made = try ExtensionSettings.make(settings: settings)
        #expect(made.imageRegistry == "registry.example.com:5000/mirror" && made.imagePullSecret == "pull")
        #expect(made.environmentCache == .hostPath("/var/cache/envs") && made.inferenceRouterHA == false)
    }

    @Test func `A pair goes before a secret, and it is said`() throws {
        let pair = try TestCertificates.Pair.make()
        var settings = good
        settings["sslSecret"] = "tls"
        settings["sslCname"] = "score.example.com"
        let made = try ExtensionSettings.make(
            settings: settings,
            protectedSettings: ["sslCertPemFile": pair.certificate, "sslCertKeyFile": pair.key]
        )
        let remarks = made.check(ClusterFacts(clusterType: .managed, nodeCount: 3)).remarks
        #expect(remarks.contains { $0.setting == "sslSecret" && $0.message.contains("not used") })
    }

    @Test func `Every documented setting is known, with a protected pair`() {
        let names = SettingKey.all.filter { $0.standing == .documented }.map(\.name)
        #expect(names.count == 14)
        #expect(SettingKey.all.filter(\.isProtected).map(\.name) == ["sslCertPemFile", "sslKeyPemFile"])
        #expect(Set(SettingKey.all.map { $0.name.lowercased() }).count == SettingKey.all.count)
    }

    // MARK: What the cluster allows

    @Test func `High availability is off on small clusters, and said so`() throws {
        var settings = try ExtensionSettings.make(settings: good)
        settings.inferenceRouterHA = nil
        let small = ClusterFacts(clusterType: .connected, nodeCount: 1)
        let found = settings.check(small)
        #expect(found.problems.isEmpty)
        #expect(found.remarks.contains { $0.code == .insufficientNode })
        #expect(settings.routerReplicas(small) == 1)
        #expect(settings.routerReplicas(ClusterFacts(clusterType: .connected, nodeCount: 3)) == 3)
        settings.inferenceRouterHA = true
        #expect(settings.check(small).problems.map(\.code) == [.insufficientNode])
        settings.inferenceRouterHA = false
        #expect(settings.routerReplicas(ClusterFacts(clusterType: .connected, nodeCount: 9)) == 1)
    }

    @Test func `An internal load balancer is for AKS`() throws {
        var settings = good
        settings["internalLoadBalancerProvider"] = "azure"
        let made = try ExtensionSettings.make(settings: settings)
        #expect(
            made.check(ClusterFacts(clusterType: .connected, nodeCount: 3)).problems.map(\.code)
                == [.internalLoadBalancerNotSupported]
        )
        #expect(made.check(ClusterFacts(clusterType: .managed, nodeCount: 3)).problems.isEmpty)
        #expect(made.check(ClusterFacts(clusterType: .managed, nodeCount: 3, distribution: "aks")).problems.isEmpty)
        let kind = made.check(ClusterFacts(clusterType: .managed, nodeCount: 3, distribution: "kind")).problems
        #expect(kind.first?.message.contains("this cluster is kind") == true)
    }
}

@Suite struct CertificateRuleTests {
    private func problems(
        _ pair: TestCertificates.Pair,
        key: String? = nil,
        host: String = "score.example.com"
    ) throws -> [SettingProblem] {
        var settings = good
        settings["allowInsecureConnections"] = nil
        settings["sslCname"] = host
        let made = try ExtensionSettings.parse(
            settings: settings,
            protectedSettings: [
                "sslCertPemFile": Data(pair.certificate.utf8).base64EncodedString(), "sslKeyPemFile": key ?? pair.key,
            ]
        )
        return made.validate()
    }

    @Test func `A fitting pair holds`() throws {
        #expect(try problems(.make()).isEmpty)
        #expect(try problems(.make(names: ["*.example.com"])).isEmpty)
    }

    @Test func `Garbage, strangers, age and other names are found`() throws {
        #expect(
            try problems(.make(), key: TestCertificates.Pair.make().key).first?.message.contains("does not belong")
                == true
        )
        #expect(try problems(.make(from: -20, to: -10)).first?.message.contains("expired") == true)
        #expect(try problems(.make(from: 10, to: 20)).first?.message.contains("valid only from") == true)
        #expect(try problems(.make(names: ["other.example.com"])).first?.message.contains("does not cover") == true)
        #expect(try problems(.make(names: ["*.example.com"]), host: "a.b.example.com").count == 1)
        var broken = try TestCertificates.Pair.make()
        broken.certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
        #expect(try problems(broken).first?.code == .invalidSSLSetting)
    }

    @Test func `Addresses are covered by value`() throws {
        let pair = try TestCertificates.Pair.make(
            names: [],
            addresses: [[10, 0, 0, 7], [0x20, 1, 0xd, 0xb8] + Array(repeating: 0, count: 11) + [1]]
        )
        #expect(try problems(pair, host: "10.0.0.7").isEmpty)
        #expect(try problems(pair, host: "2001:DB8::1").isEmpty)
        let other = try problems(pair, host: "10.0.0.8")
        #expect(other.first?.message.contains("10.0.0.7") == true)
        #expect(try problems(.make(names: ["*.0.0.7"]), host: "10.0.0.7").count == 1)
        #expect(try problems(.make(names: []), host: "a.example.com").first?.message.contains("common name") == true)
    }

    @Test func `The chain is checked link by link`() throws {
        let chain = try TestCertificates.Chain.make()
        let good = TestCertificates.Pair(certificate: chain.leaf + chain.intermediate + chain.root, key: chain.key)
        #expect(try problems(good).isEmpty)
        var pair = good
        pair.certificate = chain.intermediate + chain.leaf
        #expect(try problems(pair).contains { $0.message.contains("not the first") })
        pair.certificate = chain.leaf + chain.root
        #expect(try problems(pair).contains { $0.message.contains("did not issue it") })
        pair.certificate = chain.leaf + chain.leaf
        #expect(try problems(pair).contains { $0.message.contains("twice") })
        pair.certificate = chain.leaf + (try TestCertificates.Chain.make()).intermediate
        #expect(try problems(pair).contains { $0.message.contains("was not signed") })
    }

    @Test func `Purpose and age of every certificate count`() throws {
        let client = try TestCertificates.Chain.make(purposes: [.clientAuth])
        var pair = TestCertificates.Pair(certificate: client.leaf, key: client.key)
        #expect(try problems(pair).contains { $0.message.contains("serverAuth") })
        let old = try TestCertificates.Chain.make(intermediateEnd: -1)
        pair = TestCertificates.Pair(certificate: old.leaf + old.intermediate, key: old.key)
        #expect(try problems(pair).contains { $0.message.contains("chain's certificate") })
    }

    @Test func `Keys come in several forms`() throws {
        var pair = try TestCertificates.Pair.make()
        pair.key = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + pair.key
        #expect(try problems(pair).isEmpty)
        pair.key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----"
        #expect(try problems(pair).first?.message.contains("passphrase") == true)
        pair.key = pair.certificate
        #expect(try problems(pair).first?.message.contains("no private key but CERTIFICATE") == true)
        pair = try TestCertificates.Pair.make()
        pair.certificate = pair.key
        #expect(try problems(pair).first?.message.contains("no certificate but") == true)
    }
}
