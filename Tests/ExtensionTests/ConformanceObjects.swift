import Foundation
import KubeCore
import Testing

@testable import Extension

/// Writes the objects of every combination for `Tests/Conformance/run --objects`; only with `OUTRIGGER_CONFORMANCE` set.
@Suite struct ConformanceObjects {
    private static let folder = ProcessInfo.processInfo.environment["OUTRIGGER_CONFORMANCE"]

    private static let scenarios: [String: [String: String]] = [
        "training": ["enableTraining": "True"], "inference": ["enableInference": "True"],
        "both": ["enableTraining": "True", "enableInference": "True"],
        "both-gpu": [
            "enableTraining": "True", "enableInference": "True", "installNvidiaDevicePlugin": "True",
            "installDcgmExporter": "True",
        ],
    ]

    @Test(.enabled(if: folder != nil)) func `All combinations are written`() throws {
        let folder = URL(fileURLWithPath: try #require(Self.folder))
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let pair = try TestCertificates.Pair.make()
        for (scenario, base) in Self.scenarios {
            for type in [ClusterFacts.ClusterType.managed, .connected] {
                for isHTTPS in [false, true] {
                    var settings = base
                    var protected: [String: String] = [:]
                    if base["enableInference"] != nil {
                        settings["inferenceRouterServiceType"] = "loadBalancer"
                        if isHTTPS {
                            settings["sslCname"] = "score.example.com"
                            protected = ["sslCertPemFile": pair.certificate, "sslKeyPemFile": pair.key]
                        } else {
                            settings["allowInsecureConnections"] = "True"
                        }
                    }
                    var profile = testProfile
                    profile.thirdParty = .bundles
                    let input = RenderInput(
                        extensionName: "amlext",
                        settings: try ExtensionSettings.make(settings: settings, protectedSettings: protected),
                        facts: ClusterFacts(clusterType: type, nodeCount: 3),
                        profile: profile,
                        componentCA: "CA",
                        bundles: isHTTPS ? Upstream.all : [:]
                    )
                    let objects = ExtensionRenderer(input).render().map(\.object.json)
                    let name = "\(scenario)-\(type.rawValue)-\(isHTTPS ? "https" : "http").json"
                    try Data(JSON.array(objects).text.utf8).write(to: folder.appendingPathComponent(name))
                }
            }
        }
    }
}
