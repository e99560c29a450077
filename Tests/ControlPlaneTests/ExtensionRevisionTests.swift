import ControlPlaneAPI
import KubeCore
import Synchronization
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct ExtensionRevisionTests {
    private static let two: [ExtensionVersion] = [
        .init(version: "1.0.0", releaseTrain: "Stable", image: "image:1.0.0"),
        .init(version: "1.1.0", releaseTrain: "Stable", image: "image:1.1.0"),
    ]

    @Test("Rolling back takes the newest revision that differs, or the one that is named")
    func rollback() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put(["step": "1"], more: ["configurationProtectedSettings": ["key": "one"]])
        let none = await #expect(throws: ARMError.self) {
            try await bench.service.rollback(id: bench.id, revision: nil, flags: ExtensionFlags())
        }
        #expect(none?.status == 409)
        #expect(none?.error.code == "RevisionNotFound")
        try await bench.report("Succeeded")
        try await bench.put(["step": "2"], more: ["configurationProtectedSettings": ["key": "two"]])
        try await bench.report("Succeeded")
        try await bench.put(["step": "3"])
        try await bench.report("Failed")
        // The third never worked: back to the second.
        let back = try await bench.service.rollback(id: bench.id, revision: nil, flags: ExtensionFlags())
        #expect(back.record.generation == 4)
        #expect(back.record.wish.settings == ["step": "2"])
        #expect(back.record.wish.protectedSettings == ["key": "two"])
        try await bench.report("Succeeded")
        #expect(try await bench.status(back.operation) == "Succeeded")
        let first = try await bench.service.rollback(id: bench.id, revision: 1, flags: ExtensionFlags())
        #expect(first.record.wish.settings == ["step": "1"])
        #expect(first.record.wish.protectedSettings == ["key": "one"])
        try await bench.report("Succeeded")
        // There already: nothing to do.
        let current = try #require(try await bench.record()?.revisions.last?.generation)
        let same = try await bench.service.rollback(id: bench.id, revision: current, flags: ExtensionFlags())
        #expect(same.operation == nil)
        let unknown = await #expect(throws: ARMError.self) {
            try await bench.service.rollback(id: bench.id, revision: 77, flags: ExtensionFlags())
        }
        #expect(unknown?.error.message.contains("77") == true)
    }

    @Test("Ten revisions are kept, each once")
    func limit() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        for step in 1...12 {
            try await bench.put(["step": .string(String(step))])
            try await bench.report("Succeeded")
            try await bench.report("Succeeded")
        }
        let revisions = try #require(try await bench.record()?.revisions)
        #expect(revisions.map(\.generation) == Array(3...12))
        #expect(!revisions.contains { $0.resource(isCurrent: false).text.contains("\"key\":\"one\"") })
    }

    @Test("An atomic update that fails goes back to the last revision and tells why")
    func atomicUpdate() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put(["step": "1"])
        try await bench.report("Succeeded")
        let update = try await bench.put(["step": "2"], flags: ExtensionFlags(isAtomic: true))
        #expect(try await bench.link().present().extensions.first?.isAtomic == true)
        try await bench.report("Failed", error: ErrorDetail(code: "E40005", message: "the router is not ready"))
        let ended = try await bench.operation(update.operation)
        #expect(ended["error"]?["code"] == "E40005")
        #expect(ended["error"]?["message"]?.stringValue?.contains("goes back to revision 1") == true)
        let wanted = try #require(try await bench.link().present().extensions.first)
        #expect(wanted.settings == ["step": "1"])
        #expect(wanted.generation == 3)
        #expect(!wanted.isAtomic)
        try await bench.report("Succeeded")
        let resource = try await bench.resource()
        #expect(resource["properties"]?["provisioningState"] == "Succeeded")
        let codes = resource["properties"]?["statuses"]?.arrayValue?.map { $0["code"] }
        #expect(codes == ["RolledBack"])
    }

    @Test("An atomic create that fails is removed")
    func atomicCreate() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let created = try await bench.put(flags: ExtensionFlags(isAtomic: true))
        try await bench.report("Failed")
        #expect(try await bench.status(created.operation) == "Failed")
        #expect(try await bench.state() == "Deleting")
        #expect(try await bench.report("Deleting", isGone: true).isDeleting)
        #expect(try await bench.record() == nil)
    }

    @Test("Without atomic a failure stays to be looked at")
    func notAtomic() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let created = try await bench.put()
        try await bench.report("Failed", error: ErrorDetail(code: "E40000", message: "x"))
        #expect(try await bench.status(created.operation) == "Failed")
        #expect(try await bench.state() == "Failed")
        #expect(try await bench.resource()["properties"]?["errorInfo"]?["code"] == "E40000")
        #expect(try await bench.link().present().extensions.first?.isDeleting == false)
    }

    @Test("A new version is taken up by what follows versions, and a rollback from it stays back")
    func upgrade() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put()
        bench.versions.withLock { $0 = Self.two }
        try await bench.upkeep()
        // Not in the middle of an installation.
        #expect(try await bench.record()?.generation == 1)
        try await bench.report("Succeeded")
        try await bench.upkeep()
        #expect(try await bench.state() == "Updating")
        let wanted = try await bench.report("Succeeded")
        #expect(wanted.targetVersion == "1.1.0")
        #expect(wanted.image == "image:1.1.0")
        try await bench.upkeep()
        #expect(try await bench.record()?.generation == 2)
        let back = try await bench.service.rollback(id: bench.id, revision: nil, flags: ExtensionFlags())
        #expect(back.record.wish.targetVersion == "1.0.0")
        #expect(back.record.wish.image == "image:1.0.0")
        let properties = try await bench.resource()["properties"]
        #expect(properties?["version"] == "1.0.0")
        #expect(properties?["autoUpgradeMinorVersion"] == false)
        try await bench.report("Succeeded")
        try await bench.upkeep()
        #expect(try await bench.record()?.generation == 3)
        // Following again lets go of the pin.
        let follows = try await bench.patch(["autoUpgradeMinorVersion": true])
        #expect(follows.record.wish.targetVersion == "1.1.0")
        #expect(follows.record.wish.version == nil)
    }

    @Test("A pinned version stays, whatever comes")
    func pinned() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        bench.versions.withLock { $0 = Self.two }
        try await bench.put(more: ["version": "1.0.0", "autoUpgradeMinorVersion": false])
        #expect(try await bench.report("Succeeded").targetVersion == "1.0.0")
        try await bench.upkeep()
        #expect(try await bench.record()?.generation == 1)
        let refused = await #expect(throws: ARMError.self) {
            try await bench.patch(["version": "1.1.0", "autoUpgradeMinorVersion": true])
        }
        #expect(refused?.error.code == "MutuallyExclusiveArgument")
        #expect(try await bench.patch(["version": "1.1.0"]).record.wish.targetVersion == "1.1.0")
    }
}
