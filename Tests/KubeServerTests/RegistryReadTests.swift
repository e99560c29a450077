import KubeCore
import KubeStore
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1)))
struct RegistryReadTests {
    private func page(_ list: KubeList) -> String { list.items.map(\.name).joined(separator: ",") }

    @Test("Pages of a list show one snapshot")
    func pages() async throws {
        let api = try await RegistryFixture().registry
        for name in ["a", "b", "c", "d", "e"] { try await api.create(.configMaps, map(name)) }
        let first = try await api.list(.configMaps, namespace: "default", options: ListOptions(limit: 2))
        #expect(page(first) == "a,b")
        #expect(first.remainingItemCount == 3)
        try await api.delete(.configMaps, namespace: "default", name: "c", options: DeleteOptions())
        try await api.create(.configMaps, map("bb"))
        let second = try await api.list(
            .configMaps,
            namespace: "default",
            options: ListOptions(limit: 2, continueToken: first.continueToken)
        )
        #expect(page(second) == "c,d")
        #expect(second.resourceVersion == first.resourceVersion)
        let third = try await api.list(
            .configMaps,
            namespace: "default",
            options: ListOptions(limit: 2, continueToken: second.continueToken)
        )
        #expect(page(third) == "e")
        #expect(third.continueToken == nil)
    }

    @Test("Selectors choose by labels and fields; unknown fields are refused")
    func selectors() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.pods, pod("one", node: "n1", labels: ["app": "a"]))
        try await api.create(.pods, pod("two", labels: ["app": "b"]))
        func list(_ options: ListOptions) async throws -> String {
            page(try await api.list(.pods, namespace: "default", options: options))
        }
        #expect(try await list(ListOptions(labelSelector: "app in (a,c)")) == "one")
        #expect(try await list(ListOptions(fieldSelector: "spec.nodeName=n1")) == "one")
        #expect(try await list(ListOptions(fieldSelector: "spec.nodeName=")) == "two")
        #expect(try await list(ListOptions(fieldSelector: "status.phase!=Pending")).isEmpty)
        #expect(try await list(ListOptions(fieldSelector: "metadata.name=two")) == "two")
        let pods = await failure { _ = try await list(ListOptions(fieldSelector: "spec.foo=1")) }
        #expect(pods?.message == "field label not supported: spec.foo")
        let maps = await failure {
            _ = try await api.list(.configMaps, namespace: nil, options: ListOptions(fieldSelector: "data.key=1"))
        }
        #expect(
            maps?.message
                == "\"data.key\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        )
    }

    @Test("Exact shows the past, the future is a timeout, nonsense is refused")
    func versions() async throws {
        let api = try await RegistryFixture().registry
        let one = try await api.create(.configMaps, map("one"))
        try await api.create(.configMaps, map("two"))
        let exact = try await api.list(
            .configMaps,
            namespace: "default",
            options: ListOptions(resourceVersion: one.resourceVersion, resourceVersionMatch: "Exact")
        )
        #expect(page(exact) == "one")
        let newer = try await api.list(
            .configMaps,
            namespace: "default",
            options: ListOptions(resourceVersion: one.resourceVersion)
        )
        #expect(page(newer) == "one,two")
        let nonsense = await failure {
            _ = try await api.list(.configMaps, namespace: nil, options: ListOptions(resourceVersion: "x"))
        }
        #expect(nonsense?.code == 400)
        let match = await failure {
            _ = try await api.list(.configMaps, namespace: nil, options: ListOptions(resourceVersionMatch: "Exact"))
        }
        #expect(match?.code == 422)
        let gone = await failure {
            _ = try await api.list(
                .configMaps,
                namespace: nil,
                options: ListOptions(resourceVersion: "0", resourceVersionMatch: "Exact")
            )
        }
        #expect(gone?.code == 422)
        let future = await failure {
            _ = try await api.list(.configMaps, namespace: nil, options: ListOptions(resourceVersion: "100000"))
        }
        #expect(future?.code == 504)
        #expect(future?.causes.first?.reason == "ResourceVersionTooLarge")
    }

    @Test("List bytes are the list")
    func listBytes() async throws {
        let api = try await RegistryFixture().registry
        for name in ["a", "b"] { try await api.create(.configMaps, map(name)) }
        let bytes = try await api.listBytes(.configMaps, namespace: "default", options: ListOptions(limit: 1))
        let json = try JSON(parsing: bytes.bytes)
        #expect(json["kind"] == "ConfigMapList")
        #expect(json["items"]?.arrayValue?.count == 1)
        #expect(json[path: "metadata", "continue"]?.stringValue == bytes.continueToken)
        #expect(json[path: "metadata", "remainingItemCount"] == 1)
    }

    @Test("Events are one collection in both of their groups")
    func events() async throws {
        let api = try await RegistryFixture().registry
        let type = ResourceType(group: "events.k8s.io", version: "v1", plural: "events", kind: "Event")
        let event = KubeObject(
            type,
            namespace: "default",
            name: "e",
            body: [
                "regarding": ["kind": "Pod", "name": "p"], "note": "hello", "reason": "Test", "type": "Normal",
                "eventTime": "2023-11-14T22:13:20.000000Z", "reportingController": "c", "reportingInstance": "i",
                "action": "Do",
            ]
        )
        try await api.create(type, event)
        let core = try await api.get(.events, namespace: "default", name: "e")
        #expect(core["message"] == "hello")
        #expect(core["involvedObject", "name"] == "p")
        let selected = try await api.list(
            .events,
            namespace: "default",
            options: ListOptions(fieldSelector: "involvedObject.name=p")
        )
        #expect(selected.items.count == 1)
        let back = try await api.get(type, namespace: "default", name: "e")
        #expect(back["note"] == "hello")
        #expect(back.apiVersion == "events.k8s.io/v1")
    }
}
