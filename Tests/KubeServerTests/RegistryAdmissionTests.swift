import KubeCore
import KubeStore
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1)))
struct RegistryAdmissionTests {
    private struct Hook: AdmissionHook {
        func mutate(
            _ request: AdmissionRequest,
            normalize: @Sendable (KubeObject) throws -> KubeObject,
            repeatBuiltIn: @Sendable (KubeObject) async throws -> KubeObject
        ) async throws -> KubeObject? {
            guard var object = request.object, request.type == .configMaps else { return nil }
            object.labels["seen"] = request.operation.rawValue.lowercased()
            return object
        }

        func validate(_ request: AdmissionRequest) async throws {
            guard request.name == "forbidden" || request.oldObject?.annotations["keep"] != nil else { return }
            throw APIError(code: 400, reason: .unknown, message: "denied \(request.operation.rawValue)")
        }
    }

    @Test("A hook changes and refuses writes of every kind")
    func hook() async throws {
        let api = try await RegistryFixture().registry
        api.setAdmissionHook(Hook())
        #expect(try await api.create(.configMaps, map("one")).labels == ["seen": "create"])
        #expect(try await api.update(.configMaps, map("one", value: "2")).labels == ["seen": "update"])
        let refused = await failure { try await api.create(.configMaps, map("forbidden")) }
        #expect(refused?.message == "denied CREATE")
        let kept = KubeObject(.secrets, namespace: "default", name: "kept", annotations: ["keep": "yes"])
        try await api.create(.secrets, kept)
        let deletion = await failure {
            try await api.delete(.secrets, namespace: "default", name: "kept", options: DeleteOptions())
        }
        #expect(deletion?.message == "denied DELETE")
    }

    @Test("A node registers with its status")
    func nodes() async throws {
        let api = try await RegistryFixture().registry
        let node = KubeObject(.nodes, name: "n1", body: ["status": ["capacity": ["cpu": "4"]]])
        let made = try await api.create(.nodes, node)
        #expect(made["status", "capacity", "cpu"] == "4")
        #expect(made["status", "allocatable", "cpu"] == "4")
    }

    @Test("A pod waits a moment for the account of a new namespace, then is refused")
    func lateAccount() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.namespaces, KubeObject(.namespaces, name: "team"))
        var object = pod("one")
        object.namespace = "team"
        let given = object
        async let waiting = api.create(.pods, given)
        try await api.create(.serviceAccounts, KubeObject(.serviceAccounts, namespace: "team", name: "default"))
        #expect(try await waiting["spec", "serviceAccountName"] == "default")
        var other = pod("two")
        other["spec", "serviceAccountName"] = "nobody"
        let unknown = other
        let refused = await failure { try await api.create(.pods, unknown) }
        #expect(refused?.code == 403)
        #expect(refused?.message.contains("serviceaccount \"nobody\" not found") == true)
    }

    @Test("Events go after an hour; the rest stays")
    func eventExpiry() async throws {
        let fixture = try await RegistryFixture()
        let api = fixture.registry
        func event(_ name: String) -> KubeObject {
            KubeObject(
                .events,
                namespace: "default",
                name: name,
                body: ["involvedObject": ["kind": "Pod", "name": "p", "namespace": "default"], "reason": "Test"]
            )
        }
        try await api.create(.events, event("old"))
        fixture.clock.advance(3000)
        try await api.create(.events, event("new"))
        fixture.clock.advance(1000)
        await api.expireEvents()
        #expect(try await api.list(.events).items.map(\.name) == ["new"])
    }

    @Test("A pod that tolerates a lost node keeps its own word")
    func tolerations() async throws {
        let api = try await RegistryFixture().registry
        var object = pod("one")
        object["spec", "tolerations"] = [["operator": "Exists"]]
        let made = try await api.create(.pods, object)
        #expect(made["spec", "tolerations"]?.arrayValue?.count == 1)
        var none = pod("two")
        none["spec", "automountServiceAccountToken"] = false
        #expect(try await api.create(.pods, none)["spec", "volumes"] == nil)
    }

    @Test("Patches of a bound pod's status need no version and touch nothing else")
    func podStatus() async throws {
        let api = try await RegistryFixture().registry
        let made = try await api.create(.pods, pod("one", node: "n1"))
        let key = ObjectKey(namespace: "default", name: "one")
        let running = try await api.patch(
            .pods,
            key,
            subresource: "status",
            .strategic(["status": ["phase": "Running", "conditions": [["type": "Ready", "status": "True"]]]])
        )
        #expect(running["status", "phase"] == "Running")
        #expect(running.generation == made.generation)
        #expect(running["spec"] == made["spec"])
        let both = try await api.patch(
            .pods,
            key,
            subresource: "status",
            .strategic(["status": ["conditions": [["type": "Initialized", "status": "True"]]]])
        )
        #expect(both["status", "conditions"]?.arrayValue?.count == 2)
    }
}
