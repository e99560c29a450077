import ControlPlaneAPI
import KubeCore
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct ExtensionDeletionTests {
    private static func operation(_ deletion: ExtensionService.Deletion) throws -> String {
        guard case .started(let operation) = deletion else { throw TestProblem(text: "nothing to wait for") }
        return operation
    }

    @Test("Deleting waits for the agent, and a second deletion joins the first")
    func waits() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        guard case .nothingThere = try await bench.delete() else { throw TestProblem(text: "there is something") }
        try await bench.put()
        try await bench.report("Succeeded")
        let operation = try Self.operation(try await bench.delete())
        #expect(try await bench.state() == "Deleting")
        #expect(try Self.operation(try await bench.delete(ExtensionFlags(isPurging: true))) == operation)
        let wanted = try await bench.report("Succeeded")
        #expect(wanted.isDeleting)
        #expect(wanted.isPurging)
        // The agent that has not noticed yet does not make it "Succeeded" again.
        #expect(try await bench.state() == "Deleting")
        #expect(try await bench.status(operation) == "InProgress")
        var late = wanted
        late.generation -= 1
        try await bench.send(late, "Deleting", isGone: true)
        #expect(try await bench.state() == "Deleting")
        try await bench.send(wanted, "Deleting", isGone: true)
        #expect(try await bench.record() == nil)
        #expect(try await bench.status(operation) == "Succeeded")
        // At once, there is room for the next.
        #expect(try await bench.put().isNew)
    }

    @Test("A create while deleting is refused, and a deletion that failed can be taken back")
    func createWhileDeleting() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put()
        let operation = try Self.operation(try await bench.delete())
        for name in ["ext", "other"] {
            let refused = await #expect(throws: ARMError.self) { try await bench.put(name: name) }
            #expect(refused?.status == 409)
            #expect(refused?.error.message.contains("being deleted") == true)
        }
        let patch = await #expect(throws: ARMError.self) { try await bench.patch(["configurationSettings": [:]]) }
        #expect(patch?.error.code == "OperationInProgress")
        try await bench.report("Failed", error: ErrorDetail(code: "E40000", message: "no permission"))
        #expect(try await bench.operation(operation)["error"]?["code"] == "E40000")
        #expect(try await bench.state() == "Failed")
        let again = try await bench.put()
        #expect(again.record.generation == 3)
        #expect(try await bench.link().present().extensions.first?.isDeleting == false)
        try await bench.report("Succeeded")
        #expect(try await bench.state() == "Succeeded")
    }

    @Test("Forced, the document goes at once when the agent is silent, and the agent is told when it returns")
    func forcedOffline() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put(more: ["configurationProtectedSettings": ["secret": "x"]])
        try await bench.report("Succeeded")
        try await bench.heartbeat()
        bench.advance(3600)
        let ordinary = try Self.operation(try await bench.delete())
        guard case .done = try await bench.delete(ExtensionFlags(isForced: true)) else {
            throw TestProblem(text: "it waits")
        }
        #expect(try await bench.record() == nil)
        #expect(try await bench.status(ordinary) == "Succeeded")
        try await bench.restart()
        let left = try #require(try await bench.link().present().extensions.first)
        #expect(left.isDeleting)
        #expect(left.isForced)
        #expect(left.protectedSettings.isEmpty)
        // Removing needs to be reported once; anything else changes nothing.
        try await bench.send(left, "Deleting")
        #expect(try await bench.link().present().extensions == [left])
        try await bench.send(left, "Deleting", isGone: true)
        #expect(try await bench.link().present().extensions.isEmpty)
    }

    @Test("What is created over the rest of a forced deletion takes its place")
    func createOverTombstone() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let created = try await bench.put()
        guard case .done = try await bench.delete(ExtensionFlags(isForced: true)) else {
            throw TestProblem(text: "it waits")
        }
        #expect(try await bench.status(created.operation) == "Canceled")
        let left = try #require(try await bench.link().present().extensions.first)
        let next = try await bench.put()
        #expect(next.isNew)
        let wanted = try await bench.link().present().extensions
        #expect(wanted.count == 1)
        #expect(wanted.first?.isDeleting == false)
        // The agent's last word about the one before does not count for this one.
        #expect((wanted.first?.generation ?? 0) > left.generation)
        try await bench.send(left, "Deleting", isGone: true)
        #expect(try await bench.state() == "Creating")
    }

    @Test("Forced with an agent that answers waits for it, but not for ever")
    func forcedOnline() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put()
        try await bench.heartbeat()
        let operation = try Self.operation(try await bench.delete(ExtensionFlags(isForced: true)))
        #expect(try await bench.link().present().extensions.first?.isForced == true)
        bench.advance(ExtensionService.forcedDeadline - 1)
        try await bench.upkeep()
        #expect(try await bench.status(operation) == "InProgress")
        bench.advance(1)
        try await bench.upkeep()
        #expect(try await bench.status(operation) == "Succeeded")
        #expect(try await bench.record() == nil)
        #expect(try await bench.link().present().extensions.first?.isDeleting == true)
    }

    @Test("With its cluster, everything of an extension goes")
    func clusterGone() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let created = try await bench.put()
        let question = try await bench.service.inquire(.diagnose, bench.question())
        let cluster = bench.cluster
        try await bench.core.store.write { t in try ExtensionService.clusterGone(t, cluster: cluster) }
        #expect(try await bench.record() == nil)
        for operation in [created.operation, question] {
            #expect(try await bench.operation(operation)["error"]?["code"] == "ClusterNotFound")
        }
        #expect(try await bench.link().present() == AgentWork())
    }
}
