import Foundation
import KubeCore
import Testing

@testable import Extension

/// `docs/reference/components.md` is what the catalogue says.
///
/// `OUTRIGGER_UPDATE_DOCS=1` writes the page.
@Suite struct ComponentsReferenceTests {
    private static let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../docs/reference/components.md")

    @Test func `The page is the catalogue's`() throws {
        let wanted = try ComponentsPage.text()
        if ProcessInfo.processInfo.environment["OUTRIGGER_UPDATE_DOCS"] == "1" {
            try Data(wanted.utf8).write(to: Self.page)
        }
        let present = try String(contentsOf: Self.page, encoding: .utf8)
        #expect(present == wanted, "run this test with OUTRIGGER_UPDATE_DOCS=1")
    }
}

/// Makes the reference page.
enum ComponentsPage {
    static func text() throws -> String {
        [
            head, try componentTable(), portTable, try totals(), podSecurity, permissions,
        ].joined(separator: "\n") + "\n"
    }

    private static let head = """
        # Components

        <!-- Written and checked by Tests/ExtensionTests/ComponentsReferenceTests.swift; do not edit. -->

        What the extension installs in namespace `azureml`. `{EXT}` is the extension's name. `outrigger k8s-extension components`
        shows the same table for given settings, with live state.

        On the embedded cluster our own programs do Volcano's work and the other third-party parts are absent. On every other
        cluster they come from upstream's release, as a bundle that `outrigger bundle pull` has fetched. Without the bundle our own
        programs do Volcano's work there too, and the others are left out; both are said in the extension's `statuses`.
        """

    private static func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }

    private static func table(_ titles: [String], _ rows: [[String]]) -> String {
        ([row(titles), "|" + String(repeating: "---|", count: titles.count)] + rows.map(row)).joined(separator: "\n")
    }

    private static func availability(_ value: Component.Availability) -> String {
        switch value {
        case .implemented: "ours"
        case .bundle(let reference): "bundle `\(reference.component)` \(reference.version)"
        case .absent(let reason): "absent: \(reason)"
        }
    }

    private static func componentTable() throws -> String {
        let rows = ComponentCatalogue.all.map { component -> [String] in
            func amounts(
                _ request: KeyPath<Component.Resources, String>,
                _ limit: KeyPath<Component.Resources, String>
            )
                -> String
            {
                let own = "\(component.resources[keyPath: request]) / \(component.resources[keyPath: limit])"
                guard let upstream = component.upstreamResources else { return own }
                return own + " (bundle: \(upstream[keyPath: request]) / \(upstream[keyPath: limit]))"
            }
            var real = availability(component.availability(.bundles))
            if component.nameTemplate == ComponentCatalogue.prometheus.nameTemplate {
                real = "made by the operator of a `Prometheus` resource"
            }
            return [
                "`\(component.nameTemplate)`", component.workload.rawValue, component.condition, component.work,
                availability(component.availability(.standIns)), real,
                amounts(\.requestCPU, \.limitCPU), amounts(\.requestMemory, \.limitMemory),
            ]
        }
        return "\n## Parts\n\nCPU and memory: request / limit of one pod.\n\n"
            + table(["Name", "Kind", "Installed with", "Work", "Embedded", "Other clusters", "CPU", "Memory"], rows)
    }

    private static let portTable: String = {
        func condition(_ condition: Component.PortCondition) -> String {
            switch condition {
            case .always: ""
            case .insecure: " with `allowInsecureConnections`"
            case .tls: " with a certificate"
            }
        }
        var rows: [[String]] = []
        for component in ComponentCatalogue.all {
            for service in component.services {
                rows.append([
                    "`\(service.name)`", "`\(component.nameTemplate)`",
                    service.isRouter ? "`inferenceRouterServiceType`" : "ClusterIP",
                    service.ports.map { "\($0.port) \($0.name)\(condition($0.condition))" }.joined(separator: ", "),
                ])
            }
        }
        return "\n## Services\n\n" + table(["Service", "Pods", "Type", "Ports"], rows) + """


            Every first-party pod serves `/healthz`, `/readyz` and `/metrics` on port \(ComponentCatalogue.healthPort), which no
            service exposes but `volcano-scheduler-service`. There is no `azureml-fe-int-http`: routers do not call one another. There
            is no ingress controller: the router is reached through its own service on both cluster types. Services of bundles keep
            their ports; `{EXT}-kube-state-metrics` and `{EXT}-prometheus-operator` are renamed.
            """
    }()

    // MARK: Totals

    private struct Scenario {
        var name: String
        var settings: [String: String]
        var nodes: Int
        /// CPU requests and limits in m, memory requests and limits in Mi.
        ///
        /// Source: the reference's sizing page.
        var published: [Int]
    }

    private static let inference = [
        "enableInference": "True", "inferenceRouterServiceType": "clusterIP", "allowInsecureConnections": "True",
    ]
    private static let training = ["enableTraining": "True"]

    private static let scenarios: [Scenario] = [
        .init(name: "Inference, test", settings: inference, nodes: 1, published: [1780, 8300, 2440, 12296]),
        .init(name: "Training, test", settings: training, nodes: 1, published: [410, 4420, 1492, 10960]),
        .init(
            name: "Both, test",
            settings: inference.merging(training) { $1 },
            nodes: 1,
            published: [1910, 10420, 2884, 15744]
        ),
        .init(name: "Inference, production", settings: inference, nodes: 3, published: [3600, 12700, 4240, 15296]),
        .init(name: "Training, production", settings: training, nodes: 3, published: [410, 4420, 1492, 10960]),
        .init(
            name: "Both, production",
            settings: inference.merging(training) { $1 },
            nodes: 3,
            published: [3730, 14820, 4684, 18744]
        ),
    ]

    private static func totals() throws -> String {
        var rows: [[String]] = []
        for scenario in scenarios {
            var profile = testProfile
            profile.thirdParty = nil
            let settings = try ExtensionSettings.make(settings: scenario.settings)
            func sums(_ distribution: String) throws -> [Int] {
                let input = RenderInput(
                    extensionName: "amlext",
                    settings: settings,
                    facts: ClusterFacts(
                        clusterType: .connected,
                        nodeCount: scenario.nodes,
                        distribution: distribution
                    ),
                    profile: profile,
                    bundles: Upstream.all
                )
                var sums = [0, 0, 0, 0]
                for row in ComponentRow.rows(input) where row.isInstalled {
                    sums[0] += row.replicas * (try Quantity(parsing: row.requests["cpu"] ?? "0").milliValue)
                    sums[1] += row.replicas * (try Quantity(parsing: row.limits["cpu"] ?? "0").milliValue)
                    sums[2] += row.replicas * (try Quantity(parsing: row.requests["memory"] ?? "0").value >> 20)
                    sums[3] += row.replicas * (try Quantity(parsing: row.limits["memory"] ?? "0").value >> 20)
                }
                return sums
            }
            let columns = [try sums("outrigger"), try sums(""), scenario.published]
            rows.append(
                [scenario.name, String(scenario.nodes)]
                    + columns.map { "\($0[0]) / \($0[1])" } + columns.map { "\($0[2]) / \($0[3])" }
            )
        }
        return """

            ## Totals

            Requests / limits of all pods on connectedClusters with the default settings, CPU in m and memory in Mi: of the embedded
            cluster, of another cluster with all bundles, and as the reference system publishes them. Nodes: of the cluster; with
            three, three routers and two relays run.


            """
                + table(
                    [
                        "Scenario", "Nodes", "CPU embedded", "CPU other", "CPU published", "Memory embedded",
                        "Memory other", "Memory published",
                    ],
                    rows
                )
    }

    private static let podSecurity = """

        ## Pod Security

        First-party pods are within the Restricted level: no root, no capabilities, a read-only root file system, the runtime's
        seccomp profile, no host folders. Namespace `azureml` enforces Baseline. Two parts need more: the NVIDIA device plugin and
        dcgm-exporter mount folders of the kubelet. While one of them is installed the namespace enforces nothing (`privileged`),
        and the extension's `statuses` say why. Fluent Bit is left out for the same reason: by default it would open the namespace.

        `environmentCache=hostPath:/FOLDER` mounts a folder of the node in pods of jobs and deployments, which Baseline forbids in
        their namespaces; the default `emptyDir` does not.
        """

    private static func rules(_ rules: [Component.Rule]) -> String {
        rules.map { rule in
            let resources = rule.resources.map { rule.groups == [""] ? $0 : "\($0).\(rule.groups[0])" }
            let names = rule.names.isEmpty ? "" : " named " + rule.names.map { "`\($0)`" }.joined(separator: ", ")
            return "\(rule.verbs.joined(separator: ", ")) `\(resources.joined(separator: "`, `"))`\(names)"
        }.joined(separator: "; ")
    }

    private static let permissions: String = {
        let rows = ComponentCatalogue.all.filter { !$0.clusterRules.isEmpty || !$0.namespaceRules.isEmpty }.map {
            ["`\($0.nameTemplate)`", rules($0.clusterRules), rules($0.namespaceRules)]
        }
        let cluster = ThirdPartyBundle.all.flatMap(\.clusterRoles).map { "`azureml:\($0)`" }.joined(separator: ", ")
        let local = ThirdPartyBundle.all.flatMap(\.roles).map { "`\($0)`" }.joined(separator: ", ")
        let agent = """


            The agent of a connected cluster has what it needs to apply, watch and remove these objects, and, because Kubernetes
            lets nobody grant what he does not have, what it grants to components. It may go beyond that (`escalate`, `bind`) only
            for the roles of bundles, by name: cluster roles \(cluster); roles \(local). `outrigger connectedk8s template` prints
            the rules.
            """
        return "\n## Permissions\n\nOf each component's service account; a component that is not listed has none.\n\n"
            + table(["Component", "In every namespace", "In azureml"], rows) + agent
    }()
}
