import KubeCore
import KubeRuntime
import MLTypes
import Testing

@testable import Gateway

@Suite struct GatewayRequestTests {
    @Test func `Targets are understood`() throws {
        let key = ObjectKey(namespace: "ns", name: "a")
        #expect(
            try GatewayRequest(method: "PUT", target: "/v1/namespaces/ns/amljobs/a")
                == .resource(.put, MLResources.amlJobs, key)
        )
        #expect(try GatewayRequest(method: "DELETE", target: "/v1/namespaces/ns/secrets/a") == .secret(.delete, key))
        #expect(try GatewayRequest(method: "GET", target: "/v1/watch") == .watch)
        #expect(
            try GatewayRequest(method: "GET", target: "/v1/namespaces/ns/pods?labelSelector=a%3Db%2Cc")
                == .pods(namespace: "ns", labelSelector: "a=b,c")
        )
        #expect(
            try GatewayRequest(
                method: "GET",
                target: "/v1/namespaces/ns/pods/a/log?container=c&tailLines=5&previous=true"
            )
                == .log(key, container: "c", tailLines: 5, previous: true)
        )
    }

    @Test(arguments: [
        ("GET", "/v1/namespaces/ns/secrets/a", 405), ("POST", "/v1/namespaces/ns/amljobs/a", 405),
        ("GET", "/v1/namespaces/ns/configmaps/a", 404), ("GET", "/v2/watch", 404), ("GET", "/", 404),
        ("GET", "/v1/namespaces/..%2Fkube-system/amljobs/a", 400), ("GET", "/v1/namespaces/ns/amljobs/A_b", 400),
        ("GET", "/v1/namespaces/ns/pods/a/log?tailLines=many", 400), ("DELETE", "/v1/cluster", 405),
    ])
    func `What is not offered is refused`(method: String, target: String, code: Int) {
        let error = #expect(throws: APIError.self) { try GatewayRequest(method: method, target: target) }
        #expect(error?.code == code)
    }

    @Test func `Tokens are compared whole`() {
        #expect(Gateway.equalInConstantTime("secret", "secret"))
        for wrong in ["", "secre", "secrets", "Secret"] { #expect(!Gateway.equalInConstantTime(wrong, "secret")) }
        #expect(!Gateway.equalInConstantTime("", ""))
    }

    @Test func `A stream that does not read is closed and the others go on`() async throws {
        let hub = WatchHub()
        let slow = try #require(hub.open())
        let object = KubeObject(MLResources.amlJobs, namespace: "ns", name: "a")
        for _ in 0..<5000 { hub.take("amljobs", .updated(old: object, new: object)) }
        var count = 0
        for await _ in slow.changes { count += 1 }
        #expect(count == 4096)
        let next = try #require(hub.open())
        #expect(next.present.map(\.type) == ["ADDED"])
        hub.take("amljobs", .deleted(object))
        hub.close()
        var types: [String] = []
        for await change in next.changes { types.append(change.type) }
        #expect(types == ["DELETED"])
        #expect(hub.open() == nil)
    }
}
