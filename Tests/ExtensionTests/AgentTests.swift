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
                    "inference-operator-controller-manager", "relayserver", "service/azureml-fe",
                    "volcano-admission",
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
            try await withControllers(api) {
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
    }

    @Test func `Wrong settings fail and touch nothing`() async throws {
        try await withAgent { api, link in
            link.want([wanted(["inferenceRouterServiceType": "none"])])
            try await link.wait("Failed", generation: 1)
            link.want([wanted(generation: 2, type: "Microsoft.Flux")])
            try await link.wait("Failed", generation: 2)
            #expect(try await api.find(.namespaces, name: "azureml") == nil)
        }
    }

    @Test func `A cluster that does not fit is refused before anything is installed, and goes on when it does`()
        async throws
    {
        try await withAgent { api, link in
            link.want([wanted(["inferenceRouterHA": "True"])])
            let report = try await link.wait("Failed")
            #expect(report.errorInfo?.code == "E40002")
            #expect(try await api.list(.deployments, namespace: "azureml").items.isEmpty)
            let stored = try await api.get(.configMaps, namespace: "azureml", name: "arcml-healthcheck")
            #expect(stored["data", "reports-pre-install"]?.stringValue?.contains("E40002") == true)
            for name in ["node-1", "node-2"] { try await api.create(.nodes, .node(name)) }
            try await link.wait("Succeeded")
            #expect(
                try await api.get(.deployments, namespace: "azureml", name: "azureml-fe-v2")["spec", "replicas"] == 3
            )
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
