import ControlPlaneAPI
import ControlPlaneClient
import KubeCore
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct EndpointTests {
    private static func traffic(_ map: JSON, _ instance: TestInstance) -> JSON {
        ["properties": ["authMode": "Key", "compute": .string(instance.ids.compute("k8s")), "traffic": map]]
    }

    @Test("An endpoint gets its address, a failed deployment its reason, and traffic keeps its rules")
    func endpoint() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let gateway = FakeGateway(instance)
        try await instance.run(gateway: gateway) { plane, client in
            try await instance.prepare(plane, client)
            let path = instance.ids.endpoint("ep1")
            let early = await #expect(throws: ARMError.self) {
                try await client.put(path, Self.traffic(["blue": 100], instance))
            }
            #expect(early?.error.target == "properties.traffic")
            let creation = try await client.put(path, Self.traffic([:], instance))
            try await eventually { gateway.object("onlineendpoints/ep1") != nil }
            gateway.setStatus(
                "onlineendpoints/ep1",
                ["provisioningState": "Succeeded", "scoringUri": "http://h/score", "observedGeneration": 1]
            )
            let endpoint = try await client.wait(for: creation, poll: .milliseconds(20))
            #expect(endpoint?["properties"]?["scoringUri"] == "http://h/score")
            #expect(gateway.object("secrets/ep1-keys")?["data"]?["primaryKey"] != nil)

            _ = try await client.put(
                instance.ids.version("environments", "served", "1"),
                [
                    "properties": [
                        "image": "i",
                        "inferenceConfig": [
                            "scoringRoute": ["port": 5001, "path": "/score"],
                            "livenessRoute": ["port": 5001, "path": "/"],
                            "readinessRoute": ["port": 5001, "path": "/"],
                        ],
                    ]
                ]
            )
            let deployment = instance.ids.deployment("ep1", "blue")
            let body: JSON = [
                "sku": ["capacity": 2],
                "properties": ["environmentId": .string(instance.ids.version("environments", "served", "1"))],
            ]
            let bad = try await client.put(deployment, body)
            try await eventually { gateway.object("onlinedeployments/ep1-blue") != nil }
            #expect(gateway.object("onlinedeployments/ep1-blue")?["spec"]?["instanceCount"] == 2)
            gateway.setStatus(
                "onlinedeployments/ep1-blue",
                [
                    "provisioningState": "Failed", "reason": "UserScriptInitFailed", "message": "init() raised",
                    "logTail": "KeyError: 'x'", "observedGeneration": 1,
                ]
            )
            let failure = await #expect(throws: ARMError.self) {
                try await client.wait(for: bad, poll: .milliseconds(20))
            }
            #expect(failure?.error.code == "UserScriptInitFailed")
            #expect(failure?.error.message.contains("KeyError") == true)

            let half = await #expect(throws: ARMError.self) {
                try await client.put(path, Self.traffic(["blue": 50], instance))
            }
            #expect(half?.error.message.contains("0 or 100") == true)
            let update = try await client.put(path, Self.traffic(["blue": 100], instance))
            try await eventually { gateway.object("onlineendpoints/ep1")?["spec"]?["traffic"]?["blue"] == 100 }
            // The status still speaks of the first generation, so the update is not done.
            gateway.setStatus("onlineendpoints/ep1", ["provisioningState": "Succeeded", "observedGeneration": 1])
            #expect(try await client.get(update.operation ?? "")["status"] == "InProgress")
            gateway.setStatus("onlineendpoints/ep1", ["provisioningState": "Succeeded", "observedGeneration": 2])
            try await client.wait(for: update, poll: .milliseconds(20))
            let busy = await #expect(throws: ARMError.self) { try await client.delete(deployment) }
            #expect(busy?.error.code == "DeploymentHasTraffic")

            let old = try await client.post(path + "/listKeys").body["primaryKey"]
            _ = try await client.post(path + "/regenerateKeys", ["keyType": "Primary"])
            #expect(try await client.post(path + "/listKeys").body["primaryKey"] != old)
            let deletion = try await client.delete(path)
            #expect(try await client.wait(for: deletion, resource: path, poll: .milliseconds(20)) == nil)
            try await eventually {
                gateway.object("onlinedeployments/ep1-blue") == nil && gateway.object("secrets/ep1-keys") == nil
            }
        }
    }
}
