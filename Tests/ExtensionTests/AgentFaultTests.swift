import ControlPlaneAPI
import KubeCore
import KubeRuntime
import MLTypes
import Synchronization
import TestSupport
import Testing

@testable import Extension

/// A cluster that does not do what it is asked to.
@Suite(.timeLimit(.minutes(2))) struct AgentFaultTests {
    private struct ConnectionRefused: Error {}

    private static func withFaultyAgent(
        profile: ClusterProfile = testProfile,
        except: Set<String> = [],
        podLogs: PodLogReading? = nil,
        before: FaultyAPI.Hook? = nil,
        _ body: (any ResourceAPI, FaultyAPI, RecordingLink) async throws -> Void
    ) async throws {
        try await TestCluster.run { cluster in
            let api = cluster.api
            try await api.create(.nodes, .node("node-0"))
            let faulty = FaultyAPI(api, before: before)
            let link = RecordingLink()
            try await withControllers(api, except: except) {
                try await running(faulty, link, profile: profile, podLogs: podLogs) {
                    try await body(api, faulty, link)
                }
            }
        }
    }

    private static func message(_ link: RecordingLink, _ code: String) -> String? {
        link.last?.statuses.first { $0.code == code }?.message
    }

    @Test func `An API that is away in the middle holds the work up and doubles nothing`() async throws {
        let calls = Mutex(0)
        let isAway = Mutex(true)
        try await Self.withFaultyAgent(before: { call in
            guard call.verb == "patch" else { return }
            let count = calls.withLock {
                $0 += 1
                return $0
            }
            if count > 25, isAway.withLock({ $0 }) { throw ConnectionRefused() }
        }) { api, faulty, link in
            link.want([wanted()])
            try await eventuallyTrue("told") { Self.message(link, "ClusterUnreachable") != nil }
            #expect(link.last?.provisioningState == "Creating" && link.last?.errorInfo == nil)
            faulty.set { _ in throw ConnectionRefused() }
            isAway.withLock { $0 = false }
            try await Task.sleep(for: .milliseconds(300))
            #expect(link.last?.provisioningState == "Creating")
            faulty.set(before: nil)
            try await link.wait("Succeeded")
            for deployment in try await api.list(.deployments, namespace: "azureml").items {
                #expect(deployment.generation == 1)
            }
            let created = link.reports.filter { $0.provisioningState == "Failed" }
            #expect(created.isEmpty)
        }
    }

    @Test func `A cluster that is silent from the start is reported, and installed on when it speaks`() async throws {
        try await Self.withFaultyAgent(before: { _ in throw ConnectionRefused() }) { _, faulty, link in
            link.want([wanted()])
            try await eventuallyTrue("told") { Self.message(link, "ClusterUnreachable") != nil }
            #expect(link.heartbeats.isEmpty)
            faulty.set(before: nil)
            try await link.wait("Succeeded")
        }
    }

    @Test func `A webhook that refuses is named, and once it is gone the work goes on`() async throws {
        try await Self.withFaultyAgent(before: { call in
            guard call.verb == "patch", call.type == .deployments else { return }
            throw APIError(
                code: 400,
                reason: .badRequest,
                message: "admission webhook \"policy.example.com\" denied the request: no deployments on Fridays"
            )
        }) { _, faulty, link in
            link.want([wanted()])
            try await eventuallyTrue("told") {
                Self.message(link, "WebhookRefused")?.contains("'policy.example.com'") == true
            }
            #expect(link.last?.provisioningState == "Creating")
            faulty.set(before: nil)
            let report = try await link.wait("Succeeded")
            #expect(!report.statuses.contains { $0.code == "WebhookRefused" })
        }
    }

    @Test func `A refusal that lasts ends as failed and names what it was`() async throws {
        var profile = testProfile
        profile.readinessTimeout = .seconds(1)
        try await Self.withFaultyAgent(
            profile: profile,
            before: { call in
                guard call.verb == "patch", call.type == .deployments else { return }
                throw APIError.internalError("failed calling webhook \"scan.example.com\": Post: connection refused")
            }
        ) { _, faulty, link in
            link.want([wanted()])
            let report = try await link.wait("Failed")
            #expect(report.errorInfo?.message.contains("scan.example.com") == true)
            faulty.set(before: nil)
            try await link.wait("Succeeded")
        }
    }

    @Test func `A missing right is named with verb, resource and namespace and how to give it`() async throws {
        try await TestCluster.run { cluster in
            try await cluster.api.create(.nodes, .node("node-0"))
            let faulty = FaultyAPI(cluster.api) { call in
                // As a server with access reviews answers.
                if call.type.plural == "selfsubjectreviews" { throw APIError.badRequest("not here") }
                guard call.type == .services, call.verb == "patch" else { return }
                throw APIError.refusal(.services, "gateway", "User \"agent\" cannot patch resource")
            }
            let reviewing = ReviewingAPI(faulty, user: "system:serviceaccount:azure-arc:outrigger-agent") {
                !($0.verb == "patch" && $0.resource == "services")
            }
            let link = RecordingLink()
            link.want([wanted()])
            try await running(reviewing, link) {
                let report = try await link.wait("Failed")
                let message = report.errorInfo?.message ?? ""
                #expect(report.errorInfo?.code == "PermissionMissing")
                #expect(message.contains("patch services in namespace azureml"))
                #expect(message.contains("--serviceaccount=azure-arc:outrigger-agent"))
                #expect(try await cluster.api.list(.deployments, namespace: "azureml").items.isEmpty)
            }
        }
    }

    @Test func `A right that goes missing later is named too`() async throws {
        try await Self.withFaultyAgent(before: { call in
            guard call.verb == "patch", call.type == .clusterRoles else { return }
            throw APIError.refusal(
                .clusterRoles,
                "outrigger:gateway",
                "user \"agent\" is attempting to grant RBAC permissions not currently held"
            )
        }) { _, faulty, link in
            link.want([wanted()])
            let report = try await link.wait("Failed")
            let message = report.errorInfo?.message ?? ""
            #expect(message.contains("clusterroles.rbac.authorization.k8s.io"), "\(message)")
            #expect(message.contains("not currently held"))
            faulty.set(before: nil)
            try await link.wait("Succeeded")
        }
    }

    @Test func `A component that crashes over and over is named with its reason, events and last words`() async throws {
        var profile = testProfile
        profile.readinessTimeout = .seconds(1)
        let logs: PodLogReading = { _, pod, container, _, previous in
            "\(pod)/\(container)\(previous ? " before" : ""): out of luck, and the password is correct-horse-battery"
        }
        try await Self.withFaultyAgent(profile: profile, except: ["azureml-fe-v2"], podLogs: logs) { api, _, link in
            try await api.create(.namespaces, .namespace("azureml"))
            try await api.create(.serviceAccounts, .serviceAccount("default", namespace: "azureml"))
            let labels = ["ml.azure.com/infra-app": "azureml-fe-v2"]
            try await api.create(.pods, .pod("azureml-fe-v2-x", namespace: "azureml", labels: labels))
            var pod = try await api.get(.pods, namespace: "azureml", name: "azureml-fe-v2-x")
            let waiting: JSON = [
                "name": "azureml-fe-v2", "ready": false, "restartCount": 4, "image": "x", "imageID": "",
                "state": ["waiting": ["reason": "CrashLoopBackOff", "message": "back-off 40s"]],
                "lastState": ["terminated": ["exitCode": 1, "reason": "Error"]],
            ]
            pod["status"] = ["phase": "Running", "containerStatuses": [waiting]]
            try await api.updateStatus(.pods, pod)
            let event: [String: JSON] = [
                "involvedObject": ["kind": "Pod", "name": "azureml-fe-v2-x", "namespace": "azureml"],
                "type": "Warning", "reason": "BackOff", "message": "Back-off restarting failed container",
                "lastTimestamp": "2026-01-01T00:00:00Z",
            ]
            try await api.create(.events, KubeObject(.events, namespace: "azureml", name: "e", body: event))
            link.want([
                wanted {
                    $0.protectedSettings = ["relayserver.relayConnectionString": "correct-horse-battery"]
                }
            ])
            let report = try await link.wait("Failed")
            #expect(report.errorInfo?.code == "E40005")
            #expect(
                report.errorInfo?.message.contains("CrashLoopBackOff") == true,
                "\(String(describing: report.errorInfo))"
            )
            let evidence = report.statuses.filter { $0.code == "azureml-fe-v2" }
            #expect(
                evidence.contains { $0.displayStatus == "Events" && $0.message.contains("BackOff Pod/azureml-fe-v2-x") }
            )
            let log = evidence.first { $0.displayStatus == "Log azureml-fe-v2-x/azureml-fe-v2" }
            #expect(log?.message.contains(" before: out of luck") == true)
            #expect(log?.message.contains("correct-horse") == false)
            #expect(report.errorInfo?.additionalInfo?.count == 2)
        }
    }

    @Test func `A load balancer that gives no address ends as E40001`() async throws {
        var profile = testProfile
        profile.readinessTimeout = .seconds(1)
        try await withAgent(profile: profile, except: ["azureml-fe"]) { _, link in
            link.want([wanted()])
            let report = try await link.wait("Failed")
            #expect(report.errorInfo?.code == "E40001")
            #expect(report.errorInfo?.message.contains("service/azureml-fe") == true)
        }
    }

    @Test func `A report that is not taken is sent again`() async throws {
        try await withAgent { _, link in
            link.refuse(RecordingLink.Unavailable())
            link.want([wanted()])
            try await Task.sleep(for: .milliseconds(200))
            #expect(link.reports.isEmpty)
            link.refuse(nil)
            try await link.wait("Succeeded")
        }
    }

    @Test func `Of two creates at once on one cluster one wins, and when that is gone the other gets its turn`()
        async throws
    {
        try await TestCluster.run { cluster in
            let api = cluster.api
            try await api.create(.nodes, .node("node-0"))
            let (first, second) = (RecordingLink(), RecordingLink())
            func managed(isDeleting: Bool = false) -> DesiredExtension {
                wanted(isDeleting: isDeleting) { $0.clusterType = "managedClusters" }
            }
            first.want([wanted()])
            second.want([managed()])
            try await withControllers(api) {
                try await running(api, first) {
                    try await running(api, second) {
                        let winner = try await eventually("a winner") {
                            [first, second].first { $0.last?.provisioningState == "Succeeded" }
                        }
                        let loser = winner === first ? second : first
                        let refusal = try await loser.wait("Failed")
                        #expect(refusal.errorInfo?.code == "ExtensionAlreadyInstalled")
                        for deployment in try await api.list(.deployments, namespace: "azureml").items {
                            #expect(deployment.generation == 1)
                        }
                        winner.want([
                            winner === first ? wanted(generation: 2, isDeleting: true) : managed(isDeleting: true)
                        ])
                        try await winner.wait("Gone")
                        try await loser.wait("Succeeded")
                    }
                }
            }
        }
    }

    @Test func `A create while it is being deleted ends installed`() async throws {
        try await withAgent { api, link in
            link.want([wanted()])
            try await link.wait("Succeeded")
            for (round, delay) in [0, 5, 20, 60, 150].enumerated() {
                link.want([wanted(generation: round * 2 + 2, isDeleting: true)])
                try await Task.sleep(for: .milliseconds(delay))
                link.want([wanted(generation: round * 2 + 3)])
                try await link.wait("Succeeded", generation: round * 2 + 3)
                let names = try await api.list(.deployments, namespace: "azureml").items.filter { !$0.isTerminating }
                #expect(names.count == 8, "\(names.map(\.name))")
            }
        }
    }
}

extension APIError {
    fileprivate static func refusal(_ type: ResourceType, _ name: String, _ detail: String) -> APIError {
        APIError(
            code: 403,
            reason: .forbidden,
            message: "\(type.groupResource) \"\(name)\" is forbidden: \(detail)"
        )
    }
}

/// Answers access reviews as a server with users does.
final class ReviewingAPI: ForwardingAPI {
    let base: any ResourceAPI
    private let user: String
    private let allows: @Sendable (Permission) -> Bool

    init(_ base: any ResourceAPI, user: String, allows: @escaping @Sendable (Permission) -> Bool) {
        self.base = base
        self.user = user
        self.allows = allows
    }

    func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        var answer = object
        switch type.plural {
        case "selfsubjectreviews":
            answer["status"] = ["userInfo": ["username": .string(user)]]
            return answer
        case "selfsubjectaccessreviews":
            let asked = object["spec", "resourceAttributes"]
            func text(_ key: String) -> String? { asked?[key]?.stringValue }
            let resource = (text("resource") ?? "") + (text("subresource").map { "/" + $0 } ?? "")
            let permission = Permission(
                text("verb") ?? "",
                group: text("group") ?? "",
                resource: resource,
                namespace: text("namespace")
            )
            answer["status"] = ["allowed": .bool(permission.verb != "*" && allows(permission))]
            return answer
        default:
            return try await base.create(
                type,
                namespace: namespace,
                name: name,
                subresource: subresource,
                object: object,
                options: options
            )
        }
    }
}
