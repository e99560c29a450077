import KubeClient
import KubeCore
import Logging
import TestSupport
import Testing

@testable import Extension

/// The agent's own ClusterRole against an API server that checks permissions and escalation.
@Suite(.timeLimit(.minutes(1))) struct AgentRightsTests {
    @Test(arguments: [ThirdPartySource.standIns, .bundles])
    func `With its rules and no other the agent can write everything and take it away`(
        source: ThirdPartySource
    ) async throws {
        var profile = testProfile
        profile.thirdParty = source
        let input = RenderInput(
            extensionName: "amlext",
            settings: try ExtensionSettings.make(settings: [
                "enableTraining": "True", "enableInference": "True", "allowInsecureConnections": "True",
                "inferenceRouterServiceType": "clusterIP", "installNvidiaDevicePlugin": "True",
            ]),
            facts: ClusterFacts(clusterType: .connected, nodeCount: 3),
            profile: profile,
            componentCA: try TestCertificates.Pair.make().certificate,
            bundles: source == .bundles ? Upstream.all : [:]
        )
        // The test's definitions of these kinds are too small for the server to serve them.
        let objects = ExtensionRenderer(input).render().filter { $0.type.group != "monitoring.coreos.com" }
        try await TestCluster.run { cluster in
            try await grant(AgentPermissions.rules.map(\.json), to: "agent", in: cluster)
            let path = try cluster.writeKubeConfig(
                name: "agent",
                certificate: try cluster.certificate(user: "agent")
            )
            let api = try HTTPResourceAPI(
                configuration: try KubeConfig.load(paths: [path], context: nil),
                userAgent: "test",
                logger: Logger(label: "test")
            )
            let result = await Result<Void, any Error>.catching { try await exercise(objects, api) }
            try await api.shutdown()
            try result.get()
        }
    }

    private func grant(_ rules: [JSON], to user: String, in cluster: TestCluster) async throws {
        try await cluster.api.create(
            .clusterRoles,
            KubeObject(.clusterRoles, name: user, body: ["rules": .array(rules)])
        )
        let reference: JSON = [
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(user),
        ]
        let subject: JSON = ["apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": .string(user)]
        try await cluster.api.create(
            .clusterRoleBindings,
            KubeObject(.clusterRoleBindings, name: user, body: ["roleRef": reference, "subjects": [subject]])
        )
    }

    private func exercise(_ objects: [RenderedObject], _ api: any ResourceAPI) async throws {
        for rendered in objects {
            _ = try await eventually("\(rendered.reference)") { () async throws -> KubeObject? in
                do {
                    return try await api.apply(
                        rendered.type,
                        rendered.object,
                        fieldManager: ExtensionRenderer.fieldManager
                    )
                } catch let error as APIError where error.isNotFound {
                    // Its definition was made a moment ago.
                    return nil
                }
            }
        }
        for rendered in objects.reversed() {
            try await api.deleteIfPresent(rendered.type, rendered.object.key)
        }
        // Nothing beyond: nobody's nodes, and no role that gives more than the agent has.
        await #expect(throws: APIError.self) {
            try await api.delete(.nodes, namespace: nil, name: "a", options: DeleteOptions())
        }
        let stars: JSON = [["apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]]]
        await #expect(throws: APIError.self) {
            try await api.apply(
                .clusterRoles,
                KubeObject(.clusterRoles, name: "mine", body: ["rules": stars]),
                fieldManager: "test"
            )
        }
    }
}
