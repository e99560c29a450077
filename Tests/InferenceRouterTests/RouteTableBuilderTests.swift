import Foundation
import KubeCore
import MLTypes
import Testing

@testable import InferenceRouter

@Suite struct RouteTableBuilderTests {
    private func endpoint(
        _ name: String,
        namespace: String = "default",
        created: String = "2026-01-01T00:00:00Z",
        traffic: [String: Int] = [:],
        auth: String = "Key"
    ) throws -> KubeObject {
        let spec = OnlineEndpointSpec(
            workspace: WorkspaceReference(subscriptionId: "s", resourceGroup: "g", name: "w"),
            compute: "c",
            authMode: auth,
            keysSecret: name + "-keys",
            traffic: traffic
        )
        var object = KubeObject(
            MLResources.onlineEndpoints,
            namespace: namespace,
            name: name,
            body: ["spec": try JSON(encoding: spec)]
        )
        object["metadata", "creationTimestamp"] = .string(created)
        return object
    }

    private func deployment(
        _ endpoint: String,
        _ name: String,
        namespace: String = "default",
        change: (inout OnlineDeploymentSpec) -> Void = { _ in }
    ) throws -> KubeObject {
        var spec = OnlineDeploymentSpec(
            endpointName: endpoint,
            deploymentName: name,
            workspace: WorkspaceReference(subscriptionId: "s", resourceGroup: "g", name: "w"),
            environment: EnvironmentSpec(image: "python"),
            controlPlane: ControlPlaneReference(url: "https://cp", caPEM: "", tokenSecret: "t")
        )
        change(&spec)
        return KubeObject(
            MLResources.onlineDeployments,
            namespace: namespace,
            name: endpoint + "-" + name,
            body: ["spec": try JSON(encoding: spec)]
        )
    }

    private func keys(_ endpoint: String, primary: String?, namespace: String = "default") -> KubeObject {
        var data: [String: JSON] = ["secondaryKey": .string(Data("second".utf8).base64EncodedString())]
        if let primary { data["primaryKey"] = .string(Data(primary.utf8).base64EncodedString()) }
        return KubeObject(.secrets, namespace: namespace, name: endpoint + "-keys", body: ["data": .object(data)])
    }

    private func slice(_ service: String, _ endpoints: [JSON], port: Int = 5001) -> KubeObject {
        KubeObject(
            .endpointSlices,
            namespace: "default",
            name: service + "-x",
            labels: ["kubernetes.io/service-name": service],
            body: ["ports": [["name": "http", "port": .int(Int64(port))]], "endpoints": .array(endpoints)]
        )
    }

    @Test("Endpoints, keys, weights, settings and instances come together")
    func whole() throws {
        let result = RouteTableBuilder(
            endpoints: [try endpoint("iris", traffic: ["blue": 90, "green": 10])],
            deployments: [
                try deployment("iris", "green"),
                try deployment("iris", "blue") {
                    $0.requestSettings = .init(
                        requestTimeoutMs: 90_000,
                        maxQueueWaitMs: 100,
                        maxConcurrentRequestsPerInstance: 3
                    )
                    let route = OnlineDeploymentSpec.Route(port: 8501, path: "/v1/predict")
                    $0.inferenceConfig = .init(scoringRoute: route, livenessRoute: route, readinessRoute: route)
                },
            ],
            secrets: [keys("iris", primary: "first")],
            endpointSlices: [
                slice(
                    "iris-blue",
                    [
                        ["addresses": ["10.0.0.1"], "conditions": ["ready": true], "targetRef": ["uid": "u1"]],
                        [
                            "addresses": ["10.0.0.2"], "conditions": ["ready": false, "terminating": true],
                            "targetRef": ["uid": "u2"],
                        ],
                        ["addresses": ["10.0.0.3"]],
                    ],
                    port: 8501
                )
            ]
        ).build()
        #expect(result.problems.isEmpty)
        let iris = try #require(result.table.endpoints["iris"])
        #expect(iris.auth == .keys(primary: KeyDigest(of: "first"), secondary: KeyDigest(of: "second")))
        #expect(iris.deployments.map(\.name) == ["blue", "green"])
        #expect(iris.deployments.map(\.weight) == [90, 10])
        let blue = iris.deployments[0]
        #expect(blue.settings.requestTimeoutMilliseconds == 90_000)
        #expect(blue.settings.maxQueueWaitMilliseconds == 100)
        #expect(blue.settings.maxConcurrentPerInstance == 3)
        #expect(blue.settings.scoringPath == "/v1/predict")
        #expect(
            blue.backends == [
                .init(id: "10.0.0.3:8501", address: "10.0.0.3", port: 8501),
                .init(id: "u1", address: "10.0.0.1", port: 8501),
                .init(id: "u2", address: "10.0.0.2", port: 8501, isReady: false, isTerminating: true),
            ]
        )
        #expect(iris.deployments[1].settings == RouteTable.Settings())
    }

    @Test("Without its Secret an endpoint lets nobody in, and says so")
    func missingSecret() throws {
        let result = RouteTableBuilder(
            endpoints: [try endpoint("iris"), try endpoint("tokens", auth: "AMLToken")],
            deployments: [],
            secrets: [],
            endpointSlices: []
        ).build()
        #expect(result.table.endpoints["iris"]?.auth == .keys(primary: nil, secondary: nil))
        #expect(result.table.endpoints["tokens"]?.auth == .token)
        #expect(result.problems.count == 2)
        #expect(result.tokenKeys.isEmpty)
    }

    @Test("An endpoint that takes tokens checks them with its primary key")
    func tokenKeys() throws {
        let result = RouteTableBuilder(
            endpoints: [try endpoint("iris"), try endpoint("tokens", auth: "AMLToken")],
            deployments: [],
            secrets: [keys("iris", primary: "a"), keys("tokens", primary: "b")],
            endpointSlices: []
        ).build()
        #expect(result.tokenKeys == ["tokens": Array("b".utf8)])
        #expect(result.problems.isEmpty)
    }

    @Test("Of two endpoints with one name the older is served")
    func sameName() throws {
        let result = RouteTableBuilder(
            endpoints: [
                try endpoint("iris", namespace: "new", created: "2026-02-01T00:00:00Z"),
                try endpoint("iris", namespace: "old", created: "2026-01-01T00:00:00Z"),
            ],
            deployments: [
                try deployment("iris", "a", namespace: "new"), try deployment("iris", "b", namespace: "old"),
            ],
            secrets: [keys("iris", primary: nil, namespace: "old"), keys("iris", primary: nil, namespace: "new")],
            endpointSlices: []
        ).build()
        #expect(result.table.endpoints["iris"]?.deployments.map(\.name) == ["b"])
        #expect(result.problems.count == 1)
    }

    @Test("Traffic to a deployment that does not exist and objects that cannot be read are told")
    func problems() throws {
        let result = RouteTableBuilder(
            endpoints: [
                try endpoint("iris", traffic: ["gone": 100, "zero": 0]),
                KubeObject(MLResources.onlineEndpoints, namespace: "default", name: "broken"),
            ],
            deployments: [KubeObject(MLResources.onlineDeployments, namespace: "default", name: "broken-a")],
            secrets: [keys("iris", primary: nil)],
            endpointSlices: []
        ).build()
        #expect(result.problems.count == 3)
        #expect(result.table.endpoints.keys.sorted() == ["iris"])
    }

    @Test("An endpoint or deployment that is being deleted is not served")
    func deleting() throws {
        var leaving = try deployment("iris", "blue")
        leaving["metadata", "deletionTimestamp"] = "2026-01-01T00:00:00Z"
        let result = RouteTableBuilder(
            endpoints: [try endpoint("iris")],
            deployments: [leaving],
            secrets: [keys("iris", primary: nil)],
            endpointSlices: []
        ).build()
        #expect(result.table.endpoints["iris"]?.deployments.isEmpty == true)
    }
}
