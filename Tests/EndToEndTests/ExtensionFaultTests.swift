internal import Foundation
internal import KubeCore
internal import Testing

extension EndToEnd {
    /// What goes wrong around the extension: deaths at any moment, rivals, refusals.
    @Suite(.serialized) struct ExtensionFaults {
        private static let cluster = [
            "--name", "amlext", "--cluster-type", "managedClusters", "--cluster-name", "local", "--resource-group",
            "local",
        ]
        private static let create =
            [
                "k8s-extension", "create", "--extension-type", "Microsoft.AzureML.Kubernetes", "--config",
                "enableTraining=True", "enableInference=True", "inferenceRouterServiceType=NodePort",
                "allowInsecureConnections=True", "inferenceRouterHA=False",
            ] + cluster
        private static let components = [
            "aml-operator", "azureml-fe-v2", "gateway", "inference-operator-controller-manager",
            "volcano-admission", "volcano-controllers", "volcano-scheduler",
        ]

        private static func show(_ instance: Instance) async throws -> JSON? {
            let shown = try await instance.outrigger(["k8s-extension", "show"] + cluster, expecting: nil)
            return shown.status == 3 ? nil : try JSON(parsing: shown.output)
        }

        private static func settled(_ instance: Instance) async throws -> JSON {
            try await Poll.until("the extension's end state", limit: .seconds(60)) {
                guard let shown = try await show(instance) else { return nil }
                return ["Succeeded", "Failed"].contains(shown["provisioningState"]?.stringValue) ? shown : nil
            }
        }

        /// Names of the Deployments in `azureml`, ready or not, and how many pods there are that do not end.
        private static func present(_ instance: Instance) async throws -> (deployments: [String], pods: Int) {
            let list = try JSON(
                parsing: try await instance.kubectl("get", "deployments,pods", "-n", "azureml", "-o", "json").output
            )
            let items = list["items"]?.arrayValue ?? []
            let deployments = items.filter { $0["kind"] == "Deployment" }
                .compactMap { $0["metadata"]?["name"]?.stringValue }
            let pods = items.filter { $0["kind"] == "Pod" && $0["metadata"]?["deletionTimestamp"] == nil }
            return (deployments.sorted(), pods.count)
        }

        /// Kills the server so long after `command` was accepted, and starts it again.
        private static func interrupt(_ instance: Instance, after delay: Duration, _ command: [String]) async throws {
            try await instance.outrigger(command + ["--no-wait"])
            try await Task.sleep(for: delay)
            try await OneInstance.Crash.kill9(instance, .server)
            try await instance.up()
        }

        @Test(.timeLimit(.minutes(6)))
        func `A server killed at ten points of create, update and delete ends where it should`()
            async throws
        {
            try await Instance.with { instance in
                try await instance.up()
                for point in 0..<10 {
                    let delay = Duration.milliseconds(point * 60)
                    let comment = Comment(rawValue: "killed \(delay) after the command")
                    try await Self.interrupt(instance, after: delay, Self.create)
                    var shown = try await Self.settled(instance)
                    #expect(shown["provisioningState"]?.stringValue == "Succeeded", comment)
                    let present = try await Self.present(instance)
                    #expect(present.deployments == Self.components, comment)
                    #expect(present.pods == Self.components.count, comment)

                    let memory = "\(500 + point)Mi"
                    try await Self.interrupt(
                        instance,
                        after: delay,
                        ["k8s-extension", "update", "--yes", "--config", "scoringFe.resources.limits.memory=" + memory]
                            + Self.cluster
                    )
                    shown = try await Self.settled(instance)
                    #expect(shown["provisioningState"]?.stringValue == "Succeeded", comment)
                    let limit = try await instance.kubectl(
                        "get",
                        "deployment/azureml-fe-v2",
                        "-n",
                        "azureml",
                        "-o",
                        "jsonpath={.spec.template.spec.containers[0].resources.limits.memory}"
                    )
                    #expect(limit.output == memory, comment)

                    try await Self.interrupt(
                        instance,
                        after: delay,
                        ["k8s-extension", "delete", "--yes"] + Self.cluster
                    )
                    _ = try await Poll.until("the end of the extension", limit: .seconds(60)) {
                        try await Self.show(instance) == nil ? true : nil
                    }
                    try await instance.kubectl("get", "namespace", "azureml", expecting: 1)
                }
            }
        }

        @Test(.timeLimit(.minutes(2))) func `Of two creates at once one wins or both agree`() async throws {
            try await Instance.with { instance in
                try await instance.up()
                async let first = instance.outrigger(Self.create, expecting: nil, limit: .seconds(90))
                async let second = instance.outrigger(Self.create, expecting: nil, limit: .seconds(90))
                let outcomes = try await [first, second]
                #expect(outcomes.contains { $0.status == 0 }, Comment(rawValue: "\(outcomes)"))
                for outcome in outcomes where outcome.status != 0 { #expect(outcome.errors.hasPrefix("error:")) }
                #expect(try await Self.present(instance).pods == Self.components.count)
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func `A create while it is being deleted is refused, one after that works at once`()
            async throws
        {
            try await Instance.with { instance in
                try await instance.up()
                try await instance.outrigger(Self.create, limit: .seconds(90))
                try await instance.outrigger(["k8s-extension", "delete", "--yes", "--no-wait"] + Self.cluster)
                let refused = try await instance.outrigger(Self.create, expecting: nil, limit: .seconds(90))
                // It may have been quicker; then it is a create like any other.
                if refused.status != 0 { #expect(refused.errors.contains("delet"), Comment(rawValue: refused.errors)) }
                _ = try await Poll.until("the end of the extension") {
                    refused.status == 0 ? true : try await Self.show(instance) == nil ? true : nil
                }
                try await instance.outrigger(Self.create, limit: .seconds(90))
                #expect(try await Self.present(instance).deployments == Self.components)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `A webhook that refuses is named, and without it the work goes on`()
            async throws
        {
            try await Instance.with { instance in
                try await instance.up()
                // Nothing listens there, and what cannot be asked counts as a refusal.
                let webhook = """
                    apiVersion: admissionregistration.k8s.io/v1
                    kind: ValidatingWebhookConfiguration
                    metadata: {name: policy.example.com}
                    webhooks:
                    - name: policy.example.com
                      clientConfig: {url: "https://127.0.0.1:9/validate"}
                      rules:
                      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
                      failurePolicy: Fail
                      sideEffects: None
                      admissionReviewVersions: [v1]
                      timeoutSeconds: 2
                    """
                try await instance.kubectl("apply", "-f", try instance.write("webhook.yml", webhook))
                try await instance.outrigger(Self.create + ["--no-wait"])
                let waiting = try await Poll.until("a status that names the webhook") {
                    let shown = try await Self.show(instance)
                    return shown?["statuses"]?.text.contains("policy.example.com") == true ? shown : nil
                }
                #expect(waiting["provisioningState"]?.stringValue != "Succeeded")
                try await instance.kubectl("delete", "-f", instance.folder + "/webhook.yml")
                let shown = try await Poll.until("success", limit: .seconds(60)) {
                    let shown = try await Self.show(instance)
                    return shown?["provisioningState"]?.stringValue == "Succeeded" ? shown : nil
                }
                #expect(shown["errorInfo"]?.isNull ?? true)
            }
        }

        @Test(.timeLimit(.minutes(2))) func `A component that cannot start is named with its reason`() async throws {
            try await Instance.with { instance in
                try await instance.up()
                try await instance.outrigger(
                    Self.create + [
                        "--no-wait", "--config", "scoringFe.resources.limits.memory=1Mi",
                        "scoringFe.resources.requests.memory=1Mi",
                    ]
                )
                let entry = try await Poll.until("the router's trouble", limit: .seconds(60)) {
                    let shown = try await Self.show(instance)
                    let entry = shown?["statuses"]?.arrayValue?.first { $0["code"]?.stringValue == "azureml-fe-v2" }
                    let message = entry?["message"]?.stringValue ?? ""
                    return message.contains("CrashLoopBackOff") || message.contains("OOMKilled") ? entry : nil
                }
                #expect(entry["displayStatus"]?.stringValue == "NotReady", Comment(rawValue: entry.prettyText))
                try await instance.outrigger(
                    [
                        "k8s-extension", "update", "--yes", "--config", "scoringFe.resources.limits.memory=600Mi",
                        "scoringFe.resources.requests.memory=64Mi",
                    ] + Self.cluster,
                    limit: .seconds(60)
                )
                #expect(try await Self.settled(instance)["provisioningState"]?.stringValue == "Succeeded")
            }
        }

        @Test(.timeLimit(.minutes(2))) func `Certificates are looked at before anything is installed`() async throws {
            try await Instance.with { instance in
                try await instance.up()
                let good = try await TestCertificate.make(instance, host: "score.example.com")
                let other = try await TestCertificate.make(instance, host: "other.example.com")
                let garbage = try instance.write("garbage.pem", "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n")
                let cases = [
                    (garbage, good.key, "score.example.com", "certificate"),
                    (good.certificate, other.key, "score.example.com", "does not belong"),
                    (good.certificate, good.key, "wrong.example.com", "does not cover"),
                ]
                for (certificate, key, host, mention) in cases {
                    let refused = try await instance.outrigger(
                        [
                            "k8s-extension", "create", "--extension-type", "Microsoft.AzureML.Kubernetes", "--config",
                            "enableInference=True", "inferenceRouterServiceType=NodePort", "inferenceRouterHA=False",
                            "sslCname=" + host, "--config-protected", "sslCertPemFile=" + certificate,
                            "sslKeyPemFile=" + key,
                        ] + Self.cluster,
                        expecting: nil
                    )
                    #expect(refused.status != 0)
                    #expect(refused.errors.contains(mention), Comment(rawValue: refused.errors))
                    #expect(try await Self.show(instance) == nil)
                    try await instance.kubectl("get", "namespace", "azureml", expecting: 1)
                }
                let file = try instance.write("settings.json", "{\"enableTraining\": tru")
                let refused = try await instance.outrigger(
                    [
                        "k8s-extension", "create", "--extension-type", "Microsoft.AzureML.Kubernetes",
                        "--config-settings-file", file,
                    ] + Self.cluster,
                    expecting: 2
                )
                #expect(refused.errors.contains("settings.json"))
            }
        }
    }
}
