internal import KubeCore
internal import Testing

extension EndToEnd.OneInstance {
    /// Deployments that cannot serve.
    @Suite(.serialized) struct ScoringFaults {
        @Test(.timeLimit(.minutes(8)))
        func `A scoring script whose init throws fails its deployment soon, with the reason`() async throws {
            let cluster = try await Cluster.ready()
            // The environment of the main job is built already, so that the time below is that of the failure.
            _ = try await cluster.digits.deploy()
            let instance = cluster.instance
            try instance.write(
                "broken/score/score.py",
                """
                def init():
                    raise RuntimeError("the weights are not a tensor")


                def run(data):
                    return data
                """
            )
            let file = try instance.write(
                "broken/deployment.yml",
                """
                type: kubernetes
                name: broken
                endpoint_name: digits
                model: azureml:digits@latest
                code_configuration: {code: score, scoring_script: score.py}
                environment: {image: "python:3.11-slim", conda_file: \(Digits.example)/conda.yml}
                instance_count: 1
                """
            )
            let started = ContinuousClock.now
            let outcome = try await instance.outrigger(
                "ml",
                "online-deployment",
                "create",
                "--file",
                file,
                expecting: nil,
                limit: .seconds(120)
            )
            #expect(ContinuousClock.now - started < .seconds(90))
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("the weights are not a tensor"), Comment(rawValue: outcome.description))
            let deployment = try await instance.json(
                "ml",
                "online-deployment",
                "show",
                "--name",
                "broken",
                "--endpoint-name",
                "digits"
            )
            #expect(deployment["provisioning_state"]?.stringValue == "Failed")
            let message =
                deployment["error"]?["message"]?.stringValue ?? deployment["status_message"]?.stringValue ?? ""
            #expect(
                message.contains("RuntimeError: the weights are not a tensor"),
                Comment(rawValue: deployment.prettyText)
            )
            // The other deployment serves on.
            let request = try await cluster.digits.heldBack() + "/request.json"
            try await instance.outrigger(
                "ml",
                "online-endpoint",
                "invoke",
                "--name",
                "digits",
                "--request-file",
                request
            )
            try await instance.outrigger(
                "ml",
                "online-deployment",
                "delete",
                "--name",
                "broken",
                "--endpoint-name",
                "digits",
                "--yes"
            )
            let gone = try await instance.outrigger(
                "ml",
                "online-deployment",
                "show",
                "--name",
                "broken",
                "--endpoint-name",
                "digits",
                expecting: nil
            )
            #expect(gone.status == 3)
        }
    }
}
