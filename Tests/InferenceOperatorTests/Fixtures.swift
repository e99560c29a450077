import KubeCore
import MLTypes

@testable import InferenceOperator

extension InferenceOperatorConfiguration {
    static let fixture = InferenceOperatorConfiguration(
        cluster: DeliveryPlan.Cluster(image: "outrigger.ml/outrigger:1", environmentCache: .hostPath("/var/cache/envs"))
    )
}

extension OnlineDeploymentSpec {
    static func fixture(
        endpoint: String = "iris",
        name: String = "blue",
        change: (inout OnlineDeploymentSpec) -> Void = { _ in }
    ) -> OnlineDeploymentSpec {
        var spec = OnlineDeploymentSpec(
            endpointName: endpoint,
            deploymentName: name,
            workspace: WorkspaceReference(subscriptionId: "sub", resourceGroup: "rg", name: "ws"),
            model: Model(name: "digits", version: "3", type: "custom_model", uri: "https://cp/blob/run1/model/"),
            code: Code(uri: "https://cp/blob/code/", scoringScript: "score.py"),
            environment: EnvironmentSpec(
                image: "python:3.11",
                condaFile: "dependencies: [pip: [azureml-inference-server-http]]"
            ),
            controlPlane: ControlPlaneReference(url: "https://cp", caPEM: "CA", tokenSecret: "iris-blue-token")
        )
        change(&spec)
        return spec
    }

    func object(generation: Int = 1, created: String = "2026-01-01T00:00:00Z") throws -> KubeObject {
        var object = KubeObject(
            MLResources.onlineDeployments,
            namespace: "default",
            name: OnlineDeploymentSpec.objectName(endpoint: endpointName, deployment: deploymentName),
            body: ["spec": try JSON(encoding: self)]
        )
        object["metadata", "uid"] = "uid-1"
        object["metadata", "generation"] = JSON(generation)
        object["metadata", "creationTimestamp"] = .string(created)
        return object
    }

    func plan(_ configuration: InferenceOperatorConfiguration = .fixture) throws -> OnlineDeploymentPlan {
        try OnlineDeploymentPlan(
            object: object(),
            spec: self,
            compute: "local",
            instanceType: .fallback,
            configuration: configuration
        )
    }
}
