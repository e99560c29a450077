internal import Foundation
internal import KubeCore
internal import Testing

extension EndToEnd.OneInstance {
    /// Jobs that do not end well.
    @Suite(.serialized) struct JobFaults {
        /// Files of a job that runs a script in an environment with no packages.
        static func job(_ instance: Instance, name: String, script: String, more: String = "") throws -> String {
            try instance.write("\(name)/src/main.py", script)
            try instance.write("\(name)/conda.yml", "name: bare\ndependencies:\n  - python=3.11\n  - pip\n")
            return try instance.write(
                "\(name)/job.yml",
                """
                type: command
                code: src
                command: python main.py
                environment:
                  image: python:3.11-slim
                  conda_file: conda.yml
                compute: azureml:local
                \(more)
                """
            )
        }

        /// The job once it has ended.
        static func end(_ instance: Instance, _ name: String, limit: Duration = .seconds(60)) async throws -> JSON {
            try await Poll.until("the end of job \(name)", limit: limit) {
                let job = try await instance.json("ml", "job", "show", "--name", name)
                return ["Completed", "Failed", "Canceled"].contains(job["status"]?.stringValue) ? job : nil
            }
        }

        static func waitUntil(_ status: String, _ instance: Instance, _ name: String) async throws {
            _ = try await Poll.until("status \(status) of job \(name)") {
                let job = try await instance.json("ml", "job", "show", "--name", name)
                return job["status"]?.stringValue == status ? job : nil
            }
        }

        @Test(.timeLimit(.minutes(2))) func `A failing script shows its exit code and its traceback`() async throws {
            let instance = try await Cluster.ready().instance
            let script = """
                def weigh():
                    raise ValueError("no such column: weight")

                print("start", flush=True)
                weigh()
                """
            let file = try Self.job(instance, name: "failing", script: script)
            let streamed = try await instance.outrigger(
                "ml",
                "job",
                "create",
                "--file",
                file,
                "--name",
                "failing",
                "--stream",
                expecting: 1
            )
            #expect(streamed.output.contains("ValueError: no such column: weight"))
            let job = try await instance.json("ml", "job", "show", "--name", "failing")
            #expect(job["status"]?.stringValue == "Failed")
            #expect(job["error"]?["code"]?.stringValue == "UserScriptFailed")
            let message = job["error"]?["message"]?.stringValue ?? ""
            #expect(message.contains("exit code 1"))
            #expect(message.contains("in weigh"))
            #expect(message.contains("ValueError: no such column: weight"))
        }

        @Test(.timeLimit(.minutes(2))) func `A job's lines are streamed while it runs`() async throws {
            let instance = try await Cluster.ready().instance
            let script = """
                import os, time
                print("waiting for the word", flush=True)
                while not os.path.exists("/tmp/go"):
                    time.sleep(0.05)
                print("heard it", flush=True)
                """
            let file = try Self.job(instance, name: "streamed", script: script)
            let output = instance.folder + "/streamed.txt"
            let command =
                "exec \(Requirements.binaries)/outrigger ml job create -f \(file) -n streamed --stream > \(output)"
            async let streamed = Program.run("sh", ["-c", command], environment: ["OUTRIGGER_DATA_DIR": instance.data])
            _ = try await Poll.until("the first line") { () -> Bool? in
                let bytes = FileManager.default.contents(atPath: output) ?? Data()
                return bytes == Data("waiting for the word\n".utf8) ? true : nil
            }
            let job = try await instance.json("ml", "job", "show", "--name", "streamed")
            #expect(job["status"]?.stringValue == "Running")
            let pod = try await instance.kubectl("get", "pods", "-l", "ml.azure.com/run-id=streamed", "-o", "name")
                .output
            try await instance.kubectl("exec", pod.trimmed, "--", "touch", "/tmp/go")
            #expect(try await streamed.status == 0)
            #expect(try String(contentsOfFile: output, encoding: .utf8) == "waiting for the word\nheard it\n")
        }

        @Test(.timeLimit(.minutes(2))) func `A command that says python runs in an image that has only python3`()
            async throws
        {
            let instance = try await Cluster.ready().instance
            let file = try instance.write(
                "bare/job.yml",
                """
                type: command
                command: python -c 'print(6 * 7)'
                environment:
                  image: python:3.11-slim
                compute: azureml:local
                """
            )
            let streamed = try await instance.outrigger(
                "ml",
                "job",
                "create",
                "--file",
                file,
                "--name",
                "bare",
                "--stream"
            )
            #expect(streamed.output.contains("42"))
        }

        @Test(.timeLimit(.minutes(2))) func `A package that does not exist fails the job with its name`() async throws {
            let instance = try await Cluster.ready().instance
            let file = try Self.job(instance, name: "lost", script: "print(1)")
            try instance.write(
                "lost/conda.yml",
                "dependencies:\n  - python=3.11\n  - pip\n  - pip:\n      - six==99.99.99\n"
            )
            try await instance.outrigger("ml", "job", "create", "--file", file, "--name", "lost")
            let job = try await Self.end(instance, "lost")
            #expect(job["status"]?.stringValue == "Failed")
            #expect(job["error"]?["code"]?.stringValue == "EnvironmentFailed")
            #expect(
                job["error"]?["message"]?.stringValue?.contains("six==99.99.99") == true,
                Comment(rawValue: job.prettyText)
            )
        }

        @Test(.timeLimit(.minutes(2))) func `The exit code is the script's own`() async throws {
            let instance = try await Cluster.ready().instance
            let file = try Self.job(instance, name: "exit", script: "import sys\nsys.exit(42)")
            try await instance.outrigger(
                "ml",
                "job",
                "create",
                "--file",
                file,
                "--name",
                "exit-42",
                "--stream",
                expecting: 1
            )
            let job = try await instance.json("ml", "job", "show", "--name", "exit-42")
            #expect(job["error"]?["message"]?.stringValue?.contains("exit code 42") == true)
        }

        @Test(.timeLimit(.minutes(2))) func `A canceled job ends and its pod goes`() async throws {
            let instance = try await Cluster.ready().instance
            let file = try Self.job(
                instance,
                name: "endless",
                script: "import time\nprint('up', flush=True)\ntime.sleep(600)"
            )
            try await instance.outrigger("ml", "job", "create", "--file", file, "--name", "endless")
            try await Self.waitUntil("Running", instance, "endless")
            try await instance.outrigger("ml", "job", "cancel", "--name", "endless")
            let job = try await Self.end(instance, "endless")
            #expect(job["status"]?.stringValue == "Canceled")
            let pods = try await instance.kubectl("get", "pods", "-l", "ml.azure.com/run-id=endless", "-o", "name")
                .output
            #expect(pods.trimmed.isEmpty)
        }

        @Test(.timeLimit(.minutes(2))) func `A job that runs longer than its limit fails and says so`() async throws {
            let instance = try await Cluster.ready().instance
            let file = try Self.job(
                instance,
                name: "slow",
                script: "import time\ntime.sleep(600)",
                more: "limits:\n  timeout: 3"
            )
            try await instance.outrigger("ml", "job", "create", "--file", file, "--name", "slow")
            let job = try await Self.end(instance, "slow")
            #expect(job["status"]?.stringValue == "Failed")
            #expect(job["error"]?["code"]?.stringValue == "Timeout")
            #expect(job["error"]?["message"]?.stringValue?.contains("limits.timeout") == true)
        }

        @Test(.timeLimit(.minutes(1))) func `An unknown instance type fails the job with what can be done`()
            async throws
        {
            let instance = try await Cluster.ready().instance
            let file = try Self.job(
                instance,
                name: "typed",
                script: "print(1)",
                more: "resources:\n  instance_type: gigantic"
            )
            try await instance.outrigger("ml", "job", "create", "--file", file, "--name", "typed")
            let job = try await Self.end(instance, "typed")
            #expect(job["status"]?.stringValue == "Failed")
            let message = job["error"]?["message"]?.stringValue ?? ""
            #expect(message.contains("\"gigantic\""))
            #expect(message.contains("InstanceType"))
        }

        @Test(.timeLimit(.minutes(1))) func `A job that fits nowhere says why in one sentence`() async throws {
            let instance = try await Cluster.ready().instance
            let type = """
                apiVersion: amlarc.azureml.com/v1alpha1
                kind: InstanceType
                metadata: {name: huge}
                spec:
                  resources:
                    requests: {cpu: "500", memory: 1Gi}
                    limits: {cpu: "500", memory: 1Gi}
                """
            try await instance.kubectl("apply", "-f", try instance.write("huge.yml", type))
            let file = try Self.job(
                instance,
                name: "big",
                script: "print(1)",
                more: "resources:\n  instance_type: huge"
            )
            try await instance.outrigger("ml", "job", "create", "--file", file, "--name", "big")
            let message = try await Poll.until("the reason why job big waits") {
                let job = try await instance.json("ml", "job", "show", "--name", "big")
                let message = job["status_message"]?.stringValue ?? ""
                return job["status"]?.stringValue == "Queued" && message.contains("500 cpu") ? message : nil
            }
            #expect(!message.contains("\n"))
            try await instance.outrigger("ml", "job", "cancel", "--name", "big")
            #expect(try await Self.end(instance, "big")["status"]?.stringValue == "Canceled")
        }
    }
}
