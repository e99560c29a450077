import ControlPlaneAPI
import ControlPlaneClient
import Foundation
import KubeCore
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct ClusterTests {
    @Test("A connected cluster is registered, shown, listed, tagged and deleted")
    func connected() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let (id, key) = (instance.connectedID("Edge-1"), ClusterAgentKey())
            let made = try await client.put(id, TestInstance.connected(key))
            #expect(made.status == 201)
            let shown = try await client.get(id.lowercased())
            #expect(shown["id"]?.stringValue == id)
            #expect(shown["type"]?.stringValue == "Microsoft.Kubernetes/connectedClusters")
            #expect(shown["location"]?.stringValue == "west")
            #expect(shown[path: "properties", "agentPublicKeyCertificate"]?.stringValue == key.publicKey)
            #expect(shown[path: "properties", "distribution"]?.stringValue == "k3s")
            #expect(shown[path: "properties", "infrastructure"]?.stringValue == "azure_stack")
            #expect(shown[path: "properties", "connectivityStatus"]?.stringValue == "Connecting")
            #expect(shown[path: "properties", "provisioningState"]?.stringValue == "Succeeded")
            #expect(shown[path: "properties", "totalNodeCount"] == .null)
            #expect(try await client.put(id, TestInstance.connected(key)).status == 200)

            let list = id.dropLast("/Edge-1".count)
            #expect(try await client.list(String(list)).count == 1)
            let all = try await client.list(String(list).replacing("/resourceGroups/fleet", with: ""))
            #expect(all.map { $0["name"]?.stringValue } == ["local", "Edge-1"])
            let groups = try await client.list("/subscriptions/\(instance.connection.subscriptionId)/resourceGroups")
            #expect(groups.contains { $0["name"]?.stringValue == "fleet" })

            let patched = try await client.patch(id, ["tags": ["team": "b"]])
            #expect(patched.body["tags"] == ["team": "b"])
            #expect(try await client.delete(id).status == 200)
            #expect(try await client.delete(id).status == 204)
            #expect(try await client.find(id) == nil)
            #expect(plane.core.clusters.targets.map(\.name) == ["local"])
        }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var name = "edge"
        var group = "fleet"
        var change: JSON = [:]
        var wantCode = "InvalidParameter"
        var wantTarget: String
        var testDescription: String { "\(name) in \(group): \(change)" }
    }

    @Test(
        "What cannot be a cluster is refused with the field at fault",
        arguments: [
            Refusal(name: "-edge", wantTarget: "name"),
            Refusal(name: "edge.one", wantTarget: "name"),
            Refusal(name: String(repeating: "e", count: 64), wantTarget: "name"),
            Refusal(group: "fleet.", wantTarget: "resourceGroup"),
            Refusal(
                change: ["agentPublicKeyCertificate": ""],
                wantTarget: "properties.agentPublicKeyCertificate"
            ),
            Refusal(
                change: ["agentPublicKeyCertificate": "!!"],
                wantTarget: "properties.agentPublicKeyCertificate"
            ),
            Refusal(
                change: ["agentPublicKeyCertificate": "QUJD"],
                wantTarget: "properties.agentPublicKeyCertificate"
            ),
            Refusal(change: ["controlPlaneUrl": "http://x"], wantTarget: "properties.controlPlaneUrl"),
        ]
    )
    func refusals(_ refusal: Refusal) async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            var body = TestInstance.connected(ClusterAgentKey())
            for (key, value) in refusal.change.objectValue ?? [:] { body[path: "properties", key] = value }
            let wanted = body
            let error = await #expect(throws: ARMError.self) {
                try await client.put(instance.connectedID(refusal.name, group: refusal.group), wanted)
            }
            #expect(error?.status == 400)
            #expect(error?.error.code == refusal.wantCode)
            #expect(error?.error.target == refusal.wantTarget)
        }
    }

    @Test("The instance's own cluster can be neither replaced nor deleted, under either type")
    func embedded() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            for type in ["connectedClusters", "managedClusters"] {
                let id = instance.connection.clusterID(
                    clusterType: type,
                    resourceGroup: "local",
                    clusterName: "LOCAL"
                )
                let put = await #expect(throws: ARMError.self) {
                    try await client.put(id, TestInstance.connected(ClusterAgentKey()))
                }
                #expect(put?.error.code == "ClusterIsEmbedded")
                let gone = await #expect(throws: ARMError.self) {
                    try await client.delete(id, query: ["force": "true"])
                }
                #expect(gone?.status == 409)
                let shown = try await client.get(id)
                #expect(shown["name"]?.stringValue == "local")
            }
        }
    }

    @Test("Connectivity follows the heartbeats")
    func connectivity() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let id = instance.connectedID("edge")
            _ = try await client.put(id, TestInstance.connected(ClusterAgentKey()))
            let link = plane.link(clusterType: "connectedClusters", resourceGroup: "fleet", clusterName: "edge")
            try await link.heartbeat(TestInstance.heartbeat)
            let shown = try await client.get(id)
            #expect(shown[path: "properties", "connectivityStatus"]?.stringValue == "Connected")
            #expect(shown[path: "properties", "totalNodeCount"]?.intValue == 3)
            #expect(shown[path: "properties", "kubernetesVersion"]?.stringValue == "v1.36.1")
            #expect(shown[path: "properties", "agentVersion"]?.stringValue == "1.2.3")
            #expect(shown[path: "properties", "lastConnectivityTime"]?.stringValue != nil)
            instance.clock.advance(121)
            #expect(
                try await client.get(id)[path: "properties", "connectivityStatus"]?.stringValue == "Offline"
            )
            instance.clock.advance(46 * 86400)
            #expect(
                try await client.get(id)[path: "properties", "connectivityStatus"]?.stringValue == "Expired"
            )
            try await link.heartbeat(TestInstance.heartbeat)
            #expect(
                try await client.get(id)[path: "properties", "connectivityStatus"]?.stringValue == "Connected"
            )
        }
    }

    @Test("A cluster with an extension or a compute is deleted only by force, and then nothing waits for it")
    func deletion() async throws {
        var instance = try TestInstance()
        instance.remote = FakeCluster()
        defer { instance.remove() }
        let bench = instance
        try await bench.run { plane, client in
            let id = bench.managedID("aks")
            _ = try await client.put(id, TestInstance.managed)
            try await bench.install(client, on: id)
            let link = plane.link(clusterType: "managedClusters", resourceGroup: "fleet", clusterName: "aks")
            for await work in await link.work() {
                guard let wanted = work.extensions.first else { continue }
                try await link.report(TestInstance.succeeded(wanted))
                break
            }
            _ = try await client.put(
                bench.ids.compute("far"),
                [
                    "properties": [
                        "computeType": "Kubernetes", "resourceId": .string(id), "properties": ["namespace": "default"],
                    ]
                ]
            )
            _ = try await client.put(bench.ids.version("environments", "e", "1"), ["properties": ["image": "p"]])
            // What cannot be sent waits in the outbox.
            bench.remote?.set { $0.fault = "no route to host" }
            _ = try await client.put(
                bench.ids.job("j1"),
                [
                    "properties": [
                        "jobType": "Command", "command": "true", "computeId": .string(bench.ids.compute("far")),
                        "environmentId": .string(bench.ids.version("environments", "e", "1")),
                    ]
                ]
            )
            let refused = await #expect(throws: ARMError.self) { try await client.delete(id) }
            #expect(refused?.status == 409)
            #expect(refused?.error.code == "ClusterInUse")
            #expect(refused?.error.message.contains("the extension 'amlext'") == true)
            #expect(refused?.error.message.contains("the compute 'far'") == true)

            #expect(try await client.delete(id, query: ["force": "true"]).status == 200)
            let job = try await client.get(bench.ids.job("j1"))
            #expect(job[path: "properties", "status"]?.stringValue == "Failed")
            #expect(job[path: "properties", "error", "code"]?.stringValue == "ClusterDeleted")
            let clusters = try await plane.core.store.read { t in try t.outboxClusters() }
            #expect(clusters.isEmpty)
            let compute = try await client.get(bench.ids.compute("far"))
            #expect(compute[path: "properties", "provisioningState"]?.stringValue == "Failed")
            let late = await #expect(throws: ARMError.self) {
                try await client.put(
                    bench.ids.job("j2"),
                    [
                        "properties": [
                            "jobType": "Command", "command": "true", "computeId": .string(bench.ids.compute("far")),
                            "environmentId": .string(bench.ids.version("environments", "e", "1")),
                        ]
                    ]
                )
            }
            #expect(late?.error.code == "ClusterNotFound")
        }
    }
}
