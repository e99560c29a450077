import ControlPlaneAPI
import KubeCore
import KubeRuntime
import MLTypes
import TestSupport
import Testing

@testable import Extension

/// All or nothing, and the ways to be rid of everything.
@Suite(.timeLimit(.minutes(2))) struct AgentAtomicTests {
    private static var impatient: ClusterProfile {
        var profile = testProfile
        profile.readinessTimeout = .seconds(1)
        return profile
    }

    private static func outcome(_ report: ExtensionReport) -> String? {
        report.statuses.first { $0.code == "RolledBack" }?.message
    }

    private static func memory(_ api: any ResourceAPI) async throws -> String? {
        let router = try await api.find(.deployments, namespace: "azureml", name: "azureml-fe-v2")
        let container = router?["spec", "template", "spec", "containers"]?[0]
        return container?[path: "resources", "limits", "memory"]?.stringValue
    }

    @Test func `An update that fails goes back to what was there, and a new agent keeps to it`() async throws {
        try await TestCluster.run { cluster in
            let api = cluster.api
            try await api.create(.nodes, .node("node-0"))
            let bad = wanted(["scoringFe.resources.limits.memory": "777Mi"], generation: 2) {
                $0.isAtomic = true
                $0.protectedSettings = ["relayserver.relayConnectionString": "changed"]
            }
            // Only the router of generation 2 never comes up.
            try await withControllers(api) {
                let link = RecordingLink()
                link.want([wanted(["scoringFe.resources.limits.memory": "600Mi"])])
                try await running(api, link) { try await link.wait("Succeeded") }
            }
            try await withControllers(api, except: ["azureml-fe-v2"]) {
                let link = RecordingLink()
                link.want([bad])
                try await running(api, link, profile: Self.impatient) {
                    let report = try await link.wait("Failed", generation: 2)
                    #expect(Self.outcome(report)?.contains("went back to generation 1") == true)
                    #expect(report.errorInfo?.message.contains("azureml-fe-v2") == true)
                    #expect(try await Self.memory(api) == "600Mi")
                    #expect(link.reports.contains { $0.statuses.contains { $0.code == "RollingBack" } })
                }
                let next = RecordingLink()
                next.want([bad])
                try await running(api, next, profile: Self.impatient) {
                    let report = try await next.wait("Failed", generation: 2)
                    #expect(Self.outcome(report)?.contains("went back to generation 1") == true)
                    #expect(try await Self.memory(api) == "600Mi")
                    #expect(next.reports.allSatisfy { $0.provisioningState == "Failed" })
                }
            }
            try await withControllers(api) {
                let link = RecordingLink()
                link.want([wanted(["scoringFe.resources.limits.memory": "700Mi"], generation: 3) { $0.isAtomic = true }]
                )
                try await running(api, link) { try await link.wait("Succeeded", generation: 3) }
                #expect(try await Self.memory(api) == "700Mi")
            }
        }
    }

    @Test func `A first installation that fails is taken off again, and why can still be read`() async throws {
        try await withAgent(profile: Self.impatient, except: ["azureml-fe-v2"]) { api, link in
            link.want([wanted { $0.isAtomic = true }])
            let report = try await link.wait("Failed")
            #expect(Self.outcome(report)?.contains("taken off again") == true)
            #expect(report.errorInfo?.message.contains("azureml-fe-v2 (0/1 ready") == true)
            #expect(try await api.list(.deployments, namespace: "azureml").items.isEmpty)
            #expect(try await api.list(.customResourceDefinitions).items.isEmpty)
            #expect(try await api.find(.configMaps, namespace: "azureml", name: "arcml-healthcheck") != nil)
            // What the control plane asks for then.
            link.want([wanted(generation: 2, isDeleting: true)])
            try await link.wait("Gone", generation: 2)
            #expect(try await api.find(.namespaces, name: "azureml") == nil)
        }
    }

    @Test func `Without atomic a failed installation stays to be looked into`() async throws {
        try await withAgent(profile: Self.impatient, except: ["azureml-fe-v2"]) { api, link in
            link.want([wanted()])
            try await link.wait("Failed")
            #expect(try await api.find(.deployments, namespace: "azureml", name: "azureml-fe-v2") != nil)
        }
    }

    @Test func `An atomic update that the cluster does not fit changes nothing`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await link.wait("Succeeded")
            link.want([wanted(["nodeSelector.disk": "ssd"], generation: 2) { $0.isAtomic = true }])
            let report = try await link.wait("Failed", generation: 2)
            #expect(report.errorInfo?.code == "NodeSelectorMatchesNoNode")
            let gateway = try await api.get(.deployments, namespace: "azureml", name: "gateway")
            #expect(gateway.generation == 1)
        }
    }

    @Test func `A purge takes users' objects, definitions and leftovers in all namespaces`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await link.wait("Succeeded")
            try await Self.makeUserObjects(api)
            link.want([wanted(generation: 2, isDeleting: true) { $0.isPurging = true }])
            try await link.wait("Gone", generation: 2)
            #expect(try await api.list(.customResourceDefinitions).items.isEmpty)
            #expect(try await api.find(.secrets, namespace: "team", name: "run-token") == nil)
            #expect(try await api.find(.configMaps, namespace: "team", name: "mine") != nil)
            #expect(try await api.find(.namespaces, name: "azureml") == nil)
            #expect(try await api.find(.namespaces, name: "team") != nil)
        }
    }

    @Test func `Without a purge users' objects stay`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await link.wait("Succeeded")
            try await Self.makeUserObjects(api)
            link.want([wanted(generation: 2, isDeleting: true)])
            try await link.wait("Gone", generation: 2)
            #expect(try await api.find(MLResources.amlJobs, namespace: "team", name: "job") != nil)
            #expect(try await api.find(.secrets, namespace: "team", name: "run-token") != nil)
        }
    }

    private static func makeUserObjects(_ api: any ResourceAPI) async throws {
        try await api.create(.namespaces, .namespace("team"))
        let spec: JSON = ["jobId": "1", "command": "true", "environment": [:], "compute": "c"]
        try await api.create(
            MLResources.amlJobs,
            KubeObject(MLResources.amlJobs, namespace: "team", name: "job", body: ["spec": spec])
        )
        var secret = KubeObject.secret("run-token", namespace: "team", strings: ["token": "x"])
        secret.labels = [MLLabels.managedBy: "outrigger"]
        try await api.create(.secrets, secret)
        try await api.create(.configMaps, .configMap("mine", namespace: "team", data: ["a": "b"]))
    }

    @Test func `A forced removal takes finalizers off what does not end`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await link.wait("Succeeded")
            try await api.patch(
                .services,
                ObjectKey(namespace: "azureml", name: "gateway"),
                .merge(["metadata": ["finalizers": ["example.com/never"]]])
            )
            link.want([wanted(generation: 2, isDeleting: true)])
            try await eventuallyTrue("waits") {
                link.last?.statuses.first?.message.contains("service azureml/gateway") == true
            }
            link.want([wanted(generation: 3, isDeleting: true) { $0.isForced = true }])
            try await link.wait("Gone", generation: 3)
            #expect(try await api.find(.services, namespace: "azureml", name: "gateway") == nil)
        }
    }

    @Test func `A forced removal from a cluster that is no more ends`() async throws {
        struct Gone: Error {}
        try await TestCluster.run { cluster in
            let link = RecordingLink()
            link.want([wanted(generation: 2, isDeleting: true)])
            let dead = FaultyAPI(cluster.api) { _ in throw Gone() }
            try await running(dead, link) {
                try await eventuallyTrue("told") { link.last?.statuses.first?.code == "ClusterUnreachable" }
                #expect(link.last?.isGone == false)
                link.want([wanted(generation: 3, isDeleting: true) { $0.isForced = true }])
                let report = try await link.wait("Gone", generation: 3)
                #expect(report.statuses.first?.displayStatus == "Not removed from the cluster")
            }
        }
    }

    @Test func `The version and the image that are asked for are installed`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await link.wait("Succeeded")
            let operatorBefore = try await api.get(.deployments, namespace: "azureml", name: "gateway")
            link.want([
                wanted(generation: 2) {
                    $0.targetVersion = "1.1.0"
                    $0.image = "outrigger.ml/outrigger:1.1.0"
                }
            ])
            let report = try await link.wait("Succeeded", generation: 2)
            #expect(report.currentVersion == "1.1.0")
            let after = try await api.get(.deployments, namespace: "azureml", name: "gateway")
            #expect(after["spec", "template", "spec", "containers"]?[0]?["image"] == "outrigger.ml/outrigger:1.1.0")
            #expect(after.uid == operatorBefore.uid)
            #expect(
                try await api.get(.configMaps, namespace: "azureml", name: "arcml-healthcheck")["data"]?.objectValue?
                    .keys.sorted() == ["reports-pre-install", "reports-pre-upgrade"]
            )
            link.want([wanted(generation: 3) { $0.targetVersion = "9.9.9" }])
            #expect(try await link.wait("Failed", generation: 3).errorInfo?.target == "version")
        }
    }
}
