import ControlPlaneAPI
import KubeCore
import KubeRuntime
import MLTypes
import TestSupport
import Testing

@testable import Extension

/// Questions of the control plane, and what the agent says of its own accord.
@Suite(.timeLimit(.minutes(2))) struct AgentRequestTests {
    private static func changes(_ answer: AgentAnswer) -> [String] {
        (answer.result?["changes"]?.arrayValue ?? []).map { change in
            ["action", "kind", "name"].map { change[$0]?.stringValue ?? "" }.joined(separator: " ")
        }
    }

    private static func diff(_ answer: AgentAnswer, _ kind: String, _ name: String) -> [String] {
        let changes = answer.result?["changes"]?.arrayValue ?? []
        let found = changes.first { $0["kind"]?.stringValue == kind && $0["name"]?.stringValue == name }
        return found?["diff"]?.stringArray ?? []
    }

    @Test func `A preview tells what would be made, changed and taken away, and does nothing`() async throws {
        try await withAgent { api, link in
            let before = try await link.answer(.preview, wanted())
            #expect(Self.changes(before).contains("create Deployment gateway"), "\(before)")
            #expect(Self.changes(before).contains("create Secret gateway-token"))
            #expect(try await api.find(.namespaces, name: "azureml") == nil)
            #expect(before.result?["unchanged"] == 0)

            link.want([wanted()])
            try await link.wait("Succeeded")
            let same = try await link.answer(.preview, wanted())
            #expect(Self.changes(same).isEmpty, "\(Self.changes(same)) \(same.result?["changes"]?.prettyText ?? "")")

            let update = try await link.answer(
                .preview,
                wanted(["enableTraining": "False", "scoringFe.resources.limits.memory": "600Mi"], generation: 2)
            )
            #expect(Self.changes(update).contains("update Deployment azureml-fe-v2"))
            #expect(Self.changes(update).contains("delete Deployment aml-operator"))
            #expect(!Self.changes(update).contains("update Deployment gateway"))
            let diff = Self.diff(update, "Deployment", "azureml-fe-v2")
            #expect(diff.contains { $0.hasPrefix("- ") && $0.hasSuffix("limits.memory: 1200Mi") }, "\(diff)")
            #expect(diff.contains { $0.hasPrefix("+ ") && $0.hasSuffix("limits.memory: 600Mi") })
            #expect(update.result?["checks"]?.arrayValue?.isEmpty == false)
            #expect(try await api.find(.deployments, namespace: "azureml", name: "aml-operator") != nil)
        }
    }

    @Test func `A preview never shows what a Secret holds`() {
        let old = KubeObject(.secrets, namespace: "a", name: "s", body: ["data": ["k": "b2xk"]])
        let new = KubeObject(.secrets, namespace: "a", name: "s", body: ["data": ["k": "bmV3", "l": "bmV3"]])
        #expect(
            AgentAnswers.lines(old, new) == ["- data.k: <redacted>", "+ data.k: <redacted>", "+ data.l: <redacted>"]
        )
        #expect(!AgentAnswers.lines(nil, new).joined().contains("bmV3"))
    }

    @Test func `The component table has every component with its live state`() async throws {
        try await withAgent(except: ["gateway"]) { _, link in
            func row(_ answer: AgentAnswer, _ name: String) -> JSON? {
                answer.result?["components"]?.arrayValue?.first { $0["name"]?.stringValue == name }
            }
            let before = try await link.answer(.components, wanted())
            #expect(before.result?["components"]?.arrayValue?.count == 17)
            #expect(row(before, "gateway")?["state"] == "Missing")
            link.want([wanted(["enableTraining": "False"])])
            try await eventuallyTrue("router") {
                link.last?.statuses.contains { $0.code == "azureml-fe-v2" && $0.displayStatus == "Ready" } == true
            }
            let after = try await link.answer(.components, wanted(["enableTraining": "False"]))
            #expect(row(after, "azureml-fe-v2")?["state"] == "Ready")
            #expect(row(after, "azureml-fe-v2")?["ready"] == "1/1")
            #expect(row(after, "gateway")?["state"] == "NotReady")
            #expect(row(after, "aml-operator")?["state"] == "Disabled")
            #expect(row(after, "fluent-bit")?["state"] == "Absent")
        }
    }

    @Test func `A check works before the extension exists and names what is wrong`() async throws {
        try await withAgent { _, link in
            let answer = try await link.answer(.check, wanted(["inferenceRouterHA": "True"]))
            let checks = answer.result?["checks"]?.arrayValue ?? []
            #expect(checks.contains { $0["code"] == "E40002" && $0["status"] == "Failed" }, "\(answer)")
            #expect(checks.allSatisfy { $0["checked"]?.stringValue?.isEmpty == false })
            #expect(answer.result?["operation"] == "install")
            let wrong = try await link.answer(.check, wanted(["inferenceRouterServiceType": "none"]))
            #expect(wrong.error?.code == "InvalidArgumentValue")
            let unknown = try await link.answer(.check, wanted(), operation: "explode")
            #expect(unknown.error?.message.contains("explode") == true)
            let removal = try await link.answer(.check, wanted(), operation: "delete")
            #expect(removal.result?["operation"] == "delete")
        }
    }

    @Test func `A diagnosis has states, events and logs and no secret`() async throws {
        let logs: PodLogReading = { _, pod, container, _, _ in "\(pod) \(container): token=hunter2-hunter2" }
        try await withAgent(podLogs: logs) { api, link in
            let desired = wanted { $0.protectedSettings = ["relayserver.relayConnectionString": "hunter2-hunter2"] }
            link.want([desired])
            try await link.wait("Succeeded")
            try await api.create(.serviceAccounts, .serviceAccount("default", namespace: "azureml"))
            try await api.create(.pods, .pod("gateway-x", namespace: "azureml"))
            var pod = try await api.get(.pods, namespace: "azureml", name: "gateway-x")
            let status: JSON = [
                "name": "main", "ready": true, "restartCount": 1, "image": "x", "imageID": "", "started": true,
                "state": ["running": ["startedAt": "2026-01-01T00:00:00Z"]],
            ]
            pod["status"] = ["phase": "Running", "containerStatuses": [status]]
            try await api.updateStatus(.pods, pod)
            let answer = try await link.answer(.diagnose, desired)
            let files = answer.result?["files"]?.stringMap ?? [:]
            for name in [
                "extension.json", "health.json", "components.json", "nodes.json", "events.txt", "healthcheck.txt",
                "logs/gateway-x/main.log", "logs/gateway-x/main.previous.log",
                "objects/azureml/deployments.apps/gateway.json", "objects/azureml/secrets/gateway-token.json",
            ] { #expect(files[name] != nil, "\(name): \(files.keys.sorted())") }
            let token = try await api.get(.secrets, namespace: "azureml", name: "gateway-token")["data", "token"]
            let all = files.values.joined(separator: "\n")
            #expect(!all.contains("hunter2"))
            #expect(!all.contains(token?.stringValue ?? "?"))
            #expect(!all.contains(Base64.decode(token?.stringValue ?? "") ?? "?"))
            #expect(files["logs/gateway-x/main.log"] == "gateway-x main: token=<redacted>")
        }
    }

    @Test func `A diagnosis stays within its size`() {
        var files = DiagnosisFiles(Redaction([]))
        for index in 0..<40 { files.add("f\(index)", String(repeating: "x", count: 1 << 20)) }
        #expect(files.files.values.reduce(0) { $0 + $1.utf8.count } < DiagnosisFiles.limitBytes)
        #expect(files.files["LEFT-OUT.txt"]?.contains("f39") == true)
        #expect(files.files["f0"]?.hasPrefix("… (the beginning is left out)") == true)
    }

    @Test func `A question is answered once, however often it is sent`() async throws {
        try await withAgent { _, link in
            let request = AgentRequest(id: "q", kind: .components, desired: wanted())
            for _ in 0..<5 { link.ask([request]) }
            try await eventuallyTrue("answer") { !link.answers.isEmpty }
            link.ask([request, AgentRequest(id: "r", kind: .components, desired: wanted())])
            try await eventuallyTrue("second answer") { link.answers.contains { $0.id == "r" } }
            #expect(link.answers.filter { $0.id == "q" }.count == 1)
        }
    }

    @Test func `An answer that is not taken is sent again`() async throws {
        try await withAgent { _, link in
            link.refuse(RecordingLink.Unavailable())
            link.ask([AgentRequest(id: "q", kind: .components, desired: wanted())])
            try await Task.sleep(for: .milliseconds(100))
            link.refuse(nil)
            try await eventuallyTrue("answer") { link.answers.count == 1 }
        }
    }

    @Test func `The agent shows that it is there and which cluster it has`() async throws {
        try await TestCluster.run { cluster in
            var node = KubeObject.node("node-0")
            node["status", "nodeInfo"] = [
                "kubeletVersion": "v1.35.2+k3s1", "operatingSystem": "linux", "architecture": "amd64", "machineID": "",
                "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "", "containerRuntimeVersion": "",
                "kubeProxyVersion": "",
            ]
            try await cluster.api.create(.nodes, node)
            let link = RecordingLink()
            try await running(cluster.api, link) {
                let beat = try await eventually("heartbeat") { link.heartbeats.first }
                #expect(beat.kubernetesVersion == "v1.35.2+k3s1" && beat.distribution == "k3s")
                #expect(beat.nodeCount == 1 && beat.agentVersion == testProfile.version)
            }
        }
    }

    @Test func `The relay's token is written, renewed in time, and goes with the extension`() async throws {
        try await withAgent { api, link in
            link.give(AgentCredential(token: "short-lived", expiresIn: 3))
            link.want([wanted()])
            try await link.wait("Succeeded")
            func token() async throws -> String? {
                let secret = try await api.find(.secrets, namespace: "azureml", name: "relay-token")
                return secret?["data", "token"]?.stringValue.flatMap(Base64.decode)
            }
            #expect(try await token() == "short-lived")
            link.give(AgentCredential(token: "second", expiresIn: 3600))
            try await eventuallyTrue("renewal") { try await token() == "second" }
            link.want([wanted(generation: 2, isDeleting: true)])
            try await link.wait("Gone", generation: 2)
            #expect(try await token() == nil)
        }
    }

    @Test func `Without a token for the relay the rest is installed, and it is said`() async throws {
        try await withAgent { api, link in
            link.give(AgentCredential?.none)
            link.want([wanted()])
            let report = try await link.wait("Succeeded")
            #expect(report.statuses.contains { $0.code == "RelayTokenMissing" && $0.level == "Warning" })
            #expect(try await api.find(.secrets, namespace: "azureml", name: "relay-token") == nil)
        }
    }

    @Test func `Drift is told with who changed what, also by an agent that has just come`() async throws {
        try await TestCluster.run { cluster in
            let api = cluster.api
            try await api.create(.nodes, .node("node-0"))
            try await withControllers(api) {
                let first = RecordingLink()
                first.want([wanted()])
                try await running(api, first) { try await first.wait("Succeeded") }
                try await api.patch(
                    .deployments,
                    ObjectKey(namespace: "azureml", name: "gateway"),
                    .merge(["spec": ["replicas": 5]]),
                    options: WriteOptions(fieldManager: "kubectl-scale")
                )
                try await api.deleteIfPresent(.services, ObjectKey(namespace: "azureml", name: "gateway"))
                let second = RecordingLink()
                second.want([wanted()])
                try await running(api, second) {
                    let event = try await eventually("event") {
                        try await api.list(.events, namespace: "azureml").items.first {
                            $0["reason"] == "DriftCorrected" && $0["involvedObject", "kind"] == "Deployment"
                        }
                    }
                    let text = event["message"]?.stringValue ?? ""
                    #expect(text.hasPrefix("kubectl-scale changed spec.replicas to 5 (wanted: 1)"), "\(text)")
                    let deletion = try await eventually("event of the deletion") {
                        try await api.list(.events, namespace: "azureml").items.first {
                            $0["reason"] == "DriftCorrected" && $0["involvedObject", "kind"] == "Service"
                        }
                    }
                    #expect(deletion["message"]?.stringValue?.contains("deleted") == true)
                }
            }
        }
    }
}
