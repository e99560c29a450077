import ControlPlaneAPI
import ControlPlaneClient
import Foundation
import KubeCore
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct ServerTests {
    @Test("A wrong secret, a missing token and an unknown route are told apart")
    func access() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            #expect(try await client.get(instance.ids.workspace)["name"]?.stringValue == "main")
            var wrong = instance.connection
            wrong.clientSecret = "x"
            let stranger = try ControlPlaneClient(connection: wrong, caPEM: instance.pki.caPEM)
            let denied = await #expect(throws: ARMError.self) { try await stranger.get(instance.ids.workspace) }
            #expect(denied?.status == 401)
            try await stranger.shutdown()
            let unknown = await #expect(throws: ARMError.self) { try await client.get("/nothing") }
            #expect(unknown?.status == 404)
            // ARM paths have no case.
            let upper = try await client.get(instance.ids.workspace.uppercased())
            #expect(upper["id"]?.stringValue == instance.ids.workspace)
        }
    }

    @Test("The database and its side files are readable by the owner alone")
    func rights() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        // The side files exist only while the database is open.
        let plane = try await instance.controlPlane()
        defer { _ = plane.boundPorts }
        for name in ["controlplane.db", "controlplane.db-wal"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: instance.folder + "/" + name)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
    }

    @Test("Nothing that describes the configuration shows a secret")
    func descriptions() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let plane = try await instance.controlPlane()
        let link = plane.link(clusterType: "connectedClusters", resourceGroup: "local", clusterName: "local")
        for text in [String(describing: link), String(reflecting: [link]), "\(instance.connection)"] {
            #expect(!text.contains("secret"))
            #expect(!text.contains("PRIVATE KEY"))
        }
    }

    @Test("Extension settings are checked, operations end with the agent's report, deletion waits for it")
    func extensions() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let path = instance.clusterID + "/providers/Microsoft.KubernetesConfiguration/extensions/amlext"
            let bad: JSON = [
                "properties": [
                    "extensionType": "microsoft.azureml.kubernetes",
                    "configurationSettings": ["enableTraining": "maybe"],
                ]
            ]
            let refused = await #expect(throws: ARMError.self) { try await client.put(path, bad) }
            #expect(refused?.error.code == "InvalidSetting")
            #expect(try await client.find(path) == nil)
            try await instance.prepare(plane, client)
            let stored = try await client.get(path)
            #expect(stored["properties"]?["provisioningState"]?.stringValue == "Succeeded")
            // The other resource type is the same cluster.
            let twin = instance.connection.clusterID(
                clusterType: "managedClusters",
                resourceGroup: "local",
                clusterName: "local"
            )
            let second = await #expect(throws: ARMError.self) {
                try await client.put(
                    twin + "/providers/Microsoft.KubernetesConfiguration/extensions/other",
                    ["properties": ["extensionType": "microsoft.azureml.kubernetes"]]
                )
            }
            #expect(second?.status == 409)
            let deletion = try await client.delete(path)
            #expect(try await client.get(path)["properties"]?["provisioningState"]?.stringValue == "Deleting")
            let link = plane.link(clusterType: "connectedClusters", resourceGroup: "local", clusterName: "local")
            for await wanted in await link.work() {
                guard let first = wanted.extensions.first, first.isDeleting else { continue }
                try await link.report(
                    ExtensionReport(
                        clusterType: first.clusterType,
                        resourceGroup: first.resourceGroup,
                        clusterName: first.clusterName,
                        name: first.name,
                        generation: first.generation,
                        provisioningState: "Deleting",
                        isGone: true
                    )
                )
                break
            }
            #expect(try await client.wait(for: deletion, resource: path, poll: .milliseconds(20)) == nil)
        }
    }

    @Test("Code is uploaded once, found again by its hash, and downloaded as it was")
    func code() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let folder = instance.folder + "/src"
            try FileManager.default.createDirectory(atPath: folder + "/a b", withIntermediateDirectories: true)
            try "x".write(toFile: folder + "/train.py", atomically: true, encoding: .utf8)
            try "y".write(toFile: folder + "/a b/ü.py", atomically: true, encoding: .utf8)
            let plan = try UploadPlan.read(folder)
            let first = try await client.uploadCode(plan, ids: instance.ids)
            #expect(try await client.uploadCode(plan, ids: instance.ids) == first)
            let uri = try #require(try await client.get(first)["properties"]?["codeUri"]?.stringValue)
            let address = try #require(BlobAddress(url: uri))
            let count = try await client.downloadFolder(
                container: address.container,
                prefix: address.name + "/",
                to: instance.folder + "/back"
            )
            #expect(count == 2)
            #expect(try String(contentsOfFile: instance.folder + "/back/a b/ü.py", encoding: .utf8) == "y")
        }
    }

    @Test("A version of an environment cannot change")
    func environments() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let path = instance.ids.version("environments", "e", "1")
            let first = try await client.put(path, ["properties": ["image": "a"]])
            let second = try await client.put(path, ["properties": ["image": "a"]])
            #expect(first.status == 201)
            #expect(second.status == 200)
            let changed = await #expect(throws: ARMError.self) {
                try await client.put(path, ["properties": ["image": "b"]])
            }
            #expect(changed?.status == 409)
            let neither = await #expect(throws: ARMError.self) {
                try await client.put(instance.ids.version("environments", "f", "1"), ["properties": [:]])
            }
            #expect(neither?.status == 400)
            #expect(
                try await client.get(instance.ids.asset("environments", "e"))["properties"]?["nextVersion"]?.stringValue
                    == "2"
            )
        }
    }

    @Test("MLflow runs keep metrics, parameters and tags, and a parameter cannot change")
    func tracking() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let api = "/api/2.0/mlflow"
            let experiment =
                try await client.post(api + "/experiments/create", ["name": "x"]).body["experiment_id"] ?? ""
            let run = try await client.post(api + "/runs/create", ["experiment_id": experiment, "start_time": 1]).body
            let id = run["run"]?["info"]?["run_id"] ?? ""
            _ = try await client.post(
                api + "/runs/log-batch",
                [
                    "run_id": id, "params": [["key": "lr", "value": "0.1"]], "tags": [["key": "t", "value": "v"]],
                    "metrics": [
                        ["key": "acc", "value": 0.5, "step": 2, "timestamp": 2],
                        ["key": "acc", "value": 0.9, "step": 1, "timestamp": 3],
                        ["key": "bad", "value": "NaN", "step": 0, "timestamp": 1],
                    ],
                ]
            )
            let data = try await client.get(api + "/runs/get", query: ["run_id": id.stringValue ?? ""])["run"]?["data"]
            let metrics = data?["metrics"]?.arrayValue ?? []
            #expect(metrics.first { $0["key"] == "acc" }?["value"]?.doubleValue == 0.5)
            #expect(metrics.first { $0["key"] == "bad" }?["value"] == "NaN")
            let refused = await #expect(throws: ARMError.self) {
                try await client.post(api + "/runs/log-parameter", ["run_id": id, "key": "lr", "value": "0.2"])
            }
            #expect(refused?.status == 400)
            let found = try await client.post(
                api + "/runs/search",
                ["experiment_ids": .array([experiment]), "filter": "metrics.acc > 0.4 and params.lr = '0.1'"]
            )
            #expect(found.body["runs"]?.arrayValue?.count == 1)
        }
    }
}
