import ControlPlaneAPI
import Foundation
import KubeCore
import KubeRuntime
import Logging
import MLTypes
import Synchronization
import TestSupport
import Testing

@testable import Extension

/// The control plane's side: a set that changes, and the reports that came.
private final class RecordingLink: ExtensionLink {
    private let state = Mutex<(set: [DesiredExtension], reports: [ExtensionReport])>(([], []))
    private let streams = Mutex<[AsyncStream<[DesiredExtension]>.Continuation]>([])

    func desired() async -> AsyncStream<[DesiredExtension]> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: [DesiredExtension].self,
            bufferingPolicy: .bufferingNewest(1)
        )
        continuation.yield(state.withLock { $0.set })
        streams.withLock { $0.append(continuation) }
        return stream
    }

    func report(_ report: ExtensionReport) async throws { state.withLock { $0.reports.append(report) } }

    func want(_ set: [DesiredExtension]) {
        state.withLock { $0.set = set }
        for stream in streams.withLock({ $0 }) { stream.yield(set) }
    }

    var reports: [ExtensionReport] { state.withLock { $0.reports } }
    var last: ExtensionReport? { reports.last }
}

private func wanted(
    _ changes: [String: String] = [:],
    generation: Int = 1,
    isDeleting: Bool = false,
    type: String = "Microsoft.AzureML.Kubernetes"
) -> DesiredExtension {
    var settings = [
        "enableTraining": "True", "enableInference": "True", "inferenceRouterServiceType": "LoadBalancer",
        "allowInsecureConnections": "True", "inferenceRouterHA": "False",
    ]
    settings.merge(changes) { $1 }
    return DesiredExtension(
        clusterType: "connectedClusters",
        resourceGroup: "local",
        clusterName: "local",
        name: "amlext",
        extensionType: type,
        settings: settings,
        generation: generation,
        isDeleting: isDeleting
    )
}

/// Makes every Deployment look rolled out, as the controllers of a cluster would.
private func rollOut(_ api: any ResourceAPI, except: Set<String> = []) async throws {
    for deployment in try await api.list(.deployments, namespace: "azureml").items
    where !except.contains(deployment.name) && deployment.observedGeneration != deployment.generation {
        var deployment = deployment
        let replicas = deployment["spec", "replicas"] ?? 1
        deployment["status"] = [
            "observedGeneration": JSON(deployment.generation), "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": replicas, "availableReplicas": replicas,
        ]
        do {
            try await api.updateStatus(.deployments, deployment)
        } catch let error as APIError where error.isConflict || error.isNotFound {
            continue
        }
    }
    // Nor is there a garbage collector that ends foreground deletions.
    for deployment in try await api.list(.deployments, namespace: "azureml").items where deployment.isTerminating {
        var deployment = deployment
        deployment.finalizers = []
        do { try await api.update(.deployments, deployment) } catch let error as APIError where error.isNotFound {}
    }
    if let namespace = try await api.find(.namespaces, name: "azureml"), namespace.isTerminating {
        var namespace = namespace
        namespace["spec", "finalizers"] = []
        _ = try? await api.update(
            .namespaces,
            namespace: nil,
            name: "azureml",
            subresource: "finalize",
            object: namespace,
            options: WriteOptions()
        )
    }
}

private func withAgent(
    profile: ClusterProfile = testProfile,
    except: Set<String> = [],
    _ body: (any ResourceAPI, RecordingLink) async throws -> Void
) async throws {
    try await TestCluster.run { cluster in
        let api = cluster.api
        try await api.create(.nodes, .node("node-0"))
        let link = RecordingLink()
        try await running(api, link, profile: profile, except: except) { try await body(api, link) }
    }
}

/// Runs an agent, and what stands for the cluster's controllers, while `body` runs.
private func running(
    _ api: any ResourceAPI,
    _ link: RecordingLink,
    profile: ClusterProfile = testProfile,
    except: Set<String> = [],
    _ body: () async throws -> Void
) async throws {
    var logger = Logger(label: "test")
    logger.logLevel = .error
    let agent = ExtensionAgent(link: link, api: api, profile: profile, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await agent.run() }
        group.addTask {
            while await sleepUnlessCancelled(.milliseconds(20)) {
                do { try await rollOut(api, except: except) } catch is CancellationError { return }
            }
        }
        let result = await Result<Void, any Error>.catching { try await body() }
        group.cancelAll()
        while let ended = await group.nextResult() { _ = ended }
        try result.get()
    }
}

@Suite(.timeLimit(.minutes(2))) struct AgentTests {
    @Test func `An extension is installed, reports progress and ends Succeeded`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            let report = try await eventually("success") {
                link.last.flatMap { $0.provisioningState == "Succeeded" ? $0 : nil }
            }
            #expect(report.generation == 1 && report.currentVersion == "1.0.0" && report.errorInfo == nil)
            #expect(link.reports.first?.provisioningState == "Creating")
            let ready = Set(report.statuses.filter { $0.displayStatus == "Ready" }.map(\.code))
            #expect(
                ready == [
                    "gateway", "aml-operator", "volcano-controllers", "volcano-scheduler", "azureml-fe-v2",
                    "inference-operator-controller-manager",
                ]
            )
            #expect(report.statuses.contains { $0.code == "fluent-bit" && $0.displayStatus == "Absent" })
            let tls = try await api.get(.secrets, namespace: "azureml", name: "gateway-tls")
            #expect(Set(tls["data"]?.objectValue?.keys.map { $0 } ?? []) == ["tls.crt", "tls.key", "ca.crt"])
            #expect(try await api.find(MLResources.queues, name: "default") != nil)
        }
    }

    @Test func `A change by hand and a deletion are put right, an unmanaged object is left alone`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await eventuallyTrue("success") { link.last?.provisioningState == "Succeeded" }
            try await api.patch(
                .deployments,
                ObjectKey(namespace: "azureml", name: "gateway"),
                .merge(["spec": ["replicas": 5]]),
                options: WriteOptions(fieldManager: "kubectl")
            )
            try await eventuallyTrue("drift corrected") {
                try await api.get(.deployments, namespace: "azureml", name: "gateway")["spec", "replicas"]?.intValue
                    == 1
            }
            try await api.deleteIfPresent(.services, ObjectKey(namespace: "azureml", name: "gateway"))
            try await eventuallyTrue("service made again") {
                try await api.find(.services, namespace: "azureml", name: "gateway") != nil
            }
            try await eventuallyTrue("event") {
                try await api.list(.events, namespace: "azureml").items.contains {
                    $0["reason"]?.stringValue == "DriftCorrected"
                }
            }
            try await api.patch(
                .deployments,
                ObjectKey(namespace: "azureml", name: "aml-operator"),
                .merge(["metadata": ["annotations": ["outrigger.ml/unmanaged": "true"]], "spec": ["replicas": 2]])
            )
            try await api.patch(
                .deployments,
                ObjectKey(namespace: "azureml", name: "gateway"),
                .merge(["spec": ["replicas": 4]])
            )
            try await eventuallyTrue("drift corrected again") {
                try await api.get(.deployments, namespace: "azureml", name: "gateway")["spec", "replicas"]?.intValue
                    == 1
            }
            #expect(
                try await api.get(.deployments, namespace: "azureml", name: "aml-operator")["spec", "replicas"]?
                    .intValue == 2
            )
        }
    }

    @Test func `An update adds and prunes what differs`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await eventuallyTrue("success") { link.last?.provisioningState == "Succeeded" }
            let before = try await api.get(.deployments, namespace: "azureml", name: "gateway")
            link.want([wanted(["enableTraining": "False"], generation: 2)])
            try await eventuallyTrue("update") {
                link.last?.generation == 2 && link.last?.provisioningState == "Succeeded"
            }
            for name in ["aml-operator", "volcano-scheduler"] {
                #expect(try await api.find(.deployments, namespace: "azureml", name: name) == nil)
                #expect(try await api.find(.clusterRoles, name: "outrigger:" + name) == nil)
            }
            let after = try await api.get(.deployments, namespace: "azureml", name: "gateway")
            #expect(after.generation == before.generation && after.uid == before.uid)
            #expect(try await api.find(.customResourceDefinitions, name: "amljobs.amlarc.azureml.com") != nil)
        }
    }

    @Test func `Removal takes everything and keeps kinds that are in use`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await eventuallyTrue("success") { link.last?.provisioningState == "Succeeded" }
            try await api.create(
                MLResources.instanceTypes,
                KubeObject(
                    MLResources.instanceTypes,
                    name: "mine",
                    body: ["spec": ["resources": ["requests": ["cpu": "1", "memory": "1Gi"]]]]
                )
            )
            link.want([wanted(generation: 2, isDeleting: true)])
            try await eventuallyTrue("gone") { link.last?.isGone == true }
            #expect(try await api.find(.namespaces, name: "azureml") == nil)
            for type in [ResourceType.clusterRoles, .clusterRoleBindings] {
                #expect(try await api.list(type).items.filter { $0.name.hasPrefix("outrigger:") }.isEmpty)
            }
            let kinds = Set(try await api.list(.customResourceDefinitions).items.map(\.name))
            #expect(kinds == ["instancetypes.amlarc.azureml.com"])
            #expect(link.last?.statuses.map(\.displayStatus) == ["instancetypes.amlarc.azureml.com"])
            // A second installation right after works.
            link.want([wanted(generation: 3)])
            try await eventuallyTrue("again") {
                link.last?.generation == 3 && link.last?.provisioningState == "Succeeded"
            }
        }
    }

    @Test func `A cluster holds one extension of the type, and the loser's removal harms nothing`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await eventuallyTrue("success") { link.last?.provisioningState == "Succeeded" }
            var other = wanted()
            other.clusterType = "managedClusters"
            link.want([wanted(), other])
            try await eventuallyTrue("refused") { link.last?.errorInfo?.code == "ExtensionAlreadyInstalled" }
            other.isDeleting = true
            link.want([wanted(), other])
            try await eventuallyTrue("gone") { link.last?.isGone == true }
            #expect(try await api.find(.deployments, namespace: "azureml", name: "gateway") != nil)
        }
    }

    @Test func `An agent that was killed ends what it began`() async throws {
        try await TestCluster.run { cluster in
            let api = cluster.api
            try await api.create(.nodes, .node("node-0"))
            let first = RecordingLink()
            first.want([wanted()])
            // Ends as soon as the first Deployment is there.
            try await running(api, first) {
                try await eventuallyTrue("begun") {
                    try await !api.list(.deployments, namespace: "azureml").items.isEmpty
                }
            }
            let second = RecordingLink()
            second.want([wanted(generation: 2, isDeleting: true)])
            try await running(api, second) {
                try await eventuallyTrue("gone") { second.last?.isGone == true }
                #expect(try await api.list(.customResourceDefinitions).items.isEmpty)
            }
        }
    }

    @Test func `Wrong settings fail and install nothing`() async throws {
        try await withAgent { api, link in
            link.want([wanted(["inferenceRouterHA": "True"])])
            let report = try await eventually("failure") { link.last?.provisioningState == "Failed" ? link.last : nil }
            #expect(report.errorInfo?.code == "E40002")
            link.want([wanted(["inferenceRouterServiceType": "none"], generation: 2)])
            try await eventuallyTrue("failure") {
                link.last?.generation == 2 && link.last?.provisioningState == "Failed"
            }
            link.want([wanted(generation: 3, type: "Microsoft.Flux")])
            try await eventuallyTrue("failure") {
                link.last?.generation == 3 && link.last?.provisioningState == "Failed"
            }
            #expect(try await api.find(.namespaces, name: "azureml") == nil)
        }
    }

    @Test func `What does not become ready is named with its reason`() async throws {
        var profile = testProfile
        profile.readinessTimeout = .seconds(1)
        try await withAgent(profile: profile, except: ["azureml-fe-v2"]) { api, link in
            link.want([wanted()])
            let report = try await eventually("failure") { link.last?.provisioningState == "Failed" ? link.last : nil }
            #expect(report.errorInfo?.code == "E40005")
            #expect(report.errorInfo?.message.contains("azureml-fe-v2 (0/1 ready") == true)
            #expect(report.statuses.contains { $0.code == "gateway" && $0.displayStatus == "Ready" })
        }
    }

    @Test func `A certificate secret is looked at before anything is installed`() async throws {
        try await withAgent { api, link in
            link.want([
                wanted(["allowInsecureConnections": "False", "sslSecret": "tls", "sslCname": "score.example.com"])
            ])
            try await eventuallyTrue("failure") { link.last?.errorInfo?.code == "E40007" }
            #expect(link.last?.errorInfo?.message.contains("does not exist") == true)
        }
    }
}
