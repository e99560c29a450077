import KubeCore
import KubeStore
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1)))
struct RegistryDefinitionTests {
    static let widgets = ResourceType(group: "example.com", version: "v1", plural: "widgets", kind: "Widget")
    static let newer = ResourceType(group: "example.com", version: "v2", plural: "widgets", kind: "Widget")

    static func definition(_ plural: String = "widgets", kind: String = "Widget") -> KubeObject {
        let schema: JSON = [
            "type": "object",
            "properties": [
                "spec": [
                    "type": "object", "required": ["size"],
                    "properties": [
                        "size": ["type": "integer", "minimum": 1], "color": ["type": "string", "default": "red"],
                        "replicas": ["type": "integer"],
                    ],
                ],
                "status": ["type": "object", "properties": ["replicas": ["type": "integer"]]],
            ],
        ]
        func version(_ name: String, _ isStored: Bool) -> JSON {
            [
                "name": .string(name), "served": true, "storage": JSON(isStored), "schema": ["openAPIV3Schema": schema],
                "subresources": [
                    "status": [:],
                    "scale": ["specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"],
                ],
            ]
        }
        return KubeObject(
            .customResourceDefinitions,
            name: plural + ".example.com",
            body: [
                "spec": [
                    "group": "example.com", "scope": "Namespaced",
                    "names": ["plural": .string(plural), "kind": .string(kind), "shortNames": [.string("w" + plural)]],
                    "versions": [version("v1", false), version("v2", true)],
                ]
            ]
        )
    }

    static func widget(_ name: String, size: Int = 1) -> KubeObject {
        KubeObject(widgets, namespace: "default", name: name, body: ["spec": ["size": JSON(size)]])
    }

    @Test("A definition's kind is served at once, defaulted, validated and pruned")
    func serving() async throws {
        let api = try await RegistryFixture().registry
        let revision = api.kindsRevision
        let made = try await api.create(.customResourceDefinitions, Self.definition())
        #expect(made.isConditionTrue("Established"))
        #expect(made.isConditionTrue("NamesAccepted"))
        #expect(made["status", "storedVersions"] == ["v2"])
        #expect(api.kindsRevision > revision)
        var object = Self.widget("one")
        object["spec", "unknown"] = 1
        let widget = try await api.create(Self.widgets, object)
        #expect(widget["spec", "color"] == "red")
        #expect(widget["spec", "unknown"] == nil)
        #expect(widget.generation == 1)
        let wrong = await failure { try await api.create(Self.widgets, Self.widget("two", size: 0)) }
        #expect(wrong?.code == 422)
        #expect(wrong?.causes.first?.field == "spec.size")
    }

    @Test("Versions differ by apiVersion only, in objects, bytes and watches")
    func versions() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.customResourceDefinitions, Self.definition())
        let made = try await api.create(Self.widgets, Self.widget("one"))
        #expect(made.apiVersion == "example.com/v1")
        let other = try await api.get(Self.newer, namespace: "default", name: "one")
        #expect(other.apiVersion == "example.com/v2")
        #expect(other.resourceVersion == made.resourceVersion)
        let bytes = try await api.listBytes(Self.widgets, namespace: nil, options: ListOptions()).bytes
        #expect(try JSON(parsing: bytes)["items"]?[0] == made.json)
        let stream = try await api.watch(Self.newer, namespace: nil, options: WatchOptions())
        var iterator = stream.makeAsyncIterator()
        #expect(try await iterator.next() == .added(other))
    }

    @Test("Status and scale are apart")
    func subresources() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.customResourceDefinitions, Self.definition())
        var made = try await api.create(Self.widgets, Self.widget("one"))
        made["status"] = ["replicas": 3]
        made["spec", "size"] = 9
        let reported = try await api.updateStatus(Self.widgets, made)
        #expect(reported["status", "replicas"] == 3)
        #expect(reported["spec", "size"] == 1)
        #expect(reported.generation == 1)
        let scale = try await api.patch(
            Self.widgets,
            ObjectKey(namespace: "default", name: "one"),
            subresource: "scale",
            .merge(["spec": ["replicas": 5]])
        )
        #expect(scale["status", "replicas"] == 3)
        #expect(try await api.get(Self.widgets, namespace: "default", name: "one")["spec", "replicas"] == 5)
    }

    @Test("Strategic patches of custom resources are 415")
    func strategic() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.customResourceDefinitions, Self.definition())
        try await api.create(Self.widgets, Self.widget("one"))
        let refused = await failure {
            try await api.patch(
                Self.widgets,
                ObjectKey(namespace: "default", name: "one"),
                .strategic(["spec": ["size": 2]])
            )
        }
        #expect(refused?.code == 415)
    }

    @Test("Names that another kind has are not accepted")
    func nameConflict() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.customResourceDefinitions, Self.definition())
        let second = try await api.create(.customResourceDefinitions, Self.definition("gadgets"))
        #expect(second.condition("NamesAccepted")?["reason"] == "ListKindConflict")
        #expect(!second.isConditionTrue("Established"))
        #expect(api.kind(group: "example.com", version: "v1", plural: "gadgets") == nil)
    }

    @Test("A definition that is not usable is refused with its errors")
    func refusal() async throws {
        let api = try await RegistryFixture().registry
        var wrong = Self.definition()
        wrong.name = "other"
        wrong["spec", "scope"] = "Everywhere"
        let given = wrong
        let error = await failure { try await api.create(.customResourceDefinitions, given) }
        #expect(Set(error?.causes.map(\.field) ?? []) == ["metadata.name", "spec.scope"])
    }

    @Test("Deleting a definition deletes its objects, and waits for those that are held")
    func deletion() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.customResourceDefinitions, Self.definition())
        try await api.create(Self.widgets, Self.widget("free"))
        var held = Self.widget("held")
        held.finalizers = ["example.com/hold"]
        try await api.create(Self.widgets, held)
        try await api.delete(
            .customResourceDefinitions,
            namespace: nil,
            name: "widgets.example.com",
            options: DeleteOptions()
        )
        #expect(try await api.list(Self.widgets).items.map(\.name) == ["held"])
        #expect(await failure { try await api.create(Self.widgets, Self.widget("late")) }?.code == 405)
        try await api.patch(
            Self.widgets,
            ObjectKey(namespace: "default", name: "held"),
            .merge(["metadata": ["finalizers": .null]])
        )
        await api.cleanUp(definition: "widgets.example.com")
        #expect(try await api.find(.customResourceDefinitions, name: "widgets.example.com") == nil)
        #expect(api.kind(group: "example.com", version: "v1", plural: "widgets") == nil)
    }

    @Test("Kinds of stored definitions are served after a restart")
    func restart() async throws {
        let first = try await RegistryFixture()
        try await first.registry.create(.customResourceDefinitions, Self.definition())
        let made = try await first.registry.create(Self.widgets, Self.widget("one"))
        let again = try await RegistryFixture(store: first.store)
        #expect(try await again.registry.get(Self.widgets, namespace: "default", name: "one") == made)
    }
}
