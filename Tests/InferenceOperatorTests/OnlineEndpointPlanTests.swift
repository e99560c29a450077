import KubeCore
import MLTypes
import Testing

@testable import InferenceOperator

@Suite struct OnlineEndpointPlanTests {
    private let created = 1_767_225_600.0

    private func service(_ type: String, ports: [JSON], extra: (inout KubeObject) -> Void = { _ in }) -> KubeObject {
        var object = KubeObject(
            .services,
            namespace: "azureml",
            name: "azureml-fe",
            body: ["spec": ["type": .string(type), "clusterIP": "10.96.0.9", "ports": .array(ports)]]
        )
        extra(&object)
        return object
    }

    private let http: JSON = ["name": "http", "port": 80, "nodePort": 30080]
    private let https: JSON = ["name": "https", "port": 443, "nodePort": 30443]

    private func status(
        traffic: [String: Int]? = nil,
        router: KubeObject?,
        node: String? = nil,
        hasKeys: Bool = true,
        age: Double = 5,
        auth: String = "Key",
        configure: (inout InferenceOperatorConfiguration) -> Void = { _ in }
    ) -> OnlineEndpointStatus {
        var configuration = InferenceOperatorConfiguration.fixture
        configure(&configuration)
        let spec = OnlineEndpointSpec(
            workspace: WorkspaceReference(subscriptionId: "s", resourceGroup: "g", name: "w"),
            compute: "local",
            authMode: auth,
            keysSecret: "iris-keys",
            traffic: traffic
        )
        var object = KubeObject(MLResources.onlineEndpoints, namespace: "default", name: "iris")
        object["metadata", "creationTimestamp"] = "2026-01-01T00:00:00Z"
        object["metadata", "generation"] = 4
        return OnlineEndpointPlan(
            object: object,
            spec: spec,
            deployments: ["blue", "green"],
            router: router,
            nodeAddress: node,
            hasKeys: hasKeys,
            configuration: configuration,
            now: created + age
        ).status
    }

    private func balanced(_ ports: [JSON], ingress: JSON?) -> KubeObject {
        service("LoadBalancer", ports: ports) { object in
            if let ingress { object["status", "loadBalancer", "ingress"] = [ingress] }
        }
    }

    @Test("The scoring URI follows the router's Service")
    func addresses() {
        let cluster = status(router: service("ClusterIP", ports: [http]))
        #expect(cluster.provisioningState == "Succeeded")
        #expect(cluster.scoringUri == "http://10.96.0.9/api/v1/endpoint/iris/score")
        #expect(cluster.swaggerUri == "http://10.96.0.9/api/v1/endpoint/iris/swagger.json")
        #expect(cluster.observedGeneration == 4)
        #expect(
            status(router: balanced([http], ingress: ["ip": "1.2.3.4"])).scoringUri
                == "http://1.2.3.4/api/v1/endpoint/iris/score"
        )
        #expect(
            status(router: balanced([https], ingress: ["hostname": "lb.example"])).scoringUri
                == "https://lb.example/api/v1/endpoint/iris/score"
        )
        #expect(
            status(router: service("NodePort", ports: [http]), node: "192.168.0.7").scoringUri
                == "http://192.168.0.7:30080/api/v1/endpoint/iris/score"
        )
        #expect(
            status(router: balanced([http, https], ingress: ["ip": "fd00::1"])) { $0.scoringScheme = "https" }
                .scoringUri
                == "https://[fd00::1]/api/v1/endpoint/iris/score"
        )
        #expect(
            status(router: service("ClusterIP", ports: [http, https])) {
                $0.scoringScheme = "https"
                $0.scoringHost = "score.example"
            }.scoringUri == "https://score.example/api/v1/endpoint/iris/score"
        )
        #expect(
            status(router: service("ClusterIP", ports: [["name": "http", "port": 8080]])).scoringUri
                == "http://10.96.0.9:8080/api/v1/endpoint/iris/score"
        )
    }

    @Test("A router or key that is missing is waited for, and then a failure")
    func missing() {
        let none = status(router: nil)
        #expect(none.provisioningState == "Creating" && none.reason == "ScoringFeUnhealthy" && none.scoringUri == nil)
        #expect(status(router: nil, age: 100).provisioningState == "Failed")
        let pending = status(router: balanced([http], ingress: nil))
        #expect(pending.provisioningState == "Creating" && pending.message?.contains("no address") == true)
        let keyless = status(router: service("ClusterIP", ports: [http]), hasKeys: false, age: 100)
        #expect(keyless.provisioningState == "Failed" && keyless.message?.contains("iris-keys") == true)
        #expect(
            status(router: service("ClusterIP", ports: [http]), hasKeys: false, auth: "AMLToken").provisioningState
                == "Succeeded"
        )
    }

    @Test(
        "Traffic has to be whole: known deployments, percentages, sum 0 or 100",
        arguments: [
            (["blue": 100], 0), (["blue": 90, "green": 10], 0), ([:], 0), (["blue": 0], 0),
            (["gone": 0, "blue": 100], 0),
            (["blue": 50], 1), (["red": 100], 1), (["blue": 90, "green": 20], 1), (["blue": 150, "green": -50], 2),
        ] as [([String: Int], Int)]
    )
    func traffic(_ traffic: [String: Int], _ problems: Int) {
        let result = status(traffic: traffic, router: service("ClusterIP", ports: [http]))
        #expect(result.provisioningState == (problems == 0 ? "Succeeded" : "Failed"))
        if problems > 0 {
            #expect(result.reason == "BadArgument")
        }
    }
}
