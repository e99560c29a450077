import ControlPlaneAPI
import KubeCore
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct ExtensionLifecycleTests {
    @Test("An extension is Creating until its agent has reported success for its generation")
    func create() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let created = try await bench.put()
        #expect(created.isNew)
        #expect(try await bench.state() == "Creating")
        #expect(try await bench.status(created.operation) == "InProgress")
        let wanted = try await bench.report("Creating")
        #expect(wanted.generation == 1)
        #expect(wanted.targetVersion == "1.0.0")
        #expect(wanted.image == "image:1.0.0")
        #expect(try await bench.status(created.operation) == "InProgress")
        try await bench.report("Succeeded")
        #expect(try await bench.state() == "Succeeded")
        #expect(try await bench.status(created.operation) == "Succeeded")
        #expect(try await bench.resource()["properties"]?["currentVersion"] == "1.0.0")
    }

    @Test("A PUT that equals what is there changes nothing, unless the extension had failed")
    func repeated() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let first = try await bench.put()
        let meanwhile = try await bench.put()
        #expect(!meanwhile.isNew)
        #expect(meanwhile.operation == first.operation)
        try await bench.report("Succeeded")
        let same = try await bench.put()
        #expect(same.operation == nil)
        #expect(same.record.state == "Succeeded")
        #expect(same.record.generation == 1)
        try await bench.report("Failed")
        let again = try await bench.put()
        #expect(again.record.generation == 2)
        #expect(again.record.state == "Updating")
        #expect(try await bench.status(again.operation) == "InProgress")
    }

    @Test("Of two creates at once the later wins, and the earlier operation says so")
    func concurrent() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let first = try await bench.put()
        let early = try #require(try await bench.link().present().extensions.first)
        let second = try await bench.put(["enableTraining": "True", "enableInference": "True"])
        #expect(!second.isNew)
        let ended = try await bench.operation(first.operation)
        #expect(ended["status"] == "Canceled")
        #expect(ended["error"]?["code"] == "OperationPreempted")
        #expect(ended["error"]?["message"]?.stringValue?.contains(second.operation ?? "?") == true)
        // A report about the first says nothing about the second.
        try await bench.send(early, "Succeeded")
        #expect(try await bench.state() == "Creating")
        try await bench.report("Succeeded")
        #expect(try await bench.status(second.operation) == "Succeeded")
        #expect(try await bench.status(first.operation) == "Canceled")
    }

    @Test("If-None-Match: * refuses an extension that exists")
    func precondition() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let flags = ExtensionFlags(mustBeNew: true)
        #expect(try await bench.put(flags: flags).isNew)
        let refused = await #expect(throws: ARMError.self) { try await bench.put(flags: flags) }
        #expect(refused?.status == 412)
    }

    @Test("A cluster takes one extension, whichever name or resource type it is asked under")
    func oneOnly() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put()
        for (name, type) in [("other", "connectedClusters"), ("ext", "managedClusters")] {
            let refused = await #expect(throws: ARMError.self) { try await bench.put(name: name, type: type) }
            #expect(refused?.status == 409)
            #expect(refused?.error.code == "ExtensionAlreadyExists")
            #expect(refused?.error.message.contains("'ext'") == true)
        }
        // Another cluster is another matter.
        #expect(try await bench.put(name: "other", cluster: "edge").isNew)
    }

    @Test("A protected setting that is not named is kept, and no value of one is ever answered")
    func protectedSettings() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put(more: ["configurationProtectedSettings": ["a": "one", "b": "two", "c": "three"]])
        try await bench.report("Succeeded")
        func secrets() async throws -> [String: String]? {
            try await bench.link().present().extensions.first?.protectedSettings
        }
        // What was read may be sent back: values are empty there.
        let shown = try await bench.resource()["properties"]?["configurationProtectedSettings"]
        #expect(shown == ["a": "", "b": "", "c": ""])
        let same = try await bench.put(more: ["configurationProtectedSettings": shown ?? .null])
        #expect(same.operation == nil)
        try await bench.put(["enableInference": "True"], more: ["configurationProtectedSettings": ["a": .null]])
        #expect(try await secrets() == ["b": "two", "c": "three"])
        try await bench.patch(["configurationProtectedSettings": ["b": "", "d": "four"]])
        #expect(try await secrets() == ["c": "three", "d": "four"])
        try await bench.patch(["configurationSettings": ["enableTraining": "True"]])
        #expect(try await secrets() == ["c": "three", "d": "four"])
        let text = try await bench.resource().text
        for secret in ["one", "two", "three", "four"] { #expect(!text.contains("\"\(secret)\"")) }
    }

    @Test("PATCH merges settings by key, and does nothing when nothing changes")
    func patch() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let missing = await #expect(throws: ARMError.self) { try await bench.patch(["configurationSettings": [:]]) }
        #expect(missing?.status == 404)
        #expect(missing?.error.code == "ExtensionNotFound")
        try await bench.put(["enableTraining": "True", "old": "x"], flags: ExtensionFlags(allowsUnknown: true))
        try await bench.report("Succeeded")
        #expect(try await bench.patch(["configurationSettings": ["enableTraining": "True"]]).operation == nil)
        let changed = try await bench.patch(["configurationSettings": ["old": .null, "enableInference": "True"]])
        #expect(changed.operation != nil)
        #expect(changed.record.state == "Updating")
        let wanted = try #require(try await bench.link().present().extensions.first)
        #expect(wanted.settings == ["enableTraining": "True", "enableInference": "True"])
        #expect(wanted.generation == 2)
        // What was allowed once need not be allowed again to change something else.
        #expect(wanted.allowsUnknownSettings)
    }

    @Test("Wrong settings are refused with all of their problems, and nothing is stored")
    func wrongSettings() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let several = await #expect(throws: ARMError.self) { try await bench.put(["a": 1, "b": true, "c": ["x"]]) }
        #expect(several?.status == 400)
        #expect(several?.error.details?.count == 3)
        let validated = await #expect(throws: ARMError.self) { try await bench.put(["enableTraining": "maybe"]) }
        #expect(validated?.error.code == "InvalidArgumentValue")
        #expect(try await bench.record() == nil)
    }

    struct Refusal: CustomTestStringConvertible {
        var testDescription: String
        var more: [String: JSON] = [:]
        var body: [String: JSON] = [:]
        var name = "ext"
        var wantTarget: String
    }

    static let refusals: [Refusal] = [
        .init(
            testDescription: "type",
            more: ["extensionType": "Microsoft.Flux"],
            wantTarget: "properties.extensionType"
        ),
        .init(testDescription: "no type", more: ["extensionType": .null], wantTarget: "properties.extensionType"),
        .init(
            testDescription: "scope",
            more: ["scope": ["namespace": ["targetNamespace": "x"]]],
            wantTarget: "properties.scope"
        ),
        .init(testDescription: "train", more: ["releaseTrain": "Nightly"], wantTarget: "properties.releaseTrain"),
        .init(
            testDescription: "version",
            more: ["version": "9.9.9", "autoUpgradeMinorVersion": false],
            wantTarget: "properties.version"
        ),
        .init(testDescription: "version and upgrade", more: ["version": "1.0.0"], wantTarget: "properties.version"),
        .init(
            testDescription: "flag",
            more: ["autoUpgradeMinorVersion": "yes"],
            wantTarget: "properties.autoUpgradeMinorVersion"
        ),
        .init(testDescription: "mode", more: ["autoUpgradeMode": "all"], wantTarget: "properties.autoUpgradeMode"),
        .init(
            testDescription: "mode and flag",
            more: ["autoUpgradeMode": "none", "autoUpgradeMinorVersion": true],
            wantTarget: "properties.autoUpgradeMode"
        ),
        .init(testDescription: "identity", body: ["identity": ["type": "UserAssigned"]], wantTarget: "identity.type"),
        .init(testDescription: "plan", body: ["plan": ["name": "x", "product": "y"]], wantTarget: "plan.publisher"),
        .init(
            testDescription: "settings",
            more: ["configurationSettings": []],
            wantTarget: "properties.configurationSettings"
        ),
        .init(testDescription: "capital letters", name: "Ext", wantTarget: "name"),
        .init(testDescription: "long name", name: String(repeating: "a", count: 54), wantTarget: "name"),
        .init(testDescription: "ends in a dash", name: "ext-", wantTarget: "name"),
    ]

    @Test("What no extension can be is refused with the member at fault", arguments: refusals)
    func refused(_ refusal: Refusal) async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let error = await #expect(throws: ARMError.self) {
            try await bench.put(name: refusal.name, more: refusal.more, body: refusal.body)
        }
        #expect(error?.status == 400)
        #expect(error?.error.target == refusal.wantTarget)
    }

    @Test("The answer has every member of both api-versions")
    func shape() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let plan: JSON = ["name": "p", "publisher": "q", "product": "r"]
        let connected = try await bench.put(body: ["identity": ["type": "SystemAssigned"], "plan": plan])
        let resource = ExtensionAnswer.resource(connected.record, tenant: "tenant")
        #expect(resource["identity"]?["principalId"]?.stringValue?.count == 36)
        #expect(resource["identity"]?["tenantId"] == "tenant")
        #expect(resource["plan"] == plan)
        #expect(resource["systemData"]?["createdAt"] != nil)
        #expect(resource["type"] == "Microsoft.KubernetesConfiguration/extensions")
        let members: Set<String> = [
            "extensionType", "autoUpgradeMinorVersion", "autoUpgradeMode", "releaseTrain", "version", "scope",
            "configurationSettings", "configurationProtectedSettings", "currentVersion", "provisioningState",
            "statuses",
            "errorInfo", "customLocationSettings", "packageUri", "aksAssignedIdentity", "isSystemExtension",
            "managementDetails", "additionalDetails", "extensionState", "installedVersion",
        ]
        #expect(Set(resource["properties"]?.objectValue?.keys.map { $0 } ?? []) == members)
        #expect(resource["properties"]?["scope"] == ["cluster": ["releaseNamespace": "azureml"]])
        _ = try await bench.delete()
        try await bench.report("Deleting", isGone: true)
        let managed = try await bench.put(type: "managedClusters")
        let other = ExtensionAnswer.resource(managed.record, tenant: "tenant")
        #expect(other["identity"]?.isNull == true)
        #expect(other["properties"]?["aksAssignedIdentity"]?["type"] == "SystemAssigned")
        #expect(other["properties"]?["aksAssignedIdentity"]?["principalId"]?.stringValue?.count == 36)
    }

    @Test("A change for an agent that is offline fails after 48 hours, and still reaches it afterwards")
    func offline() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let created = try await bench.put()
        bench.advance(48 * 3600 - 1)
        try await bench.upkeep()
        #expect(try await bench.status(created.operation) == "InProgress")
        bench.advance(1)
        try await bench.upkeep()
        let ended = try await bench.operation(created.operation)
        #expect(ended["status"] == "Failed")
        #expect(ended["error"]?["code"] == "ExtensionOperationTimedOut")
        #expect(ended["error"]?["message"]?.stringValue?.contains("never been heard of") == true)
        #expect(try await bench.state() == "Failed")
        // The agent comes back.
        try await bench.report("Succeeded")
        #expect(try await bench.state() == "Succeeded")
        #expect(try await bench.resource()["properties"]?["errorInfo"]?.isNull == true)
        #expect(try await bench.status(created.operation) == "Failed")
    }

    @Test("What was ready and is mended by its agent long afterwards has no deadline")
    func mended() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put()
        try await bench.report("Succeeded")
        bench.advance(100 * 3600)
        try await bench.report("Updating")
        try await bench.upkeep()
        #expect(try await bench.state() == "Updating")
        try await bench.report("Succeeded")
        #expect(try await bench.state() == "Succeeded")
    }

    @Test("While a change waits for an agent that is silent, the answer says so")
    func silent() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        try await bench.put()
        func codes() async throws -> [JSON?] {
            let (id, core) = (bench.id, bench.core)
            let resource = try await core.store.read { t in
                try ExtensionAnswer.resource(t, try ExtensionRecord.require(t, id), tenant: "", now: core.now)
            }
            return resource["properties"]?["statuses"]?.arrayValue?.map { $0["code"] } ?? []
        }
        #expect(try await codes() == ["AgentOffline"])
        try await bench.heartbeat()
        #expect(try await codes() == [])
        bench.advance(3600)
        #expect(try await codes() == ["AgentOffline"])
        try await bench.report("Succeeded")
        #expect(try await codes() == [])
    }

    @Test("Whatever is done between two starts of the control plane, it ends where it should")
    func restarts() async throws {
        let bench = try await ExtensionBench()
        defer { bench.remove() }
        let created = try await bench.put()
        try await bench.restart()
        try await bench.report("Creating")
        try await bench.restart()
        #expect(try await bench.put().operation == created.operation)
        try await bench.restart()
        try await bench.report("Succeeded")
        try await bench.restart()
        #expect(try await bench.status(created.operation) == "Succeeded")
        let updated = try await bench.patch(["configurationSettings": ["enableInference": "True"]])
        try await bench.restart()
        #expect(try await bench.report("Updating").generation == 2)
        try await bench.restart()
        try await bench.report("Succeeded")
        #expect(try await bench.status(updated.operation) == "Succeeded")
        guard case .started(let deletion) = try await bench.delete() else { throw TestProblem(text: "not started") }
        try await bench.restart()
        guard case .started(deletion) = try await bench.delete() else { throw TestProblem(text: "started twice") }
        try await bench.report("Deleting")
        try await bench.restart()
        #expect(try await bench.report("Deleting", isGone: true).isDeleting)
        try await bench.restart()
        #expect(try await bench.record() == nil)
        #expect(try await bench.status(deletion) == "Succeeded")
        #expect(try await bench.link().present() == AgentWork())
    }
}
