internal import Foundation
internal import KubeCore
internal import Testing

extension EndToEnd.OneInstance {
    /// Wrong settings, files and flags: one clear error each, an exit status that is not 0, and nothing changed.
    @Suite(.serialized) struct BadInput {
        /// A wrong command line with what its message must name.
        struct Case: Sendable, CustomTestStringConvertible {
            var title: String
            var arguments: [String]
            /// Files to write first.
            var files: [String: String] = [:]
            var mentions: [String]
            var status = 1
            var testDescription: String { title }
        }

        private static let good = """
            type: command
            command: echo hello
            environment: {image: "python:3.11-slim"}
            compute: azureml:local
            """

        static let cases: [Case] = [
            Case(
                title: "a misspelt setting",
                arguments: extensionCommand("update", "--configuration-settings", "enableTraning=True"),
                mentions: ["enableTraning", "enableTraining"]
            ),
            Case(
                title: "a setting with a wrong value",
                arguments: extensionCommand(
                    "update",
                    "--configuration-settings",
                    "inferenceRouterServiceType=Loadbalancer2",
                    "--yes"
                ),
                mentions: ["inferenceRouterServiceType", "Loadbalancer2", "loadBalancer"]
            ),
            Case(
                title: "a setting that is no pair",
                arguments: extensionCommand("update", "--config", "enableTraining"),
                mentions: ["enableTraining", "KEY=VALUE"],
                status: 2
            ),
            Case(
                title: "an unknown cluster type",
                arguments: [
                    "k8s-extension", "show", "--name", "amlext", "--cluster-type", "clusters", "--cluster-name",
                    "local",
                    "--resource-group", "local",
                ],
                mentions: ["clusters", "connectedClusters"],
                status: 2
            ),
            Case(
                title: "an unknown cluster",
                arguments: [
                    "k8s-extension", "create", "--name", "other", "--extension-type", "Microsoft.AzureML.Kubernetes",
                    "--config", "enableTraining=True", "--cluster-type", "connectedClusters", "--cluster-name",
                    "nowhere",
                    "--resource-group", "local",
                ],
                mentions: ["nowhere", "local"],
                status: 3
            ),
            Case(
                title: "an unknown flag",
                arguments: ["ml", "job", "create", "--fil", "x.yml"],
                mentions: ["--fil"],
                status: 2
            ),
            Case(
                title: "a file that is not there",
                arguments: ["ml", "job", "create", "--file", "no-such.yml"],
                mentions: ["no-such.yml"]
            ),
            Case(
                title: "a misspelt key",
                arguments: ["ml", "job", "create", "--file", "bad/key.yml"],
                files: ["bad/key.yml": good + "\nenvironmnt_variables: {A: b}"],
                mentions: ["key.yml", "environmnt_variables", "environment_variables"]
            ),
            Case(
                title: "text that is no YAML",
                arguments: ["ml", "job", "create", "--file", "bad/text.yml"],
                files: ["bad/text.yml": "type: command\ncommand: [unclosed"],
                mentions: ["text.yml"]
            ),
            Case(
                title: "an input that is not declared",
                arguments: ["ml", "job", "create", "--file", "bad/input.yml"],
                files: ["bad/input.yml": good.replacing("hello", with: "${{inputs.rate}}")],
                mentions: ["inputs.rate", "not declared"]
            ),
            Case(
                title: "a limit of nothing",
                arguments: ["ml", "job", "create", "--file", "bad/limit.yml", "--set", "limits.timeout=0"],
                files: ["bad/limit.yml": good],
                mentions: ["limits.timeout", "at least 1"]
            ),
            Case(
                title: "code that is not there",
                arguments: ["ml", "job", "create", "--file", "bad/code.yml", "--set", "code=missing-folder"],
                files: ["bad/code.yml": good],
                mentions: ["code", "missing-folder"]
            ),
            Case(
                title: "an unknown compute",
                arguments: ["ml", "job", "create", "--file", "bad/compute.yml", "--set", "compute=azureml:nowhere"],
                files: ["bad/compute.yml": good],
                mentions: ["nowhere", "local"]
            ),
            Case(
                title: "an unknown job",
                arguments: ["ml", "job", "show", "--name", "no-such-job"],
                mentions: ["no-such-job"],
                status: 3
            ),
            Case(
                title: "a model from an unknown job",
                arguments: [
                    "ml", "model", "create", "--name", "lost", "--path", "azureml://jobs/no-such-job/outputs/model",
                    "--type",
                    "custom_model",
                ],
                mentions: ["no-such-job"]
            ),
            Case(
                title: "an unknown model type",
                arguments: ["ml", "model", "create", "--name", "lost", "--path", ".", "--type", "onnx"],
                mentions: ["onnx", "custom_model"],
                status: 2
            ),
            Case(
                title: "an endpoint name that is too short",
                arguments: ["ml", "online-endpoint", "create", "--file", "bad/endpoint.yml"],
                files: ["bad/endpoint.yml": "name: x\ncompute: azureml:local\nauth_mode: key"],
                mentions: ["name", "3 to 32"]
            ),
            Case(
                title: "a deployment of an unknown endpoint",
                arguments: ["ml", "online-deployment", "create", "--file", "bad/deployment.yml"],
                files: [
                    "bad/score/score.py": "def init(): pass\ndef run(data): return data",
                    "bad/deployment.yml": """
                    type: kubernetes
                    name: blue
                    endpoint_name: nowhere
                    code_configuration: {code: score, scoring_script: score.py}
                    environment: {image: "python:3.11-slim"}
                    instance_count: 1
                    """,
                ],
                mentions: ["nowhere", "online-endpoint create"],
                status: 3
            ),
            Case(
                title: "a port out of range",
                arguments: ["up", "--detach", "--port", "70000"],
                mentions: ["--port", "65534"],
                status: 2
            ),
            Case(
                title: "a namespace that does not exist",
                arguments: [
                    "ml", "compute", "attach", "--type", "Kubernetes", "--name", "second", "--resource-id", "local",
                    "--namespace", "missing-namespace",
                ],
                mentions: ["missing-namespace"]
            ),
        ]

        private static func extensionCommand(_ verb: String, _ more: String...) -> [String] {
            [
                "k8s-extension", verb, "--name", "amlext", "--cluster-type", "connectedClusters", "--cluster-name",
                "local",
                "--resource-group", "local",
            ] + more
        }

        @Test(.timeLimit(.minutes(3)), arguments: cases) func `A mistake gets one clear error`(
            _ mistake: Case
        ) async throws {
            let instance = try await Cluster.ready().instance
            for (name, text) in mistake.files { try instance.write(name, text) }
            let before = try await Self.everything(instance)
            let outcome = try await instance.outrigger(mistake.arguments, expecting: nil)
            #expect(outcome.status == mistake.status, Comment(rawValue: outcome.description))
            #expect(outcome.output.isEmpty, Comment(rawValue: outcome.description))
            let errors = outcome.errors.split(separator: "\n").count { $0.hasPrefix("error:") }
            #expect(errors == 1, Comment(rawValue: outcome.description))
            for word in mistake.mentions {
                #expect(outcome.errors.contains(word), Comment(rawValue: outcome.description))
            }
            #expect(try await Self.everything(instance) == before)
        }

        /// What a command could have made or changed.
        private static func everything(_ instance: Instance) async throws -> [String] {
            let shown = try await instance.outrigger(extensionCommand("show")).output
            let lists = [
                ["ml", "job", "list"], ["ml", "model", "list"], ["ml", "online-endpoint", "list"],
                ["ml", "compute", "list"],
            ]
            var texts = [shown]
            for list in lists { texts.append(try await instance.outrigger(list).output) }
            return texts
        }
    }
}
