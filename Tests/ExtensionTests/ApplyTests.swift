import KubeCore
import TestSupport
import Testing

@testable import Extension

/// Rendered objects against an API server.
@Suite(.timeLimit(.minutes(1))) struct ApplyTests {
    @Test(arguments: [ThirdPartySource.standIns, .bundles])
    func `Every object is accepted strictly, and applying it again changes nothing`(
        source: ThirdPartySource
    ) async throws {
        var profile = testProfile
        profile.thirdParty = source
        let settings = try ExtensionSettings.make(settings: [
            "enableTraining": "True", "enableInference": "True", "allowInsecureConnections": "True",
            "inferenceRouterServiceType": "loadBalancer", "installDcgmExporter": "True", "nodeSelector.pool": "ml",
            "imagePullSecret": "pull", "scoringFe.resources.limits.memory": "2048Mi",
        ])
        let input = RenderInput(
            extensionName: "amlext",
            settings: settings,
            facts: ClusterFacts(clusterType: .connected, nodeCount: 3),
            profile: profile,
            gatewaySecretsDigest: "abc",
            componentCA: try TestCertificates.Pair.make().certificate,
            bundles: source == .bundles ? Upstream.all : [:]
        )
        let objects = ExtensionRenderer(input).render().filter {
            // Their definitions here are too small for the server to serve them.
            $0.type.group != "monitoring.coreos.com"
        }
        try await TestCluster.run { cluster in
            func apply(_ rendered: RenderedObject) async throws -> KubeObject {
                try await cluster.api.patch(
                    rendered.type,
                    rendered.object.key,
                    .apply(rendered.object.json),
                    options: WriteOptions(
                        fieldManager: ExtensionRenderer.fieldManager,
                        fieldValidation: "Strict",
                        force: true
                    )
                )
            }
            for rendered in objects {
                do {
                    _ = try await apply(rendered)
                } catch let error as APIError where error.isNotFound {
                    // A definition a moment ago: its kind is not served yet.
                    _ = try await eventually("\(rendered.reference)") { try? await apply(rendered) }
                }
            }
            for rendered in objects {
                let before = try await cluster.api.get(
                    rendered.type,
                    namespace: rendered.object.namespace,
                    name: rendered.object.name
                )
                let after = try await apply(rendered)
                // Others may write status meanwhile; what the extension wants stays as it is.
                #expect(after.generation == before.generation, "\(rendered.reference)")
                #expect(after.json["spec"] == before.json["spec"], "\(rendered.reference)")
                #expect(after.labels == before.labels, "\(rendered.reference)")
                if rendered.type != .customResourceDefinitions, rendered.type != .namespaces {
                    #expect(after.resourceVersion == before.resourceVersion, "\(rendered.reference)")
                }
            }
        }
    }
}
