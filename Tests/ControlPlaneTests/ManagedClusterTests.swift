import ControlPlaneAPI
import ControlPlaneClient
import Foundation
import KubeCore
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct ManagedClusterTests {
    private static func instance() throws -> (TestInstance, FakeCluster) {
        var instance = try TestInstance()
        let cluster = FakeCluster()
        instance.remote = cluster
        return (instance, cluster)
    }

    @Test("A kubeconfig is kept sealed, never answered, and opened again after a restart")
    func sealing() async throws {
        let (instance, cluster) = try Self.instance()
        defer { instance.remove() }
        let id = instance.managedID("aks")
        try await instance.run { _, client in
            let made = try await client.put(id, TestInstance.managed)
            #expect(made.status == 201)
            #expect(!String(decoding: made.body.bytes, as: UTF8.self).contains("secret"))
            let shown = try await client.get(id)
            #expect(!String(decoding: shown.bytes, as: UTF8.self).contains("kubeconfig"))
            #expect(shown["type"]?.stringValue == "Microsoft.ContainerService/managedClusters")
            #expect(shown[path: "properties", "kubernetesVersion"]?.stringValue == "v1.36.0")
            #expect(shown[path: "properties", "agentPoolProfiles"]?[0]?["count"]?.intValue == 1)
            #expect(shown[path: "properties", "powerState", "code"]?.stringValue == "Running")
            // A second registration without a kubeconfig keeps the first.
            #expect(try await client.put(id, ["tags": ["a": "b"]]).status == 200)
            for name in ["controlplane.db", "controlplane.db-wal"] {
                let bytes = FileManager.default.contents(atPath: instance.folder + "/" + name) ?? Data()
                #expect(bytes.count > 0)
                #expect(bytes.range(of: Data("very-secret-token".utf8)) == nil)
                #expect(bytes.range(of: Data(Data("very-secret-token".utf8).base64EncodedString().utf8)) == nil)
            }
        }
        let key = instance.folder + "/pki/secrets.key"
        let attributes = try FileManager.default.attributesOfItem(atPath: key)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        let before = cluster.get { $0.opened.count }
        try await instance.run { plane, _ in
            #expect(plane.core.clusters.targets.map(\.name) == ["local", "aks"])
        }
        #expect(cluster.get { $0.opened.count } == before + 1)
        #expect(cluster.get { $0.opened.last } == TestInstance.kubeconfig)
        // Without its key the text is lost, but not the rest.
        try FileManager.default.removeItem(atPath: key)
        try await instance.run { plane, client in
            let api = try #require(plane.core.clusters.entry(resourceID: id)?.target.api)
            let error = await #expect(throws: APIError.self) { try await api.list(.nodes) }
            #expect(error?.message.contains("register the cluster again") == true)
            #expect(try await client.get(id)["name"]?.stringValue == "aks")
        }
    }

    struct Trouble: Sendable, CustomTestStringConvertible {
        var change: @Sendable (inout FakeCluster.State) -> Void
        var wantCode: String
        var wantText: String
        var testDescription: String { wantCode + ": " + wantText }
    }

    @Test(
        "A kubeconfig that does not work is refused with what failed, and nothing is stored",
        arguments: [
            Trouble(change: { $0.openFault = "no server" }, wantCode: "KubeconfigInvalid", wantText: "no server"),
            Trouble(
                change: { $0.fault = "connection refused" },
                wantCode: "ClusterNotReachable",
                wantText: "GET /version"
            ),
            Trouble(change: { $0.versionStatus = 404 }, wantCode: "ClusterNotReachable", wantText: "answered 404"),
            Trouble(
                change: { $0.listError = APIError(code: 401, reason: .unauthorized, message: "Unauthorized") },
                wantCode: "ClusterUnauthorized",
                wantText: "credentials"
            ),
            Trouble(
                change: {
                    $0.refused = ["create deployments.apps in namespace azureml", "list nodes"]
                    $0.listError = APIError(code: 403, reason: .forbidden, message: "no")
                },
                wantCode: "ClusterRightsMissing",
                wantText: "list nodes, create deployments.apps in namespace azureml"
            ),
        ]
    )
    func troubles(_ trouble: Trouble) async throws {
        let (instance, cluster) = try Self.instance()
        defer { instance.remove() }
        cluster.set { trouble.change(&$0) }
        try await instance.run { _, client in
            let id = instance.managedID("aks")
            let error = await #expect(throws: ARMError.self) { try await client.put(id, TestInstance.managed) }
            #expect(error?.status == 400)
            #expect(error?.error.code == trouble.wantCode)
            #expect(error?.error.target == "properties.kubeconfig")
            #expect(error?.error.message.contains(trouble.wantText) == true)
            let found = try await client.find(id)
            #expect(found == nil)
        }
        // What was opened for the trial is closed again.
        #expect(cluster.get { $0.closed } == cluster.get { $0.opened.count })
    }

    @Test("A user with exactly the rights that are needed is enough")
    func exactRights() async throws {
        let (instance, cluster) = try Self.instance()
        defer { instance.remove() }
        cluster.set { $0.refused = [] }
        try await instance.run { _, client in
            let made = try await client.put(instance.managedID("aks"), TestInstance.managed)
            #expect(made.status == 201)
            let missing = await #expect(throws: ARMError.self) {
                try await client.put(instance.managedID("other"), ["location": "west"])
            }
            #expect(missing?.error.target == "properties.kubeconfig")
        }
    }

    @Test("Work goes to a registered cluster through its API server, from registration until deletion")
    func work() async throws {
        let (instance, cluster) = try Self.instance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let id = instance.managedID("aks")
            _ = try await client.put(id, TestInstance.managed)
            try await eventually { cluster.get { $0.watches } == 1 }
            #expect(cluster.get { $0.headers.last?["Outrigger-Authorization"] } == "Bearer remote-token")

            var links = plane.clusterLinks().makeAsyncIterator()
            let managed = try #require(await links.next()?.first)
            #expect(managed.id == id)
            #expect(managed.controlPlaneURL == "https://advertised:7443")
            try await instance.install(client, on: id)
            var works = await managed.link.work().makeAsyncIterator()
            let wanted = try #require(await works.next()?.extensions.first)
            try await managed.link.report(TestInstance.succeeded(wanted))
            _ = try await client.put(
                instance.ids.compute("far"),
                [
                    "properties": [
                        "computeType": "Kubernetes", "resourceId": .string(id), "properties": ["namespace": "default"],
                    ]
                ]
            )
            _ = try await client.put(instance.ids.version("environments", "e", "1"), ["properties": ["image": "p"]])
            _ = try await client.put(
                instance.ids.job("j1"),
                [
                    "properties": [
                        "jobType": "Command", "command": "true", "computeId": .string(instance.ids.compute("far")),
                        "environmentId": .string(instance.ids.version("environments", "e", "1")),
                    ]
                ]
            )
            let path = "/v1/namespaces/default/amljobs/j1"
            try await eventually { cluster.get { $0.bodies[path] } != nil }
            let url = cluster.get { $0.bodies[path]?[path: "spec", "controlPlane", "url"]?.stringValue }
            #expect(url == "https://advertised:7443")

            // Registered anew: another client, the earlier one is closed and its loops end.
            let closed = cluster.get { $0.closed }
            _ = try await client.put(id, TestInstance.managed)
            // One closes after the trial, one is the earlier registration's.
            try await eventually { cluster.get { $0.closed } == closed + 2 }
            try await eventually { cluster.get { $0.endedWatches == 1 && $0.watches == 2 } }
            let renewed = try #require(await links.next()?.first)
            #expect(renewed.registration != managed.registration)

            _ = try await client.delete(id, query: ["force": "true"])
            #expect(await links.next()?.isEmpty == true)
            try await eventually { cluster.get { $0.endedWatches } == 2 }
        }
    }
}
