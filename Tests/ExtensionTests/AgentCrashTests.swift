import ControlPlaneAPI
import KubeCore
import KubeRuntime
import MLTypes
import Synchronization
import TestSupport
import Testing

@testable import Extension

/// An agent that dies after each of its writes in turn, and the next one that has to end what it began.
@Suite(.timeLimit(.minutes(5))) struct AgentCrashTests {
    /// Names of everything the extension has on the cluster, by kind.
    private static func present(_ api: any ResourceAPI) async throws -> [String] {
        var names: [String] = []
        for type in [
            ResourceType.deployments, .services, .serviceAccounts, .secrets, .configMaps, .roles, .roleBindings,
            .clusterRoles, .clusterRoleBindings, .customResourceDefinitions,
        ] {
            let items = try await api.list(
                type,
                namespace: type.isNamespaced ? "azureml" : nil,
                options: ListOptions(labelSelector: "app.kubernetes.io/managed-by=outrigger-extension")
            ).items
            names += items.map { "\(type.plural)/\($0.name)" }
        }
        return names.sorted()
    }

    /// Runs an agent until it has written `limit` times, or done what `link` is to see; true when it died.
    private static func dyingAgent(
        _ api: any ResourceAPI,
        _ link: RecordingLink,
        after limit: Int,
        until isDone: @escaping @Sendable () -> Bool
    ) async throws -> Bool {
        let life = Life(limit)
        let faulty = FaultyAPI(api) { _ in
            if life.isOver { throw CancellationError() }
        } after: { call in
            if call.isWrite, call.type != .events, life.ends() { throw CancellationError() }
        }
        try await running(faulty, link) {
            try await eventually("death or success", interval: .milliseconds(2)) { () -> Bool? in
                life.isOver || isDone() ? true : nil
            }
        }
        return life.isOver
    }

    /// Over after so many writes.
    private final class Life: Sendable {
        private let left: Mutex<Int>

        init(_ limit: Int) { left = Mutex(limit) }

        var isOver: Bool { left.withLock { $0 < 0 } }

        func ends() -> Bool {
            left.withLock {
                $0 -= 1
                return $0 < 0
            }
        }
    }

    @Test func `An agent that dies at any write of a create or a delete is followed by one that ends it`() async throws
    {
        try await TestCluster.run { cluster in
            let api = cluster.api
            try await api.create(.nodes, .node("node-0"))
            try await withControllers(api) {
                var reference: [String]?
                var (diedCreating, diedDeleting, point) = (true, true, 0)
                while diedCreating || diedDeleting {
                    let first = RecordingLink()
                    first.want([wanted()])
                    diedCreating = try await Self.dyingAgent(api, first, after: point) {
                        first.last?.provisioningState == "Succeeded"
                    }
                    let second = RecordingLink()
                    second.want([wanted()])
                    try await running(api, second) { try await second.wait("Succeeded", generation: 1) }
                    let present = try await Self.present(api)
                    if let reference { #expect(present == reference, "killed after write \(point)") }
                    reference = reference ?? present
                    for deployment in try await api.list(.deployments, namespace: "azureml").items {
                        #expect(deployment.generation == 1, "\(deployment.name) killed after write \(point)")
                    }

                    let third = RecordingLink()
                    third.want([wanted(generation: 2, isDeleting: true)])
                    diedDeleting = try await Self.dyingAgent(api, third, after: point) { third.last?.isGone == true }
                    let fourth = RecordingLink()
                    fourth.want([wanted(generation: 2, isDeleting: true)])
                    try await running(api, fourth) { try await fourth.wait("Gone", generation: 2) }
                    #expect(try await Self.present(api).isEmpty, "killed after write \(point)")
                    #expect(try await api.find(.namespaces, name: "azureml") == nil)
                    point += 1
                }
                #expect(point > 40)
            }
        }
    }

    @Test func `An agent that dies at any write of an update is followed by one that ends it`() async throws {
        try await TestCluster.run { cluster in
            let api = cluster.api
            try await api.create(.nodes, .node("node-0"))
            try await withControllers(api) {
                let states: [[String: String]] = [["enableTraining": "False"], [:]]
                var generation = 1
                var references: [[String]] = []
                for changes in states.reversed() {
                    let link = RecordingLink()
                    link.want([wanted(changes, generation: generation)])
                    try await running(api, link) { try await link.wait("Succeeded", generation: generation) }
                    references.insert(try await Self.withoutRevisions(api), at: 0)
                    generation += 1
                }
                let gateway = try await api.get(.deployments, namespace: "azureml", name: "gateway")
                var (died, point) = (true, 0)
                // Both directions in turn; each has fewer writes than the other half of the time.
                var lastDied = true
                while died || lastDied {
                    lastDied = died
                    let index = (point + 1) % 2
                    let desired = wanted(states[index], generation: generation)
                    let first = RecordingLink()
                    first.want([desired])
                    died = try await Self.dyingAgent(api, first, after: point / 2) {
                        first.last?.provisioningState == "Succeeded"
                    }
                    let second = RecordingLink()
                    second.want([desired])
                    try await running(api, second) {
                        try await second.wait("Succeeded", generation: desired.generation)
                    }
                    // One that died after its own success may have left the last clearing to the second.
                    let wantReferences = references[index]
                    try await eventuallyTrue("the objects, killed after write \(point / 2) on the way to \(index)") {
                        try await Self.withoutRevisions(api) == wantReferences
                    }
                    point += 1
                    generation += 1
                }
                let after = try await api.get(.deployments, namespace: "azureml", name: "gateway")
                #expect(after.uid == gateway.uid && after.generation == gateway.generation)
                let revisions = try await RevisionStore(api: api, extensionName: "amlext").generations()
                #expect(revisions.count == RevisionStore.limit && revisions.last == generation - 1)
            }
        }
    }

    /// Definitions stay once they are there, and revisions grow.
    private static func withoutRevisions(_ api: any ResourceAPI) async throws -> [String] {
        try await present(api).filter {
            !$0.hasPrefix("secrets/outrigger-extension-amlext.v") && !$0.hasPrefix("customresourcedefinitions/")
        }
    }
}
