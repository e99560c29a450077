import KubeCore
import Testing

@testable import KubeServer

/// CustomResourceDefinitions that kube-apiserver refuses.
@Suite(.timeLimit(.minutes(1))) struct DefinitionRulesTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var change: @Sendable (inout JSON) -> Void
        /// Field of a cause.
        var want: String
        var testDescription: String { name }
    }

    private static let root = ["versions"]
    private static let schema = "spec.versions[0].schema.openAPIV3Schema"

    private static func definition(_ change: (inout JSON) -> Void) -> KubeObject {
        var spec: JSON = [
            "group": "example.com", "scope": "Namespaced",
            "names": ["plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"],
        ]
        var version: JSON = [
            "name": "v1", "served": true, "storage": true,
            "schema": [
                "openAPIV3Schema": ["type": "object", "properties": ["spec": ["type": "object", "properties": [:]]]]
            ],
        ]
        var both: JSON = ["spec": spec, "version": version]
        change(&both)
        spec = both["spec"] ?? [:]
        version = both["version"] ?? [:]
        if spec["versions"] == nil { spec["versions"] = [version] }
        return KubeObject(.customResourceDefinitions, name: "things.example.com", body: ["spec": spec])
    }

    private static func property(_ json: JSON) -> @Sendable (inout JSON) -> Void {
        { $0[path: ["version", "schema", "openAPIV3Schema", "properties", "spec", "properties", "p"]] = json }
    }

    private static let place = "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[p]"

    static let cases: [Case] = [
        Case(
            name: "plural in capitals",
            change: { $0[path: ["spec", "names", "plural"]] = "Things" },
            want: "spec.names.plural"
        ),
        Case(
            name: "kind that is no label",
            change: { $0[path: ["spec", "names", "kind"]] = "My_Thing" },
            want: "spec.names.kind"
        ),
        Case(
            name: "equal kind and list kind",
            change: { $0[path: ["spec", "names", "listKind"]] = "Thing" },
            want: "spec.names.listKind"
        ),
        Case(name: "group without a dot", change: { $0[path: ["spec", "group"]] = "example" }, want: "spec.group"),
        Case(
            name: "preserveUnknownFields",
            change: { $0[path: ["spec", "preserveUnknownFields"]] = true },
            want: "spec.preserveUnknownFields"
        ),
        Case(
            name: "version that is no label",
            change: { $0[path: ["version", "name"]] = "v1.0" },
            want: "spec.versions[0].name"
        ),
        Case(
            name: "two versions of one name",
            change: { both in
                var second = both["version"] ?? [:]
                second["storage"] = false
                both[path: ["spec", "versions"]] = [both["version"] ?? [:], second]
            },
            want: "spec.versions"
        ),
        Case(
            name: "root that is no object",
            change: { $0[path: ["version", "schema", "openAPIV3Schema", "type"]] = "array" },
            want: schema + ".type"
        ),
        Case(name: "no type", change: property(["description": "x"]), want: place + ".type"),
        Case(name: "list without items", change: property(["type": "array"]), want: place + ".items"),
        Case(
            name: "both properties and additionalProperties",
            change: property([
                "type": "object", "properties": ["a": ["type": "string"]], "additionalProperties": ["type": "string"],
            ]),
            want: place + ".additionalProperties"
        ),
        Case(
            name: "map list without keys",
            change: property([
                "type": "array", "x-kubernetes-list-type": "map",
                "items": ["type": "object", "properties": ["k": ["type": "string"]]],
            ]),
            want: place + ".x-kubernetes-list-map-keys"
        ),
        Case(
            name: "default of another type",
            change: property(["type": "integer", "default": "x"]),
            want: place + ".default"
        ),
        Case(
            name: "pattern that does not compile",
            change: property(["type": "string", "pattern": "("]),
            want: place + ".pattern"
        ),
        Case(
            name: "column of an unknown type",
            change: {
                $0[path: ["version", "additionalPrinterColumns"]] = [["name": "A", "type": "text", "jsonPath": ".a"]]
            },
            want: "spec.versions[0].additionalPrinterColumns[0].type"
        ),
        Case(
            name: "scale path outside of spec",
            change: {
                $0[path: ["version", "subresources"]] = [
                    "scale": ["specReplicasPath": ".status.n", "statusReplicasPath": ".status.n"]
                ]
            },
            want: "spec.versions[0].subresources.scale.specReplicasPath"
        ),
        Case(
            name: "webhook conversion without a webhook",
            change: { $0[path: ["spec", "conversion"]] = ["strategy": "Webhook"] },
            want: "spec.conversion.webhookClientConfig"
        ),
        Case(
            name: "rule that does not compile",
            change: property(["type": "string", "x-kubernetes-validations": [["rule": "self ="]]]),
            want: place + ".x-kubernetes-validations[0].rule"
        ),
    ]

    @Test(arguments: cases) func `A definition that upstream refuses is refused`(_ given: Case) async throws {
        let api = try await RegistryFixture().registry
        let object = Self.definition(given.change)
        let error = await failure { try await api.create(.customResourceDefinitions, object) }
        #expect(error?.code == 422, "\(error?.message ?? "accepted")")
        let fields = error?.causes.map(\.field) ?? []
        #expect(fields.contains(given.want), "\(given.want) in \(error?.causes ?? [])")
    }

    @Test func `The plain definition is accepted`() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.customResourceDefinitions, Self.definition { _ in })
    }
}
