import ControlPlaneAPI
import ControlPlaneClient
import Foundation
import KubeCore
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct JobTests {
    private static func status(
        _ client: ControlPlaneClient,
        _ instance: TestInstance,
        _ name: String
    ) async throws -> String {
        try await client.get(instance.ids.job(name))["properties"]?["status"]?.stringValue ?? ""
    }

    @Test("A job is sent to its cluster, follows its status, and its failure says why")
    func failure() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let gateway = FakeGateway(instance)
        try await instance.run(gateway: gateway) { plane, client in
            try await instance.prepare(plane, client)
            try await instance.submit(client, "j1")
            try await eventually { gateway.object("amljobs/j1") != nil }
            #expect(
                gateway.object("secrets/j1-token")?["metadata"]?["labels"]?["ml.azure.com/managed-by"] == "outrigger"
            )
            #expect(gateway.object("amljobs/j1")?["spec"]?["environment"]?["image"] == "python:3.11")
            gateway.setStatus("amljobs/j1", ["phase": "Queued", "message": "no node has 4 CPUs free"])
            try await eventually {
                try await client.get(instance.ids.job("j1"))["properties"]?["statusMessage"]
                    == "no node has 4 CPUs free"
            }
            gateway.setStatus("amljobs/j1", ["phase": "Running", "startTime": "2026-01-01T00:00:00Z"])
            try await eventually { try await Self.status(client, instance, "j1") == "Running" }
            gateway.setStatus(
                "amljobs/j1",
                [
                    "phase": "Failed", "reason": "UserScriptFailed", "message": "The command failed.", "exitCode": 3,
                    "logTail": "ValueError: boom", "notes": ["image substituted"],
                ]
            )
            try await eventually { try await Self.status(client, instance, "j1") == "Failed" }
            let job = try await client.get(instance.ids.job("j1"))
            let message = job["properties"]?["error"]?["message"]?.stringValue ?? ""
            #expect(message.contains("exit code 3"))
            #expect(message.contains("ValueError: boom"))
            #expect(job["properties"]?["notes"]?[0] == "image substituted")
            let run = try await client.get("/api/2.0/mlflow/runs/get", query: ["run_id": "j1"])
            #expect(run["run"]?["info"]?["status"] == "FAILED")
            // What has ended stays ended.
            gateway.setStatus("amljobs/j1", ["phase": "Running"])
            try await instance.submit(client, "j2")
            try await eventually { gateway.object("amljobs/j2") != nil }
            #expect(try await Self.status(client, instance, "j1") == "Failed")
        }
    }

    @Test("A job submitted while the cluster is away is kept, says so, and is sent after a restart")
    func outbox() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            try await instance.prepare(plane, client)
            try await instance.submit(client, "j1")
            try await eventually {
                try await client.get(instance.ids.job("j1"))["properties"]?["statusMessage"]?.stringValue?.hasPrefix(
                    "Waiting for cluster"
                ) == true
            }
        }
        let gateway = FakeGateway(instance)
        try await instance.run(gateway: gateway) { _, client in
            try await eventually { gateway.object("amljobs/j1") != nil }
            gateway.setStatus("amljobs/j1", ["phase": "Completed"])
            try await eventually { try await Self.status(client, instance, "j1") == "Completed" }
        }
        // Another start asks the cluster again and changes nothing.
        try await instance.run(gateway: gateway) { _, client in
            let status = try await Self.status(client, instance, "j1")
            #expect(status == "Completed")
        }
    }

    @Test("Canceling reaches the cluster, and a job that vanished there does not hang")
    func cancel() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let gateway = FakeGateway(instance)
        try await instance.run(gateway: gateway) { plane, client in
            try await instance.prepare(plane, client)
            try await instance.submit(client, "j1")
            try await eventually { gateway.object("amljobs/j1") != nil }
            _ = try await client.post(instance.ids.job("j1") + "/cancel")
            try await eventually { gateway.object("amljobs/j1")?["spec"]?["isCancelRequested"] == true }
            #expect(try await Self.status(client, instance, "j1") == "CancelRequested")
            let active = await #expect(throws: ARMError.self) { try await client.delete(instance.ids.job("j1")) }
            #expect(active?.status == 409)
            gateway.setStatus("amljobs/j1", ["phase": "Canceled"])
            try await eventually { try await Self.status(client, instance, "j1") == "Canceled" }
            #expect(try await client.delete(instance.ids.job("j1")).status == 200)
            try await eventually { gateway.object("amljobs/j1") == nil }
            #expect(try await client.find(instance.ids.job("j1")) == nil)
        }
    }

    @Test("A run's token opens its own run and artifacts and nothing else; its log streams")
    func token() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let gateway = FakeGateway(instance)
        try await instance.run(gateway: gateway) { plane, client in
            try await instance.prepare(plane, client)
            try await instance.submit(client, "j1")
            try await instance.submit(client, "j2")
            try await eventually { gateway.object("amljobs/j1") != nil && gateway.object("amljobs/j2") != nil }
            let encoded = gateway.object("secrets/j1-token")?["data"]?["token"]?.stringValue ?? ""
            let token = String(decoding: Data(base64Encoded: encoded) ?? Data(), as: UTF8.self)
            let caller = Raw(client: client, token: token)
            let api = "/mlflow/v1.0" + instance.ids.workspace + "/api/2.0/mlflow"
            #expect(
                try await caller.status("POST", api + "/runs/log-metric", ["run_id": "j1", "key": "a", "value": 1])
                    == 200
            )
            #expect(
                try await caller.status("POST", api + "/runs/log-metric", ["run_id": "j2", "key": "a", "value": 1])
                    == 403
            )
            #expect(try await caller.status("GET", instance.ids.workspace) == 403)
            #expect(try await caller.status("GET", instance.ids.job("j1")) == 403)
            let base = gateway.object("amljobs/j1")?["spec"]?["artifactsURI"]?.stringValue ?? ""
            let path = String(base.dropFirst(instance.connection.url.count))
            let log = path + "user_logs/std_log.txt"
            #expect(try await caller.status("PUT", log, headers: ["x-ms-blob-type": "AppendBlob"]) == 201)
            #expect(try await caller.status("PUT", log + "?comp=appendblock", text: "one\n") == 201)
            #expect(try await caller.status("PUT", path.replacing("dcid.j1", with: "dcid.j2") + "x", text: "no") == 403)
            gateway.setStatus("amljobs/j1", ["phase": "Running"])
            let shown = Collected()
            let ended = try await client.streamJob("j1", ids: instance.ids, poll: .milliseconds(20)) { _, text in
                guard shown.add(text) else { return }
                let status = try await caller.status("PUT", log + "?comp=appendblock", text: "two\n")
                #expect(status == 201)
                gateway.setStatus("amljobs/j1", ["phase": "Completed"])
            }
            #expect(ended["properties"]?["status"] == "Completed")
            #expect(shown.text == "one\ntwo\n")
        }
    }

    @Test("Mistakes in a job are found before anything is stored")
    func mistakes() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            try await instance.prepare(plane, client)
            let undeclared = await #expect(throws: ARMError.self) {
                try await instance.submit(client, "bad", command: "python ${{inputs.x}}")
            }
            #expect(undeclared?.error.target == "properties.command")
            #expect(try await client.find(instance.ids.job("bad")) == nil)
            let missing = await #expect(throws: ARMError.self) {
                try await client.put(
                    instance.ids.job("bad"),
                    [
                        "properties": [
                            "command": "x", "computeId": "nope",
                            "environmentId": .string(instance.ids.version("environments", "e", "1")),
                        ]
                    ]
                )
            }
            #expect(missing?.error.code == "ComputeNotFound")
            #expect(missing?.error.message.contains("k8s") == true)
        }
    }
}
