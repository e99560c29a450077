import KubeCore
import Testing

@testable import Extension

/// As the API server holds it against the agent: nobody grants what he does not have.
@Suite struct AgentPermissionsTests {
    private func rules(_ object: KubeObject) -> [Component.Rule] {
        (object["rules"]?.arrayValue ?? []).flatMap { rule in
            (rule["apiGroups"]?.stringArray ?? []).map { group in
                Component.Rule(
                    group,
                    rule["resources"]?.stringArray ?? [],
                    rule["verbs"]?.stringArray ?? [],
                    names: rule["resourceNames"]?.stringArray ?? []
                )
            }
        }
    }

    private func render(_ source: ThirdPartySource, _ type: ClusterFacts.ClusterType) throws -> [RenderedObject] {
        let settings = try ExtensionSettings.make(settings: [
            "enableTraining": "True", "enableInference": "True", "allowInsecureConnections": "True",
            "inferenceRouterServiceType": "clusterIP", "installDcgmExporter": "True",
            "installNvidiaDevicePlugin": "True",
        ])
        var profile = testProfile
        profile.thirdParty = source
        return ExtensionRenderer(
            RenderInput(
                extensionName: "amlext",
                settings: settings,
                facts: ClusterFacts(clusterType: type, nodeCount: 3),
                profile: profile,
                bundles: source == .bundles ? Upstream.all : [:]
            )
        ).render()
    }

    @Test(arguments: [ThirdPartySource.standIns, .bundles], [ClusterFacts.ClusterType.managed, .connected])
    func `Every role the agent writes is within what it has`(
        source: ThirdPartySource,
        type: ClusterFacts.ClusterType
    ) throws {
        for rendered in try render(source, type) {
            let object = rendered.object
            guard rendered.type == .roles || rendered.type == .clusterRoles else { continue }
            let isByName = AgentPermissions.covers(
                AgentPermissions.rules,
                .init("rbac.authorization.k8s.io", [rendered.type.plural], ["escalate", "bind"], names: [object.name])
            )
            let isFirstParty = object.labels[ExtensionRenderer.bundleLabel] == nil
            #expect(isByName != isFirstParty, "\(object.name)")
            for rule in rules(object) where isFirstParty {
                #expect(AgentPermissions.covers(AgentPermissions.rules, rule), "\(object.name): \(rule)")
            }
        }
    }

    @Test(arguments: [ThirdPartySource.standIns, .bundles])
    func `Every object it renders it may read, apply, watch and delete`(source: ThirdPartySource) throws {
        for rendered in try render(source, .connected) {
            let verbs = ["get", "list", "create", "patch", "delete"]
            #expect(
                AgentPermissions.covers(
                    AgentPermissions.rules,
                    .init(rendered.type.group, [rendered.type.plural], verbs)
                ),
                "\(rendered.reference)"
            )
        }
    }

    @Test func `It has no blanket rights`() {
        for rule in AgentPermissions.rules {
            #expect(!rule.verbs.contains("*") && !rule.groups.contains("*"))
            #expect(!rule.resources.contains("*") || rule.verbs == ["get", "list"])
            #expect(!rule.verbs.contains("escalate") || !rule.names.isEmpty)
            #expect(!rule.verbs.contains("impersonate"))
        }
    }
}
