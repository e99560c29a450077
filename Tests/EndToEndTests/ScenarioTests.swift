internal import Foundation
internal import KubeCore
internal import Testing

extension EndToEnd {
    /// The four ways in which the reference's manual installs the extension, with `az` replaced, on three virtual nodes.
    @Suite(.serialized) struct Scenarios {
        /// One installation of the manual.
        struct Scenario: Sendable, CustomTestStringConvertible {
            var testDescription: String
            var clusterType: String
            var config: [String]
            var isSecure = false
            /// Workloads in `azureml`: name and wanted replicas.
            var want: [String: Int]
        }

        private static let training = [
            "aml-operator": 1, "volcano-admission": 1, "volcano-controllers": 1, "volcano-scheduler": 1,
        ]
        private static let inference = ["inference-operator-controller-manager": 1]

        static let all: [Scenario] = [
            Scenario(
                testDescription: "AKS, quick proof of concept",
                clusterType: "managedClusters",
                config: [
                    "enableTraining=True", "enableInference=True", "inferenceRouterServiceType=LoadBalancer",
                    "allowInsecureConnections=True", "InferenceRouterHA=False",
                ],
                want: training.merging(inference) { $1 }.merging(["azureml-fe-v2": 1, "gateway": 1]) { $1 }
            ),
            Scenario(
                testDescription: "Arc, quick proof of concept",
                clusterType: "connectedClusters",
                config: [
                    "enableTraining=True", "enableInference=True", "inferenceRouterServiceType=NodePort",
                    "allowInsecureConnections=True", "inferenceRouterHA=False",
                ],
                want: training.merging(inference) { $1 }
                    .merging(["azureml-fe-v2": 1, "gateway": 1, "relayserver": 2]) { $1 }
            ),
            Scenario(
                testDescription: "AKS, training in production",
                clusterType: "managedClusters",
                config: ["enableTraining=True"],
                want: training.merging(["gateway": 1]) { $1 }
            ),
            Scenario(
                testDescription: "Arc, training and inference in production",
                clusterType: "connectedClusters",
                config: [
                    "enableTraining=True", "enableInference=True", "inferenceRouterServiceType=LoadBalancer",
                    "sslCname=score.example.com",
                ],
                isSecure: true,
                want: training.merging(inference) { $1 }
                    .merging(["azureml-fe-v2": 3, "gateway": 1, "relayserver": 2]) { $1 }
            ),
        ]

        @Test(.timeLimit(.minutes(5))) func `All four run one after the other on one cluster`() async throws {
            try await Instance.with { instance in
                try await instance.outrigger(
                    "up",
                    "--detach",
                    "--port",
                    "\(instance.port)",
                    "--nodes",
                    "3",
                    limit: .seconds(90)
                )
                for scenario in Self.all { try await run(scenario, instance) }
            }
        }

        private func run(_ scenario: Scenario, _ instance: Instance) async throws {
            let cluster = [
                "--cluster-type", scenario.clusterType, "--cluster-name", "local", "--resource-group", "local",
            ]
            var arguments =
                [
                    "k8s-extension", "create", "--name", "amlext", "--extension-type", "Microsoft.AzureML.Kubernetes",
                    "--scope", "cluster", "--config",
                ] + scenario.config
            if scenario.isSecure {
                let pair = try await TestCertificate.make(instance, host: "score.example.com")
                arguments += [
                    "--config-protected", "sslCertPemFile=" + pair.certificate, "sslKeyPemFile=" + pair.key,
                ]
            }
            let created = try JSON(
                parsing: try await instance.outrigger(arguments + cluster, limit: .seconds(120)).output
            )
            let comment = Comment(rawValue: scenario.testDescription + ": " + created.prettyText)
            #expect(created["provisioningState"]?.stringValue == "Succeeded", comment)
            #expect(try await replicas(instance) == scenario.want, comment)
            if scenario.isSecure { try await checkHTTPS(instance) }
            // The other components of the table are said to be missing, not passed over.
            let absent = (created["statuses"]?.arrayValue ?? []).filter { $0["displayStatus"]?.stringValue == "Absent" }
            #expect(absent.contains { $0["code"]?.stringValue == "metrics-controller-manager" }, comment)

            try await instance.outrigger(["k8s-extension", "delete", "--name", "amlext", "--yes"] + cluster)
            let left = try await instance.kubectl(
                "get",
                "deployments,daemonsets,statefulsets,services,clusterroles,clusterrolebindings",
                "--all-namespaces",
                "-l",
                "app.kubernetes.io/part-of=azureml",
                "-o",
                "name"
            )
            #expect(left.output.isEmpty, Comment(rawValue: scenario.testDescription + ": " + left.output))
        }

        /// Workloads of namespace `azureml` with their ready replicas.
        private func replicas(_ instance: Instance) async throws -> [String: Int] {
            let list = try JSON(
                parsing: try await instance.kubectl(
                    "get",
                    "deployments,daemonsets,statefulsets",
                    "-n",
                    "azureml",
                    "-o",
                    "json"
                ).output
            )
            var found: [String: Int] = [:]
            for item in list["items"]?.arrayValue ?? [] {
                found[item["metadata"]?["name"]?.stringValue ?? "?"] = item["status"]?["readyReplicas"]?.intValue ?? 0
            }
            return found
        }

        /// The certificate that was given answers, on the only port that is open, from each of three nodes.
        private func checkHTTPS(_ instance: Instance) async throws {
            let service = try JSON(
                parsing: try await instance.kubectl("get", "service", "azureml-fe", "-n", "azureml", "-o", "json")
                    .output
            )
            #expect((service["spec"]?["ports"]?.arrayValue ?? []).map { $0["port"]?.intValue } == [443])
            let address = try #require(service["status"]?["loadBalancer"]?["ingress"]?[0]?["ip"]?.stringValue)
            let answer = try await Program.run(
                "curl",
                [
                    "-sS", "--cacert", instance.folder + "/score.example.com.pem", "--resolve",
                    "score.example.com:443:" + address, "-o", "/dev/null", "-w", "%{http_code}",
                    "https://score.example.com/api/v1/endpoint/none/score",
                ]
            )
            #expect(["401", "404"].contains(answer.output), Comment(rawValue: answer.description))
            let pods = try JSON(
                parsing: try await instance.kubectl(
                    "get",
                    "pods",
                    "-n",
                    "azureml",
                    "-l",
                    "azuremlappname=azureml-fe",
                    "-o",
                    "json"
                ).output
            )
            let nodes = Set((pods["items"]?.arrayValue ?? []).compactMap { $0["spec"]?["nodeName"]?.stringValue })
            #expect(nodes.count == 3)
            try await instance.kubectl("get", "poddisruptionbudget", "azureml-fe-v2", "-n", "azureml")
        }
    }
}

/// Certificates as a user would make them, with `openssl`.
enum TestCertificate {
    struct Pair: Sendable {
        var certificate: String
        var key: String
    }

    /// Signs itself.
    static func make(_ instance: Instance, host: String, name: String? = nil) async throws -> Pair {
        let stem = instance.folder + "/" + (name ?? host)
        let arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            stem + ".key", "-out", stem + ".pem", "-subj", "/CN=" + host, "-addext", "subjectAltName=DNS:" + host,
            "-days", "30",
        ]
        let outcome = try await Program.run("openssl", arguments)
        try #require(outcome.status == 0, Comment(rawValue: outcome.description))
        return Pair(certificate: stem + ".pem", key: stem + ".key")
    }
}
