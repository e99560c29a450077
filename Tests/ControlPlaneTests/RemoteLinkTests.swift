import ControlPlaneAPI
import ControlPlaneClient
import Foundation
import KubeCore
import Synchronization
import Testing

import class TestSupport.TestProxy

@testable import ControlPlane
@testable import ControlPlaneClient

@Suite(.timeLimit(.minutes(1))) struct RemoteLinkTests {
    /// What a link said of its connection.
    private final class Notices: Sendable {
        private let state = Mutex((connected: 0, rejected: [ARMError]()))

        var connected: Int { state.withLock { $0.connected } }
        var rejected: [ARMError] { state.withLock { $0.rejected } }

        func take(_ event: RemoteExtensionLink.Event) {
            state.withLock { state in
                switch event {
                case .connected: state.connected += 1
                case .disconnected: break
                case .rejected(let error, _): state.rejected.append(error)
                }
            }
        }
    }

    /// The next state that fits.
    private static func next(
        _ works: AsyncStream<AgentWork>,
        where fits: (AgentWork) -> Bool = { _ in true }
    ) async throws -> AgentWork {
        for await work in works where fits(work) { return work }
        throw TestProblem(text: "the stream of work ended")
    }

    @Test("An agent that dials in gets its work, reports, answers, and shows the cluster as connected")
    func wholeWay() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { plane, client in
            let (id, key) = (instance.connectedID("edge"), ClusterAgentKey())
            _ = try await client.put(id, TestInstance.connected(key))
            try await instance.withLink(id, key) { link in
                let works = await link.work()
                #expect(try await Self.next(works) == AgentWork())

                let path = try await instance.install(client, on: id)
                let wanted = try #require(try await Self.next(works) { !$0.extensions.isEmpty }.extensions.first)
                #expect(wanted.clusterName == "edge")
                try await link.report(TestInstance.succeeded(wanted))
                try await eventually {
                    try await client.get(path)[path: "properties", "provisioningState"]?.stringValue == "Succeeded"
                }
                // Repeating one changes nothing.
                try await link.report(TestInstance.succeeded(wanted))

                let question = try await client.post(
                    path + "/check",
                    ["properties": ["extensionType": "microsoft.azureml.kubernetes", "configurationSettings": [:]]]
                )
                let request = try #require(try await Self.next(works) { !$0.requests.isEmpty }.requests.first)
                #expect(request.kind == .check)
                let answer = AgentAnswer(id: request.id, result: ["checks": []])
                try await link.answer(answer)
                try await link.answer(answer)
                let operation = try #require(question.operation)
                try await eventually { try await client.get(operation)["status"]?.stringValue == "Succeeded" }

                try await link.heartbeat(TestInstance.heartbeat)
                #expect(
                    try await client.get(id)[path: "properties", "connectivityStatus"]?.stringValue == "Connected"
                )
                let credential = try await link.relayCredential()
                let grant = await RelayCredentials.grant(
                    credential.token,
                    tokens: plane.core.tokens,
                    clusters: plane.core.clusters
                )
                #expect(grant?.cluster == "fleet/connectedclusters/edge")
                #expect(try await link.bundle("volcano", version: "v1")?.count == 1)
                #expect(try await link.bundle("volcano", version: "v9") == nil)

                // Another cluster's extension is not this agent's to report on.
                var foreign = TestInstance.succeeded(wanted)
                foreign.clusterName = "other"
                foreign.provisioningState = "Failed"
                let wrong = foreign
                let denied = await #expect(throws: ARMError.self) { try await link.report(wrong) }
                #expect(denied?.status == 403)
                #expect(
                    try await client.get(path)[path: "properties", "provisioningState"]?.stringValue == "Succeeded"
                )
            }
        }
    }

    @Test("After a cut the work goes on with the whole state, also what changed meanwhile")
    func cut() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let (id, key) = (instance.connectedID("edge"), ClusterAgentKey())
            _ = try await client.put(id, TestInstance.connected(key))
            let proxy = try await TestProxy(to: instance.port)
            let url = "https://127.0.0.1:\(proxy.port)"
            let notices = Notices()
            try await instance.withLink(id, key, url: url, notice: { notices.take($0) }) { link in
                let works = await link.work()
                #expect(try await Self.next(works) == AgentWork())
                for round in 1...3 {
                    let before = notices.connected
                    proxy.cut()
                    _ = try await client.put(
                        id + "/providers/Microsoft.KubernetesConfiguration/extensions/amlext",
                        [
                            "properties": [
                                "extensionType": "microsoft.azureml.kubernetes",
                                "configurationSettings": ["nodeSelector.round": .string("\(round)")],
                            ]
                        ]
                    )
                    let newest = try await Self.next(works) {
                        $0.extensions.first?.settings["nodeSelector.round"] == "\(round)"
                    }
                    #expect(newest.extensions.count == 1)
                    #expect(notices.connected > before)
                    // Single calls go through a cut as well.
                    proxy.cut()
                    try await link.heartbeat(TestInstance.heartbeat)
                }
            }
            await proxy.stop()
        }
    }

    @Test("A stream that has gone silent is given up and dialled again")
    func silence() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let (id, key) = (instance.connectedID("edge"), ClusterAgentKey())
            _ = try await client.put(id, TestInstance.connected(key))
            let proxy = try await TestProxy(to: instance.port)
            let notices = Notices()
            try await instance.withLink(
                id,
                key,
                url: "https://127.0.0.1:\(proxy.port)",
                silence: .milliseconds(500),
                notice: { notices.take($0) }
            ) { link in
                let works = await link.work()
                #expect(try await Self.next(works) == AgentWork())
                proxy.silence()
                let before = notices.connected
                try await instance.install(client, on: id)
                // The connections stay open; only the silence tells.
                try await eventually { proxy.connections > before + 1 }
                proxy.hear()
                _ = try await Self.next(works) { !$0.extensions.isEmpty }
                #expect(notices.connected > before)
            }
            await proxy.stop()
        }
    }

    @Test("A control plane that was away is found again, with the state it kept")
    func restart() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        let (id, key) = (instance.connectedID("edge"), ClusterAgentKey())
        try await instance.withLink(id, key, rejectedPause: .milliseconds(50)) { link in
            let stream = await link.work()
            try await instance.run { _, client in
                _ = try await client.put(id, TestInstance.connected(key))
                try await instance.install(client, on: id)
            }
            // The link is read only now: what came before is there all the same.
            try await instance.run { _, _ in
                for await work in stream where !work.extensions.isEmpty { break }
                try await link.heartbeat(TestInstance.heartbeat)
            }
        }
    }

    @Test("A rejected key is told, and the link comes back when the cluster is registered with it")
    func rejected() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        try await instance.run { _, client in
            let (id, key) = (instance.connectedID("edge"), ClusterAgentKey())
            let notices = Notices()
            try await instance.withLink(
                id,
                key,
                patience: .seconds(1),
                rejectedPause: .milliseconds(50),
                notice: { notices.take($0) }
            ) { link in
                let works = await link.work()
                try await eventually { notices.rejected.contains { $0.status == 404 } }
                _ = try await client.put(id, TestInstance.connected(ClusterAgentKey()))
                try await eventually { notices.rejected.contains { $0.error.code == "AssertionRefused" } }
                let error = await #expect(throws: ARMError.self) { try await link.heartbeat(TestInstance.heartbeat) }
                #expect(error?.error.message.contains("connectedk8s connect") == true)
                _ = try await client.put(id, TestInstance.connected(key))
                #expect(try await Self.next(works) == AgentWork())

                // Deleting the cluster ends the open stream at once.
                let before = notices.rejected.count
                _ = try await client.delete(id)
                try await eventually { notices.rejected.count > before }
            }
        }
    }

    @Test("A wrong clock in the cluster is made up for")
    func clock() async throws {
        let instance = try TestInstance()
        defer { instance.remove() }
        instance.clock.advance(7200)
        try await instance.run { _, client in
            let (id, key) = (instance.connectedID("edge"), ClusterAgentKey())
            _ = try await client.put(id, TestInstance.connected(key))
            try await instance.withLink(id, key) { link in
                try await link.heartbeat(TestInstance.heartbeat)
                #expect(
                    try await client.get(id)[path: "properties", "connectivityStatus"]?.stringValue == "Connected"
                )
            }
        }
    }
}
