internal import Foundation
internal import KubeCore
internal import Testing

extension EndToEnd.OneInstance {
    /// The daemons die without a chance to tidy up, and `outrigger up` goes on from there.
    @Suite(.serialized) struct Crash {
        /// Which daemons are killed.
        enum Victim: String, CaseIterable, Sendable {
            case server
            case node
            case all
        }

        static func kill9(_ instance: Instance, _ victim: Victim) async throws {
            let status = try await instance.json("status")
            let daemons = status["daemons"]?.arrayValue ?? []
            let pids = daemons.filter { victim == .all || $0["name"]?.stringValue?.hasPrefix(victim.rawValue) == true }
                .compactMap { $0["pid"]?.intValue }
            try #require(pids.count == (victim == .all ? 2 : 1))
            for pid in pids { kill(pid_t(pid), SIGKILL) }
            for pid in pids {
                _ = try await Poll.until("the end of process \(pid)", every: .milliseconds(10)) {
                    kill(pid_t(pid), 0) == 0 ? nil : true
                }
            }
            let after = try await instance.outrigger("status", expecting: 1)
            #expect(after.output.contains("Stopped"))
        }

        /// A job that prints a line every 100 ms and ends after `ticks`.
        private static func startTicking(_ instance: Instance, name: String, ticks: Int) async throws {
            let script = """
                import time
                for tick in range(\(ticks)):
                    print("tick", tick, flush=True)
                    time.sleep(0.1)
                """
            let file = try JobFaults.job(instance, name: name, script: script)
            try await instance.outrigger("ml", "job", "create", "--file", file, "--name", name)
            try await JobFaults.waitUntil("Running", instance, name)
        }

        /// Name, container and restarts of a pod's container.
        private static func container(_ instance: Instance, selector: String) async throws -> [String] {
            let pods = try JSON(
                parsing: try await instance.kubectl("get", "pods", "-l", selector, "-o", "json").output
            )
            return (pods["items"]?.arrayValue ?? []).map { pod in
                let status = pod["status"]?["containerStatuses"]?[0]
                let parts: [JSON?] = [pod["metadata"]?["name"], status?["containerID"], status?["restartCount"]]
                return parts.map { $0?.text ?? "" }.joined(separator: " ")
            }
        }

        @Test(.timeLimit(.minutes(2)), arguments: Victim.allCases)
        func `A running job survives`(_ victim: Victim) async throws {
            let instance = try await Cluster.ready().instance
            let name = "survivor-" + victim.rawValue
            try await Self.startTicking(instance, name: name, ticks: 40)
            let selector = "ml.azure.com/run-id=" + name
            let before = try await Self.container(instance, selector: selector)
            try await Self.kill9(instance, victim)
            try await instance.up()
            #expect(try await Self.container(instance, selector: selector) == before)
            let job = try await JobFaults.end(instance, name)
            #expect(job["status"]?.stringValue == "Completed", Comment(rawValue: job.prettyText))
            let log = try await instance.outrigger("ml", "job", "stream", "--name", name).output
            #expect(log.split(separator: "\n").map(String.init) == (0..<40).map { "tick \($0)" })
        }

        @Test(.timeLimit(.minutes(2))) func `A job that ends while the daemons are dead keeps its result`() async throws
        {
            let instance = try await Cluster.ready().instance
            try await Self.startTicking(instance, name: "alone", ticks: 20)
            let pods = try await instance.kubectl("get", "pods", "-l", "ml.azure.com/run-id=alone", "-o", "json")
            let uid = try #require(
                try JSON(parsing: pods.output)["items"]?[0]?["metadata"]?["uid"]?.stringValue
            )
            try await Self.kill9(instance, .all)
            _ = try await Poll.until("the end of the job's process") {
                let processes = Leftovers.processes(data: "no folder of this name", group: "/pod" + uid)
                return processes.contains { $0.contains("python") } ? nil : true
            }
            try await instance.up()
            let job = try await JobFaults.end(instance, "alone")
            let reason = job["error"]?["message"]?.stringValue ?? ""
            #expect(job["status"]?.stringValue == "Completed" || !reason.isEmpty, Comment(rawValue: job.prettyText))
        }

        @Test(.timeLimit(.minutes(3))) func `A job whose environment is being installed goes on`() async throws {
            let instance = try await Cluster.ready().instance
            let file = try JobFaults.job(instance, name: "installing", script: "import six\nprint(six.__version__)")
            try instance.write(
                "installing/conda.yml",
                "dependencies:\n  - python=3.11\n  - pip\n  - pip:\n      - six==1.17.0\n"
            )
            try await instance.outrigger("ml", "job", "create", "--file", file, "--name", "installing")
            _ = try await Poll.until("the environment's installation") {
                let job = try await instance.json("ml", "job", "show", "--name", "installing")
                return job["status_message"]?.stringValue?.contains("installing") == true ? true : nil
            }
            try await Self.kill9(instance, .all)
            try await instance.up()
            let job = try await JobFaults.end(instance, "installing", limit: .seconds(90))
            #expect(job["status"]?.stringValue == "Completed", Comment(rawValue: job.prettyText))
        }

        @Test(.timeLimit(.minutes(2))) func `A change of the extension goes on`() async throws {
            let instance = try await Cluster.ready().instance
            let names = [
                "--name", "amlext", "--cluster-type", "connectedClusters", "--cluster-name", "local",
                "--resource-group",
                "local",
            ]
            try await instance.outrigger(
                ["k8s-extension", "update", "--config", "scoringFe.resources.limits.memory=1Gi", "--no-wait", "--yes"]
                    + names
            )
            try await Self.kill9(instance, .all)
            try await instance.up()
            let shown = try await Poll.until("the end of the change") {
                let shown = try JSON(parsing: try await instance.outrigger(["k8s-extension", "show"] + names).output)
                return ["Succeeded", "Failed"].contains(shown["provisioningState"]?.stringValue) ? shown : nil
            }
            #expect(shown["provisioningState"]?.stringValue == "Succeeded", Comment(rawValue: shown.prettyText))
            let router = try await instance.kubectl(
                "get",
                "deployment",
                "azureml-fe-v2",
                "-n",
                "azureml",
                "-o",
                "jsonpath={.spec.template.spec.containers[0].resources.limits.memory}"
            ).output
            #expect(router == "1Gi")
        }

        @Test(.timeLimit(.minutes(8))) func `Under scoring load nothing acknowledged is lost and scoring goes on`()
            async throws
        {
            let cluster = try await Cluster.ready()
            let instance = cluster.instance
            let endpoint = try await cluster.digits.deploy()
            let request = try await cluster.digits.heldBack() + "/request.json"
            let load = ScoringLoad(endpoint: endpoint, body: try String(contentsOfFile: request, encoding: .utf8))
            let selector = "ml.azure.com/endpoint=digits"
            let pods = try await Self.container(instance, selector: selector)
            let lists = try await Self.lists(instance)
            let isLoaded = Switch()
            let isWriting = Switch()
            async let first = load.run { await isLoaded.isOn }
            async let second = load.run { await isLoaded.isOn }
            async let written = Self.write(instance) { await isWriting.isOn }
            _ = try await Poll.until("objects to be written") {
                let count = try await instance.kubectl("get", "configmaps", "-l", "e2e=crash", "-o", "name").output
                return count.split(separator: "\n").count >= 3 ? true : nil
            }
            try await Self.kill9(instance, .all)
            await isWriting.turnOff()
            let acknowledged = try await written
            try await instance.up()
            #expect(try await Self.container(instance, selector: selector) == pods)
            let found = try await instance.kubectl("get", "configmaps", "-l", "e2e=crash", "-o", "name").output
                .split(separator: "\n").map { String($0.dropFirst("configmap/".count)) }
            #expect(Set(acknowledged).subtracting(found).isEmpty)
            #expect(try await Self.lists(instance) == lists)
            let predictions = try await instance.json(
                "ml",
                "online-endpoint",
                "invoke",
                "--name",
                "digits",
                "--request-file",
                request
            )
            #expect(try await cluster.digits.share(of: predictions) >= 0.95)
            await isLoaded.turnOff()
            let tallies = try await [first, second]
            // Router and model are pods, and the host's packet filter stays: requests pass while the daemons are dead.
            #expect(tallies.flatMap(\.failures).isEmpty)
            #expect(tallies.allSatisfy { $0.answered > 10 })
        }

        /// Creates ConfigMaps until a command fails or it is no longer wanted; the names that were acknowledged.
        private static func write(
            _ instance: Instance,
            while isWanted: @Sendable () async -> Bool
        ) async throws -> [String] {
            var names: [String] = []
            while await isWanted() {
                let name = "crash-\(names.count)"
                let path = try instance.write(
                    "crash.yml",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \(name), labels: {e2e: crash}}\n"
                )
                let outcome = try await instance.kubectl("create", "-f", path, expecting: nil)
                guard outcome.status == 0 else { break }
                names.append(name)
            }
            return names
        }

        private static func lists(_ instance: Instance) async throws -> [String] {
            var texts: [String] = []
            for list in [["ml", "model", "list"], ["ml", "online-endpoint", "list"], ["ml", "job", "list"]] {
                texts.append(try await instance.outrigger(list).output)
            }
            return texts
        }
    }
}
