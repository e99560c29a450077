import KubeCore
import Testing

@testable import KubeServer

struct SchemaCustomTests {
    private func compile(_ spec: JSON) throws -> Schema {
        try Schema.compile(openAPI: ["type": "object", "properties": ["spec": spec]])
    }

    private func errors(_ spec: JSON, _ value: JSON) throws -> [String] {
        try compile(spec).validate(["apiVersion": "a/v1", "kind": "A", "spec": value]).map {
            "\($0.reason.rawValue) \($0.description)"
        }
    }

    struct Case: CustomTestStringConvertible {
        var schema: JSON
        var value: JSON
        var want: [String]
        var testDescription: String { schema.text + " of " + value.text }
    }

    static let cases: [Case] = [
        Case(schema: ["type": "integer"], value: 3, want: []),
        Case(
            schema: ["type": "integer"],
            value: "3",
            want: [
                #"FieldValueTypeInvalid spec: Invalid value: "string": spec in body must be of type integer: "string""#
            ]
        ),
        Case(
            schema: ["type": "object", "required": ["a"], "properties": ["a": ["type": "string"]]],
            value: [:],
            want: ["FieldValueRequired spec.a: Required value"]
        ),
        Case(
            schema: ["type": "string", "enum": ["x", "y"]],
            value: "z",
            want: [#"FieldValueNotSupported spec: Unsupported value: "z": supported values: "x", "y""#]
        ),
        Case(
            schema: ["type": "string", "pattern": "^a+$"],
            value: "b",
            want: [#"FieldValueInvalid spec: Invalid value: "b": spec in body should match '^a+$'"#]
        ),
        Case(
            schema: ["type": "integer", "minimum": 1, "maximum": 5],
            value: 0,
            want: ["FieldValueInvalid spec: Invalid value: 0: spec in body should be greater than or equal to 1"]
        ),
        Case(
            schema: ["type": "integer", "maximum": 5, "exclusiveMaximum": true],
            value: 5,
            want: ["FieldValueInvalid spec: Invalid value: 5: spec in body should be less than 5"]
        ),
        Case(
            schema: ["type": "string", "maxLength": 2],
            value: "abc",
            want: ["FieldValueTooLong spec: Too long: may not be more than 2 bytes"]
        ),
        Case(
            schema: ["type": "array", "items": ["type": "string"], "maxItems": 1],
            value: ["a", "b"],
            want: ["FieldValueTooMany spec: Too many: 2: must have at most 1 items"]
        ),
        Case(
            schema: ["type": "array", "x-kubernetes-list-type": "set", "items": ["type": "string"]],
            value: ["a", "b", "a"],
            want: [#"FieldValueDuplicate spec[2]: Duplicate value: "a""#]
        ),
        Case(
            schema: [
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": ["type": "object", "required": ["k"], "properties": ["k": ["type": "string"]]],
            ],
            value: [["k": "a"], ["k": "a"]],
            want: [#"FieldValueDuplicate spec[1]: Duplicate value: {"k":"a"}"#]
        ),
        Case(
            schema: ["type": "string", "format": "date-time"],
            value: "yesterday",
            want: [
                #"FieldValueTypeInvalid spec: Invalid value: "yesterday": spec in body must be of type date-time: "yesterday""#
            ]
        ),
        Case(schema: ["x-kubernetes-int-or-string": true], value: "50%", want: []),
        Case(
            schema: ["x-kubernetes-int-or-string": true],
            value: [:],
            want: [
                #"FieldValueTypeInvalid spec: Invalid value: "object": spec in body must be of type integer,string: "object""#
            ]
        ),
        Case(
            schema: [
                "type": "object", "properties": ["a": ["type": "string"], "b": ["type": "string"]],
                "oneOf": [["required": ["a"]], ["required": ["b"]]],
            ],
            value: [:],
            want: [
                #"FieldValueInvalid spec: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid"#
            ]
        ),
        Case(schema: ["type": "string", "nullable": true], value: .null, want: []),
        Case(
            schema: ["type": "string"],
            value: .null,
            want: [#"FieldValueTypeInvalid spec: Invalid value: "null": spec in body must be of type string: "null""#]
        ),
        Case(
            schema: ["type": "object", "additionalProperties": ["type": "integer"]],
            value: ["x": "1"],
            want: [
                #"FieldValueTypeInvalid spec.x: Invalid value: "string": spec.x in body must be of type integer: "string""#
            ]
        ),
    ]

    @Test("Values are checked with upstream's words", arguments: cases)
    func validation(_ example: Case) throws {
        #expect(try errors(example.schema, example.value) == example.want)
    }

    @Test("All errors are told at once")
    func allErrors() throws {
        let schema: JSON = [
            "type": "object", "required": ["a"],
            "properties": ["a": ["type": "string"], "b": ["type": "integer", "minimum": 5], "c": ["type": "boolean"]],
        ]
        #expect(try errors(schema, ["b": 1, "c": "x"]).count == 3)
    }

    @Test("Defaults fill in at every depth, nulls give way to them")
    func defaults() throws {
        let schema = try compile([
            "type": "object",
            "properties": [
                "a": ["type": "string", "default": "x"], "n": ["type": "string", "nullable": true, "default": "y"],
                "o": [
                    "type": "object", "default": [:], "properties": ["deep": ["type": "integer", "default": 0]],
                ],
                "l": [
                    "type": "array",
                    "items": ["type": "object", "properties": ["p": ["type": "boolean", "default": false]]],
                ],
            ],
        ])
        var object: JSON = ["spec": ["a": .null, "n": .null, "l": [[:]]]]
        schema.applyDefaults(&object)
        #expect(object == ["spec": ["a": "x", "n": .null, "o": ["deep": 0], "l": [["p": false]]]])
    }

    @Test("Unknown fields go, preserved ones stay, embedded objects keep their metadata")
    func pruning() throws {
        let schema = try compile([
            "type": "object",
            "properties": [
                "known": ["type": "string"],
                "open": [
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    "properties": ["closed": ["type": "object", "properties": ["a": ["type": "string"]]]],
                ],
                "template": [
                    "type": "object", "x-kubernetes-embedded-resource": true,
                    "properties": ["spec": ["type": "object"]],
                ],
                "any": ["x-kubernetes-preserve-unknown-fields": true],
            ],
        ])
        var object: JSON = [
            "apiVersion": "a/v1", "kind": "A", "metadata": ["name": "a", "bogus": 1], "extra": 1,
            "spec": [
                "known": "x", "unknown": 1, "open": ["b": 1, "closed": ["a": "1", "c": 2]], "any": ["x": [1]],
                "template": ["apiVersion": "v1", "kind": "Pod", "metadata": ["name": "p"], "spec": ["x": 1], "y": 2],
            ],
        ]
        #expect(
            schema.unknownFields(object) == [
                "extra", "metadata.bogus", "spec.open.closed.c", "spec.template.spec.x", "spec.template.y",
                "spec.unknown",
            ]
        )
        schema.prune(&object)
        #expect(
            object == [
                "apiVersion": "a/v1", "kind": "A", "metadata": ["name": "a"],
                "spec": [
                    "known": "x", "open": ["b": 1, "closed": ["a": "1"]], "any": ["x": [1]],
                    "template": ["apiVersion": "v1", "kind": "Pod", "metadata": ["name": "p"], "spec": [:]],
                ],
            ]
        )
    }

    @Test("A schema that mentions metadata leaves it as every object's")
    func metadata() throws {
        let schema = try Schema.compile(openAPI: [
            "type": "object",
            "properties": [
                "apiVersion": ["type": "string"], "kind": ["type": "string"],
                "metadata": ["type": "object", "properties": ["name": ["type": "string", "pattern": "^a"]]],
            ],
        ])
        var object: JSON = [
            "apiVersion": "a/v1", "kind": "A",
            "metadata": ["name": "b", "labels": ["l": "1"], "creationTimestamp": .null],
        ]
        #expect(schema.unknownFields(object) == [])
        schema.prune(&object)
        schema.applyDefaults(&object)
        #expect(object["metadata"] == ["name": "b", "labels": ["l": "1"]])
        #expect(schema.validate(object).map(\.path) == ["metadata.name"])
        object["metadata"] = ["name": "a", "labels": ["l": 1]]
        #expect(schema.validate(object).map(\.path) == ["metadata.labels[l]"])
    }

    @Test("What an update leaves unchanged is not complained about")
    func ratcheting() throws {
        let schema = try compile([
            "type": "object",
            "properties": ["a": ["type": "integer", "maximum": 5], "b": ["type": "integer", "maximum": 5]],
        ])
        let old: JSON = ["spec": ["a": 9, "b": 1]]
        #expect(schema.validate(["spec": ["a": 9, "b": 2]], old: old).isEmpty)
        #expect(schema.validate(["spec": ["a": 9, "b": 7]], old: old).map(\.path) == ["spec.b"])
        #expect(schema.validate(["spec": ["a": 8, "b": 1]], old: old).map(\.path) == ["spec.a"])
    }

    @Test(
        "Schemas that are not structural are refused",
        arguments: [
            (["type": "object", "properties": ["a": [:]]], "spec.properties[a].type"),
            (["type": "object", "properties": ["a": ["type": "array"]]], "spec.properties[a].items"),
            (["type": "object", "properties": ["a": ["type": "strin"]]], "spec.properties[a].type"),
            (
                ["type": "object", "properties": ["a": ["type": "string", "pattern": "("]]],
                "spec.properties[a].pattern"
            ),
            (
                [
                    "type": "object", "properties": ["a": ["type": "string"]],
                    "additionalProperties": ["type": "string"],
                ], "spec.additionalProperties"
            ),
            (["type": "object", "properties": ["a": ["type": "string", "$ref": "#/x"]]], "spec.properties[a].$ref"),
            (
                [
                    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                    "items": ["type": "object", "properties": ["k": ["type": "string"]]],
                ], "spec.items.properties[k].default"
            ),
        ] as [(JSON, String)]
    )
    func structural(_ schema: JSON, _ path: String) {
        let error = #expect(throws: SchemaCompileError.self) { try compile(schema) }
        #expect(error?.errors.map { $0.path.replacing(".properties[spec]", with: "spec") } == [path])
    }

    @Test("A definition gives one kind for each served version")
    func definition() throws {
        let version: JSON = [
            "served": true, "storage": true, "name": "v1",
            "schema": ["openAPIV3Schema": ["type": "object", "properties": ["spec": ["type": "object"]]]],
            "subresources": [
                "status": [:], "scale": ["specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"],
            ],
            "additionalPrinterColumns": [["name": "N", "type": "integer", "jsonPath": ".spec.n"]],
            "selectableFields": [["jsonPath": ".spec.color"]],
        ]
        var old = version
        old["name"] = "v1beta1"
        old["storage"] = false
        var unserved = old
        unserved["name"] = "v1alpha1"
        unserved["served"] = false
        let kinds = try Kind.compile(
            definition: KubeObject([
                "spec": [
                    "group": "e.com", "scope": "Namespaced", "versions": [version, old, unserved],
                    "names": ["plural": "examples", "singular": "example", "kind": "Example", "shortNames": ["ex"]],
                ]
            ])
        )
        #expect(kinds.map(\.type.version) == ["v1", "v1beta1"])
        let kind = try #require(kinds.last)
        #expect(kind.storageVersion == "v1")
        #expect(kind.subresources.map(\.name) == ["status", "scale"])
        #expect(kind.scalePaths?.specReplicas == ".spec.n")
        #expect(kind.columns.map(\.name) == ["Name", "N"])
        #expect(kind.selectableFields == ["spec.color"])
        #expect(kind.schema.hasSeparateStatus)
    }
}
