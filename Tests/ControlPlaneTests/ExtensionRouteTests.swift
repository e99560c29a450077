import AsyncHTTPClient
import ControlPlaneAPI
import ControlPlaneClient
import KubeCore
import NIOCore
import NIOHTTP1
import Testing

@testable import ControlPlane
@testable import ControlPlaneClient

@Suite(.timeLimit(.minutes(1))) struct ExtensionRouteTests {
    private static func path(_ instance: TestInstance, _ name: String = "amlext") -> String {
        instance.clusterID + "/providers/Microsoft.KubernetesConfiguration/extensions/" + name
    }

    private static let body: JSON = [
        "properties": ["extensionType": "microsoft.azureml.kubernetes", "configurationSettings": ["a": "1"]]
    ]

    private static func report(_ plane: ControlPlane, _ state: String, isGone: Bool = false) async throws {
        let link = StoredExtensionLink(
            core: plane.core,
            clusterType: "connectedClusters",
            resourceGroup: "local",
            clusterName: "local"
        )
        guard let wanted = try await link.present().extensions.first else {
            throw TestProblem(text: "nothing is wanted")
        }
        try await link.report(
            ExtensionReport(
                clusterType: wanted.clusterType,
                resourceGroup: wanted.resourceGroup,
                clusterName: wanted.clusterName,
                name: wanted.name,
                generation: wanted.generation,
                provisioningState: state,
                isGone: isGone
            )
        )
    }

    @Test("Status codes and operation headers are those of the reference")
    func codes() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let path = Self.path(instance)
            let version = ["api-version": "2023-05-01"]
            let created = try await client.put(path, Self.body, query: version)
            #expect(created.status == 201)
            let operation = try #require(created.operation)
            #expect(operation.hasPrefix(instance.connection.url + path + "/operations/"))
            #expect(operation.hasSuffix("?api-version=2023-05-01"))
            #expect(try await client.get(operation)["status"] == "InProgress")
            #expect(try await client.put(path, Self.body).status == 200)
            try await Self.report(plane, "Succeeded")
            #expect(try await client.get(operation)["status"] == "Succeeded")
            let same = try await client.put(path, Self.body)
            #expect(same.status == 200)
            #expect(same.operation == nil)
            let nothing = try await client.patch(path, ["properties": ["configurationSettings": ["a": "1"]]])
            #expect(nothing.status == 200)
            #expect(nothing.operation == nil)
            let changed = try await client.patch(path, ["properties": ["configurationSettings": ["a": "2"]]])
            #expect(changed.status == 202)
            try await Self.report(plane, "Succeeded")
            let deleted = try await client.delete(path)
            #expect(deleted.status == 202)
            try await Self.report(plane, "Deleting", isGone: true)
            #expect(try await client.delete(path).status == 204)
            _ = try await client.put(path, Self.body)
            #expect(try await client.delete(path, query: ["forceDelete": "true"]).status == 200)
            #expect(try await client.find(path) == nil)
        }
    }

    @Test("An operation is answered below its own extension only")
    func operations() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let question = try await client.post(Self.path(instance) + "/check", Self.body)
            #expect(question.status == 202)
            #expect(question.body["status"] == "InProgress")
            let operation = try #require(question.body["name"]?.stringValue)
            #expect(try await client.find(Self.path(instance) + "/operations/" + operation) != nil)
            #expect(try await client.find(Self.path(instance, "other") + "/operations/" + operation) == nil)
            let list = try await client.list(
                instance.clusterID + "/providers/Microsoft.KubernetesConfiguration/operations"
            )
            #expect(list.map { $0["name"]?.stringValue } == [operation])
        }
    }

    @Test("Questions, rollback and revisions have their addresses")
    func questions() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let path = Self.path(instance)
            #expect(try await client.post(path + "/preview", Self.body, query: ["operation": "create"]).status == 202)
            #expect(try await client.post(path + "/components", Self.body).status == 202)
            let absent = await #expect(throws: ARMError.self) { try await client.post(path + "/diagnose") }
            #expect(absent?.error.code == "ExtensionNotFound")
            _ = try await client.put(path, Self.body)
            try await Self.report(plane, "Succeeded")
            #expect(try await client.post(path + "/diagnose").status == 202)
            let none = await #expect(throws: ARMError.self) { try await client.post(path + "/rollback") }
            #expect(none?.error.code == "RevisionNotFound")
            #expect(try await client.post(path + "/rollback", ["revision": 1]).status == 200)
            let revisions = try await client.list(path + "/revisions")
            #expect(revisions.map { $0["revision"]?.intValue } == [1])
            #expect(revisions.first?["isCurrent"] == true)
        }
    }

    @Test("Extension types are answered by cluster and by location")
    func types() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let subscription = "/subscriptions/\(instance.connection.subscriptionId)"
            let provider = "/providers/Microsoft.KubernetesConfiguration"
            for base in [instance.clusterID + provider, subscription + provider + "/locations/here"] {
                let types = base + "/extensionTypes"
                let list = try await client.list(types)
                #expect(list.map { $0["name"] } == ["microsoft.azureml.kubernetes"])
                let one = types + "/Microsoft.AzureML.Kubernetes"
                let type = try await client.get(one)
                #expect(type["properties"]?["supportedScopes"]?["defaultScope"] == "cluster")
                let stable = try await client.list(one + "/versions", query: ["releaseTrain": "stable"])
                #expect(stable.count == 1)
                let ninth = try await client.list(one + "/versions", query: ["majorVersion": "9"])
                #expect(ninth.isEmpty)
                let version = try await client.get(one + "/versions/test")
                #expect(version["properties"]?["version"] == "test")
                let unknown = await #expect(throws: ARMError.self) { try await client.get(types + "/microsoft.flux") }
                #expect(unknown?.error.code == "ExtensionTypeNotFound")
            }
        }
    }

    @Test("An api-version that cannot be is refused; none at all is not")
    func apiVersion() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let list = instance.clusterID + "/providers/Microsoft.KubernetesConfiguration/extensions"
            for good in ["2023-05-01", "2025-03-01", "2022-04-02-preview", "2030-01-01"] {
                let answer = try await client.get(list, query: ["api-version": good])
                #expect(answer["value"] == [])
            }
            for bad in ["1", "2019-01-01", "2023-05-01-", ""] {
                let refused = await #expect(throws: ARMError.self) {
                    try await client.get(list, query: ["api-version": bad])
                }
                #expect(refused?.error.code == "InvalidApiVersionParameter")
            }
        }
    }
}
