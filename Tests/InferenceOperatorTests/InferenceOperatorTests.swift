import KubeCore
import Logging
import MLTypes
import ServiceLifecycle
import TestSupport
import Testing

@testable import InferenceOperator

/// The operator against a real API server in this process; the test plays the workload controllers.
@Suite(.timeLimit(.minutes(1))) struct InferenceOperatorTests {
    private func withOperator(_ body: (any ResourceAPI) async throws -> Void) async throws {
        try await TestCluster.run { cluster in
            let api = cluster.api
            for definition in MLCRDs.all { try await api.create(.customResourceDefinitions, definition) }
            try await api.create(.namespaces, KubeObject(.namespaces, name: "azureml"))
            try await api.create(
                .services,
                KubeObject(
                    .services,
                    namespace: "azureml",
                    name: "azureml-fe",
                    body: [
                        "spec": [
                            "type": "ClusterIP", "clusterIP": "10.96.7.7", "ports": [["name": "http", "port": 80]],
                        ]
                    ]
                )
            )
            try await api.create(
                .secrets,
                KubeObject(.secrets, namespace: "default", name: "iris-keys", body: ["data": ["primaryKey": "YQ=="]])
            )
            var quiet = Logger(label: "test")
            quiet.logLevel = .error
            let inference = InferenceOperator(api: api, configuration: .fixture, logger: quiet)
            let group = ServiceGroup(
                configuration: .init(services: inference.services.map { .init(service: $0) }, logger: quiet)
            )
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                do {
                    try await body(api)
                } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
        }
    }

    private func endpoint(traffic: [String: Int]? = nil) throws -> KubeObject {
        let spec = OnlineEndpointSpec(
            workspace: WorkspaceReference(subscriptionId: "s", resourceGroup: "g", name: "w"),
            compute: "local",
            keysSecret: "iris-keys",
            traffic: traffic
        )
        return KubeObject(
            MLResources.onlineEndpoints,
            namespace: "default",
            name: "iris",
            body: ["spec": try JSON(encoding: spec)]
        )
    }

    private func deployment(_ change: (inout OnlineDeploymentSpec) -> Void = { _ in }) throws -> KubeObject {
        let spec = OnlineDeploymentSpec.fixture(change: change)
        return KubeObject(
            MLResources.onlineDeployments,
            namespace: "default",
            name: "iris-blue",
            body: ["spec": try JSON(encoding: spec)]
        )
    }

    private func state(_ api: any ResourceAPI, _ type: ResourceType, _ name: String) async throws -> JSON? {
        try await api.find(type, namespace: "default", name: name)?["status"]
    }

    private func waitFor(
        _ api: any ResourceAPI,
        _ type: ResourceType,
        _ name: String,
        _ what: String,
        _ condition: (JSON) -> Bool
    ) async throws -> JSON {
        try await eventually(what) {
            guard let status = try await state(api, type, name), condition(status) else { return nil }
            return status
        }
    }

    @Test("An endpoint gets its scoring URI; a deployment becomes objects, and Succeeded once they are ready")
    func life() async throws {
        try await withOperator { api in
            try await api.create(MLResources.onlineEndpoints, endpoint())
            let served = try await waitFor(api, MLResources.onlineEndpoints, "iris", "the endpoint succeeds") {
                $0["provisioningState"] == "Succeeded"
            }
            #expect(served["scoringUri"] == "http://10.96.7.7/api/v1/endpoint/iris/score")
            try await api.create(MLResources.onlineDeployments, deployment())
            _ = try await waitFor(api, MLResources.onlineDeployments, "iris-blue", "it is creating") {
                $0["provisioningState"] == "Creating"
            }
            var workload = try await api.get(.deployments, namespace: "default", name: "iris-blue")
            let service = try await api.get(.services, namespace: "default", name: "iris-blue")
            #expect(service["spec", "clusterIP"]?.stringValue?.isEmpty == false)
            _ = try await api.get(.configMaps, namespace: "default", name: "iris-blue-runtime")
            workload["status"] = [
                "observedGeneration": JSON(workload.generation), "replicas": 1, "updatedReplicas": 1,
                "readyReplicas": 1,
                "availableReplicas": 1,
            ]
            try await api.updateStatus(.deployments, workload)
            let done = try await waitFor(api, MLResources.onlineDeployments, "iris-blue", "it succeeds") {
                $0["provisioningState"] == "Succeeded"
            }
            #expect(done["readyReplicas"] == 1)
            let owner = try await api.get(MLResources.onlineDeployments, namespace: "default", name: "iris-blue")
            #expect(owner.ownerReferences.contains { $0.kind == "OnlineEndpoint" && $0.name == "iris" })

            // A new version goes to the same objects.
            var spec = OnlineDeploymentSpec.fixture()
            spec.code?.scoringScript = "other.py"
            try await api.patch(
                MLResources.onlineDeployments,
                owner.key,
                .merge(["spec": ["code": ["scoringScript": "other.py"]]])
            )
            _ = try await waitFor(api, MLResources.onlineDeployments, "iris-blue", "it is updating") {
                $0["observedGeneration"] == 2 && $0["provisioningState"] != "Succeeded"
            }
        }
    }

    @Test("A scoring script that fails makes the deployment Failed with reason and log, at once")
    func scriptFails() async throws {
        try await withOperator { api in
            try await api.create(MLResources.onlineEndpoints, endpoint())
            try await api.create(MLResources.onlineDeployments, deployment())
            let workload = try await eventually("the Deployment is there") {
                try await api.find(.deployments, namespace: "default", name: "iris-blue")
            }
            try await api.create(
                .serviceAccounts,
                KubeObject(.serviceAccounts, namespace: "default", name: "default")
            )
            let template = try #require(workload["spec", "template"])
            var pod = KubeObject(
                .pods,
                namespace: "default",
                name: "iris-blue-x",
                labels: template["metadata"]?["labels"]?.stringMap ?? [:],
                body: ["spec": ["containers": [["name": "inference-server", "image": "python:3.11"]]]]
            )
            pod = try await api.create(.pods, pod)
            let log = "ValueError: x\n\nThe above exception was the direct cause\n\nUserScriptException: y"
            let container: JSON = [
                "name": "inference-server", "image": "python:3.11", "imageID": "", "ready": false, "restartCount": 0,
                "state": ["terminated": ["exitCode": 3, "reason": "Error", "message": .string(log)]],
            ]
            pod["status"] = ["phase": "Running", "containerStatuses": [container]]
            try await api.updateStatus(.pods, pod)
            let failed = try await waitFor(api, MLResources.onlineDeployments, "iris-blue", "it fails") {
                $0["provisioningState"] == "Failed"
            }
            #expect(failed["reason"] == "UserScriptInitFailed")
            #expect(failed["message"] == "init() of score.py failed: ValueError: x")
            #expect(failed["logTail"]?.stringValue == log)
            let found: Bool = try await eventually("an event tells it") {
                let events = try await api.list(.events, namespace: "default").items
                return events.contains { $0["reason"] == "UserScriptInitFailed" } ? true : nil
            }
            #expect(found)
        }
    }

    @Test("Bad traffic, an unknown instance type and a bad spec are failures that name the fix; mending them succeeds")
    func mistakes() async throws {
        try await withOperator { api in
            try await api.create(MLResources.onlineEndpoints, endpoint(traffic: ["blue": 100]))
            let bad = try await waitFor(api, MLResources.onlineEndpoints, "iris", "the endpoint fails") {
                $0["provisioningState"] == "Failed"
            }
            #expect(bad["reason"] == "BadArgument" && bad["message"]?.stringValue?.contains("\"blue\"") == true)
            try await api.create(MLResources.onlineDeployments, deployment { $0.instanceType = "huge" })
            _ = try await waitFor(api, MLResources.onlineEndpoints, "iris", "the endpoint succeeds") {
                $0["provisioningState"] == "Succeeded"
            }
            let failed = try await waitFor(api, MLResources.onlineDeployments, "iris-blue", "it fails") {
                $0["provisioningState"] == "Failed"
            }
            #expect(
                failed["reason"] == "InvalidDeploymentSpec"
                    && failed["message"]?.stringValue?.contains("\"huge\"") == true
            )
            try await api.create(
                MLResources.instanceTypes,
                KubeObject(
                    MLResources.instanceTypes,
                    name: "huge",
                    body: ["spec": ["resources": ["limits": ["cpu": "8"]]]]
                )
            )
            _ = try await waitFor(api, MLResources.onlineDeployments, "iris-blue", "it goes on") {
                $0["provisioningState"] == "Creating"
            }
        }
    }
}
