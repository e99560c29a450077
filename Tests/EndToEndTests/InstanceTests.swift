internal import Foundation
internal import KubeCore
internal import Testing

extension EndToEnd {
    /// `up`, `down` and `status`, with instances of their own.
    @Suite(.serialized) struct Instances {
        @Test(.timeLimit(.minutes(2))) func `Two instances run side by side`() async throws {
            try await Instance.with { first in
                try await Instance.with { second in
                    try await first.up()
                    try await second.up()
                    for (instance, name) in [(first, "one"), (second, "two")] {
                        try await instance.kubectl("create", "configmap", name)
                        try await instance.kubectl(
                            "run",
                            name,
                            "--image=python:3.11-slim",
                            "--restart=Never",
                            "--command",
                            "--",
                            "sleep",
                            "600"
                        )
                        try await instance.kubectl("wait", "pod/" + name, "--for=condition=Ready", "--timeout=30s")
                    }
                    try await first.kubectl("get", "configmap", "two", expecting: 1)
                    try await second.kubectl("get", "configmap", "one", expecting: 1)
                    let id = try first.networkID
                    // The search sees everything of a running instance, so that it can be believed afterwards.
                    let present = try await Leftovers.find(data: first.data, networkID: id, port: first.port)
                    for kind in [
                        "process", "mount", "interface", "route", "packet filter", "control group", "folder", "port",
                    ] {
                        #expect(present.contains { $0.hasPrefix(kind) }, Comment(rawValue: kind))
                    }
                    try await first.outrigger("down")
                    try await second.kubectl("exec", "two", "--", "true")
                    try await second.outrigger("status")
                    let left = try await Leftovers.find(
                        data: first.data,
                        networkID: id,
                        port: first.port
                    )
                    #expect(left.isEmpty)
                }
            }
        }

        @Test(.timeLimit(.minutes(2))) func `A second up changes nothing`() async throws {
            try await Instance.with { instance in
                try await instance.up()
                let before = try await instance.json("status")["daemons"]?.arrayValue?.map { $0["pid"] }
                let connection = try String(contentsOfFile: instance.data + "/connection.json", encoding: .utf8)
                let again = try await instance.outrigger("up", "--detach")
                #expect(again.output.hasPrefix("ready\n"))
                #expect(try await instance.json("status")["daemons"]?.arrayValue?.map { $0["pid"] } == before)
                #expect(try String(contentsOfFile: instance.data + "/connection.json", encoding: .utf8) == connection)
                let moved = try await instance.outrigger(
                    "up",
                    "--detach",
                    "--port",
                    "\(instance.port + 2)",
                    expecting: 2
                )
                #expect(moved.errors.contains("\(instance.port)"))
            }
        }

        @Test(.timeLimit(.minutes(2))) func `Two ups at once make one instance`() async throws {
            try await Instance.with { instance in
                async let one = instance.outrigger("up", "--detach", "--port", "\(instance.port)", expecting: nil)
                async let two = instance.outrigger("up", "--detach", "--port", "\(instance.port)", expecting: nil)
                let outcomes = try await [one, two]
                #expect(outcomes.contains { $0.status == 0 }, Comment(rawValue: "\(outcomes)"))
                for outcome in outcomes where outcome.status != 0 { #expect(outcome.errors.hasPrefix("error:")) }
                let daemons = Leftovers.processes(data: "daemon server --data-dir " + instance.data, group: "no group")
                #expect(daemons.count == 1)
                try await instance.outrigger("status")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `Down removes what killed daemons left`() async throws {
            try await Instance.with { instance in
                try await instance.up()
                try await instance.kubectl(
                    "run",
                    "orphan",
                    "--image=python:3.11-slim",
                    "--restart=Never",
                    "--command",
                    "--",
                    "sleep",
                    "600"
                )
                try await instance.kubectl("wait", "pod/orphan", "--for=condition=Ready", "--timeout=30s")
                try await EndToEnd.OneInstance.Crash.kill9(instance, .all)
                let id = try instance.networkID
                try await instance.outrigger("down")
                let left = try await Leftovers.find(data: instance.data, networkID: id, port: instance.port)
                #expect(left.isEmpty, Comment(rawValue: left.joined(separator: "\n")))
            }
        }

        @Test(.timeLimit(.minutes(2))) func `Files that hold secrets are their owner's alone`() async throws {
            try await Instance.with { instance in
                try await instance.up()
                func mode(_ path: String) throws -> Int {
                    try #require(
                        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
                    ).intValue
                }
                #expect(try mode(instance.data) == 0o700)
                #expect(try mode(instance.data + "/connection.json") == 0o600)
                #expect(try mode(instance.kubeconfig) == 0o600)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `What down keeps, up finds again`() async throws {
            try await Instance.with { instance in
                try await instance.up()
                try await instance.kubectl("create", "configmap", "kept", "--from-literal=colour=blue")
                let deployment = """
                    apiVersion: apps/v1
                    kind: Deployment
                    metadata: {name: kept}
                    spec:
                      selector: {matchLabels: {app: kept}}
                      template:
                        metadata: {labels: {app: kept}}
                        spec:
                          containers: [{name: main, image: "python:3.11-slim", command: [sleep, "600"]}]
                    """
                try await instance.kubectl("apply", "-f", try instance.write("kept.yml", deployment))
                try await instance.kubectl("rollout", "status", "deployment/kept", "--timeout=30s")
                let weights = try instance.write("weights.txt", "0.5")
                let model = try await instance.json(
                    "ml",
                    "model",
                    "create",
                    "--name",
                    "kept",
                    "--path",
                    weights,
                    "--type",
                    "custom_model"
                )
                let id = try instance.networkID
                try await instance.outrigger("down", "--keep-data")
                let left = try await Leftovers.find(data: instance.data, networkID: id, port: instance.port)
                #expect(left == ["folder: " + instance.data])
                try await instance.outrigger("status", expecting: 1)

                try await instance.outrigger("up", "--detach")
                let colour = try await instance.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.colour}")
                    .output
                #expect(colour == "blue")
                let shown = try await instance.json("ml", "model", "show", "--name", "kept")
                #expect(shown["id"] == model["id"])
                try await instance.kubectl("rollout", "status", "deployment/kept", "--timeout=60s")
                try await instance.kubectl("exec", "deployment/kept", "--", "true")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `More nodes can be added`() async throws {
            try await Instance.with { instance in
                try await instance.up()
                try await instance.outrigger("up", "--detach", "--nodes", "2")
                let nodes = try await instance.kubectl("get", "nodes", "-o", "name").output.split(separator: "\n")
                #expect(nodes == ["node/local", "node/local-2"])
                let fewer = try await instance.outrigger("up", "--detach", "--nodes", "1", expecting: 2)
                #expect(fewer.errors.contains("--nodes 1"))
            }
        }

        @Test(.timeLimit(.minutes(1))) func `Commands without an instance say what to do`() async throws {
            try await Instance.with { instance in
                let status = try await instance.outrigger("status", expecting: 3)
                #expect(status.errors.contains("outrigger up"))
                let jobs = try await instance.outrigger("ml", "job", "list", expecting: 3)
                #expect(jobs.errors.contains("outrigger up"))
                let down = try await instance.outrigger("down")
                #expect(down.output.contains("nothing to stop"))
            }
        }
    }
}
