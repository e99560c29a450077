internal import Foundation
internal import KubeCore
internal import Testing

extension EndToEnd.OneInstance {
    /// Digits from an empty machine to predictions.
    @Suite(.serialized) struct MainJob {
        @Test(.timeLimit(.minutes(3))) func `The extension is installed and its components run`() async throws {
            let cluster = try Cluster.shared
            let created = try await cluster.install()
            #expect(created["provisioningState"]?.stringValue == "Succeeded")
            let shown = try await cluster.instance.json(
                "k8s-extension",
                "show",
                "--name",
                "amlext",
                "--cluster-type",
                "connectedClusters",
                "--cluster-name",
                "local",
                "--resource-group",
                "local"
            )
            #expect(shown["provisioningState"]?.stringValue == "Succeeded")
            let pods = try JSON(
                parsing: try await cluster.instance.kubectl("get", "pods", "-n", "azureml", "-o", "json").output
            )
            let phases = (pods["items"]?.arrayValue ?? []).map { $0["status"]?["phase"]?.stringValue }
            #expect(phases.count >= 5)
            #expect(phases.allSatisfy { $0 == "Running" })
        }

        @Test(.timeLimit(.minutes(6))) func `The job completes with an accuracy of at least 0.97`() async throws {
            let cluster = try await Cluster.ready()
            let log = try await cluster.digits.train()
            let line = try #require(
                log.output.split(separator: "\n").first { $0.contains("accuracy on the test split") }
            )
            let accuracy = try #require(line.split(separator: " ").last.flatMap { Double($0) })
            #expect(accuracy >= 0.97)
            let job = try await cluster.instance.json("ml", "job", "show", "--name", Digits.job)
            #expect(job["status"]?.stringValue == "Completed")
        }

        @Test(.timeLimit(.minutes(6))) func `Metrics that the script logged with mlflow are there`() async throws {
            let cluster = try await Cluster.ready()
            _ = try await cluster.digits.train()
            let answer = try await ControlPlane(instance: cluster.instance).get(
                "/api/2.0/mlflow/runs/get?run_id=" + Digits.job
            )
            #expect(answer.status == 200)
            let data = try #require(answer.body["run"]?["data"])
            let accuracy = data["metrics"]?.arrayValue?.first { $0["key"]?.stringValue == "accuracy" }
            #expect(accuracy?["value"]?.doubleValue ?? 0 >= 0.97)
            #expect(accuracy?["step"]?.intValue == 5)
            let gamma = data["params"]?.arrayValue?.first { $0["key"]?.stringValue == "gamma" }
            #expect(gamma?["value"]?.stringValue == "0.001")
            #expect(answer.body["run"]?["info"]?["status"]?.stringValue == "FINISHED")
        }

        @Test(.timeLimit(.minutes(6))) func `The model is registered from the job's output`() async throws {
            let cluster = try await Cluster.ready()
            let model = try await cluster.digits.register()
            #expect(model["name"]?.stringValue == "digits")
            #expect(model["version"]?.stringValue == "1")
            let shown = try await cluster.instance.json("ml", "model", "show", "--name", "digits")
            #expect(shown["id"] == model["id"])
        }

        @Test(.timeLimit(.minutes(8))) func `Predictions by invoke equal the labels`() async throws {
            let cluster = try await Cluster.ready()
            _ = try await cluster.digits.deploy()
            let request = try await cluster.digits.heldBack() + "/request.json"
            let predictions = try await cluster.instance.json(
                "ml",
                "online-endpoint",
                "invoke",
                "--name",
                "digits",
                "--request-file",
                request
            )
            #expect(try await cluster.digits.share(of: predictions) >= 0.95)
            let deployment = try await cluster.instance.json(
                "ml",
                "online-deployment",
                "show",
                "--name",
                "blue",
                "--endpoint-name",
                "digits"
            )
            #expect(deployment["provisioning_state"]?.stringValue == "Succeeded")
        }

        @Test(.timeLimit(.minutes(8))) func `Predictions by curl equal the labels, and only with the key`() async throws
        {
            let cluster = try await Cluster.ready()
            let endpoint = try await cluster.digits.deploy()
            let request = try await cluster.digits.heldBack() + "/request.json"
            let good = try await Self.curl(endpoint.scoringURI, key: endpoint.key, request: request)
            #expect(good.code == 200)
            #expect(try await cluster.digits.share(of: try JSON(parsing: good.body)) >= 0.95)
            #expect(try await Self.curl(endpoint.scoringURI, key: "wrong", request: request).code == 401)
            #expect(try await Self.curl(endpoint.scoringURI, key: nil, request: request).code == 401)
            let unknown = endpoint.scoringURI.replacing("/digits/", with: "/no-such-endpoint/")
            #expect(try await Self.curl(unknown, key: endpoint.key, request: request).code == 404)
        }

        /// Sends a request as a user would on a terminal.
        static func curl(_ uri: String, key: String?, request: String) async throws -> (code: Int, body: String) {
            var arguments = [
                "-s", "-S", "-w", "\n%{http_code}", "-H", "Content-Type: application/json", "-d", "@" + request,
            ]
            if let key { arguments += ["-H", "Authorization: Bearer " + key] }
            let outcome = try await Program.run("curl", arguments + [uri])
            try #require(outcome.status == 0, Comment(rawValue: outcome.description))
            let parts = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
            return (Int(parts.last ?? "") ?? 0, parts.dropLast().joined(separator: "\n"))
        }
    }
}
