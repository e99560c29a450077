import ControlPlaneAPI
import KubeCore
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct ExtensionRequestTests {
    private static let put: JSON = [
        "properties": [
            "extensionType": "microsoft.azureml.kubernetes", "configurationSettings": ["enableTraining": "True"],
        ]
    ]

    private static func check(
        _ bench: ExtensionBench,
        _ operation: String? = nil,
        body: JSON = put
    ) async throws -> String {
        try await bench.service.check(bench.question(operation, body: body))
    }

    private static func preview(_ bench: ExtensionBench, _ operation: String?, body: JSON) async throws -> String {
        try await bench.service.preview(bench.question(operation, body: body))
    }

    @Test("A question reaches the agent and ends with its answer, and nothing of it is stored")
    func answered() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let id = try await Self.check(bench)
        #expect(try await bench.record() == nil)
        try await bench.restart()
        let request = try #require(try await bench.link().present().requests.first)
        #expect(request.id == id)
        #expect(request.kind == .check)
        #expect(request.operation == "install")
        #expect(request.desired.settings == ["enableTraining": "True"])
        #expect(request.desired.targetVersion == "1.0.0")
        #expect(try await bench.status(id) == "InProgress")
        // Another cluster's agent cannot answer.
        try await bench.link("edge").answer(AgentAnswer(id: id, result: "wrong"))
        #expect(try await bench.status(id) == "InProgress")
        try await bench.link().answer(AgentAnswer(id: id, result: ["checks": []]))
        let ended = try await bench.operation(id)
        #expect(ended["status"] == "Succeeded")
        #expect(ended["properties"]?["result"] == ["checks": []])
        #expect(try await bench.link().present() == AgentWork())
        // Once is enough.
        try await bench.link().answer(AgentAnswer(id: id, error: ErrorDetail(code: "X", message: "x")))
        #expect(try await bench.status(id) == "Succeeded")
    }

    @Test("An error of the agent is the operation's")
    func failed() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let id = try await Self.check(bench)
        try await bench.link().answer(AgentAnswer(id: id, error: ErrorDetail(code: "E49999", message: "broken")))
        #expect(try await bench.operation(id)["error"]?["code"] == "E49999")
    }

    @Test("A question without an answer fails after two minutes and says since when the agent is silent")
    func unanswered() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.heartbeat()
        bench.advance(30)
        let id = try await Self.check(bench)
        bench.advance(AgentRequests.patience - 1)
        try await bench.upkeep()
        #expect(try await bench.status(id) == "InProgress")
        bench.advance(1)
        try await bench.upkeep()
        let ended = try await bench.operation(id)
        #expect(ended["error"]?["code"] == "AgentNotResponding")
        #expect(ended["error"]?["message"]?.stringValue?.contains("150 s ago") == true)
        #expect(try await bench.link().present().requests.isEmpty)
    }

    @Test("Questions that wait are limited")
    func limited() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        for _ in 0..<AgentRequests.limit { _ = try await Self.check(bench) }
        let refused = await #expect(throws: ARMError.self) { try await Self.check(bench) }
        #expect(refused?.status == 429)
    }

    @Test("Checks have names; without a body they are about what is stored")
    func checks() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let missing = await #expect(throws: ARMError.self) { try await Self.check(bench, body: .object([:])) }
        #expect(missing?.error.code == "ExtensionNotFound")
        let wrong = await #expect(throws: ARMError.self) { try await Self.check(bench, "dance") }
        #expect(wrong?.status == 400)
        try await bench.put(["enableInference": "True"])
        _ = try await Self.check(bench, body: .object([:]))
        _ = try await Self.check(bench, "delete", body: .object([:]))
        let requests = try await bench.link().present().requests
        #expect(requests.map(\.operation) == ["upgrade", "delete"])
        #expect(requests.first?.desired.settings == ["enableInference": "True"])
    }

    @Test("A preview of an update merges, one of a create replaces, and both know the kept secrets")
    func previews() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let missing = await #expect(throws: ARMError.self) {
            try await Self.preview(bench, "update", body: ["properties": ["configurationSettings": [:]]])
        }
        #expect(missing?.status == 404)
        try await bench.put(["a": "1"], more: ["configurationProtectedSettings": ["s": "secret"]])
        _ = try await Self.preview(bench, "update", body: ["properties": ["configurationSettings": ["b": "2"]]])
        _ = try await Self.preview(bench, "create", body: Self.put)
        let requests = try await bench.link().present().requests
        #expect(requests.map(\.kind) == [.preview, .preview])
        #expect(requests.map(\.desired.settings) == [["a": "1", "b": "2"], ["enableTraining": "True"]])
        #expect(requests.allSatisfy { $0.desired.protectedSettings == ["s": "secret"] && $0.desired.generation == 2 })
        let invalid = await #expect(throws: ARMError.self) {
            try await Self.preview(
                bench,
                "update",
                body: ["properties": ["configurationSettings": ["enableTraining": "maybe"]]]
            )
        }
        #expect(invalid?.status == 400)
        #expect(try await bench.record()?.generation == 1)
    }
}
