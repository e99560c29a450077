import ControlPlaneAPI
import Crypto
import Foundation
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
        #expect(
            try ExtensionSettings.make(settings: settings, allowsUnknown: true).ignored == [
                "brandNew", "logAnalyticsWS",
            ]
        )
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
}

enum TestCertificates {
    struct Pair {
        var certificate: String
        var key: String

        /// Self-signed; `from` and `to` in days from now.
        static func make(names: [String] = ["score.example.com"], from: Int = -1, to: Int = 30) throws -> Pair {
            let key = P256.Signing.PrivateKey()
            let name = try DistinguishedName { CommonName("test") }
            let certificate = try Certificate(
                version: .v3,
                serialNumber: Certificate.SerialNumber(),
                publicKey: .init(key.publicKey),
                notValidBefore: .now.addingTimeInterval(Double(from) * 86400),
                notValidAfter: .now.addingTimeInterval(Double(to) * 86400),
                issuer: name,
                subject: name,
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions { SubjectAlternativeNames(names.map { .dnsName($0) }) },
                issuerPrivateKey: .init(key)
            )
            return Pair(certificate: try certificate.serializeAsPEM().pemString, key: key.pemRepresentation)
        }
    }
}
