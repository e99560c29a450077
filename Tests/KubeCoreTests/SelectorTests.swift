import KubeCore
import Testing

struct SelectorTests {
    struct Case: CustomTestStringConvertible {
        var text: String
        var labels: [String: String]
        var wantMatch: Bool
        var testDescription: String { "\(text) on \(labels)" }
    }

    static let cases: [Case] = [
        Case(text: "", labels: [:], wantMatch: true),
        Case(text: "a=b", labels: ["a": "b"], wantMatch: true),
        Case(text: "a==b", labels: ["a": "c"], wantMatch: false),
        Case(text: "a!=b", labels: [:], wantMatch: true),
        Case(text: "a!=b", labels: ["a": "b"], wantMatch: false),
        Case(text: "a in (b, c),d", labels: ["a": "c", "d": ""], wantMatch: true),
        Case(text: "a notin (b,c)", labels: [:], wantMatch: true),
        Case(text: "a notin (b,c)", labels: ["a": "b"], wantMatch: false),
        Case(text: "!a", labels: ["a": ""], wantMatch: false),
        Case(text: "n>5", labels: ["n": "6"], wantMatch: true),
        Case(text: "n<5", labels: ["n": "x"], wantMatch: false),
        Case(text: "app.kubernetes.io/name=x", labels: ["app.kubernetes.io/name": "x"], wantMatch: true),
        Case(text: "a=", labels: ["a": ""], wantMatch: true),
    ]

    @Test("Label selectors match as upstream's", arguments: cases)
    func matching(_ example: Case) throws {
        let selector = try LabelSelector(parsing: example.text)
        #expect(selector.matches(example.labels) == example.wantMatch)
        let again = try LabelSelector(parsing: selector.description)
        #expect(again.matches(example.labels) == example.wantMatch)
    }

    @Test("Bad label selectors are refused", arguments: ["a in b", ",", "a=b,", "a in (b", "-a=b", "a=b c", "a>x"])
    func refusal(_ text: String) {
        #expect(throws: SelectorParseError.self) { try LabelSelector(parsing: text) }
    }

    @Test("A JSON selector of nil selects nothing, an empty one everything")
    func json() throws {
        #expect(try !LabelSelector(nil).matches(["a": "b"]))
        #expect(try LabelSelector([:]).matches([:]))
        let selector = try LabelSelector([
            "matchLabels": ["a": "b"],
            "matchExpressions": [
                ["key": "c", "operator": "In", "values": ["d", "e"]], ["key": "f", "operator": "Exists"],
            ],
        ])
        #expect(selector.matches(["a": "b", "c": "e", "f": ""]))
        #expect(!selector.matches(["a": "b", "c": "x", "f": ""]))
        #expect(throws: SelectorParseError.self) {
            try LabelSelector(["matchExpressions": [["key": "c", "operator": "Near"]]])
        }
    }

    @Test("Field selectors split on commas and honour escapes")
    func fields() throws {
        let selector = try FieldSelector(parsing: "metadata.name=a\\,b,status.phase!=Running")
        #expect(selector.requiredValue("metadata.name") == "a,b")
        #expect(selector.matches { $0 == "metadata.name" ? "a,b" : "Pending" })
        #expect(!selector.matches { $0 == "metadata.name" ? "a,b" : "Running" })
        #expect(try FieldSelector(parsing: selector.description) == selector)
        #expect(throws: SelectorParseError.self) { try FieldSelector(parsing: "nonsense") }
    }
}
