import Testing

@testable import Packaging

@Suite struct ImageNameTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var want: String
        var wantRewritten: String
        var testDescription: String { text }
    }

    static let digest = "sha256:" + String(repeating: "0", count: 64)

    static let cases = [
        Case(text: "ubuntu", want: "docker.io/library/ubuntu", wantRewritten: "r.example/ml/library/ubuntu"),
        Case(
            text: "fluent/fluent-bit:5",
            want: "docker.io/fluent/fluent-bit:5",
            wantRewritten: "r.example/ml/fluent/fluent-bit:5"
        ),
        Case(text: "localhost:5000/a:1", want: "localhost:5000/a:1", wantRewritten: "r.example/ml/a:1"),
        Case(
            text: "outrigger.ml/outrigger:0.1.0",
            want: "outrigger.ml/outrigger:0.1.0",
            wantRewritten: "r.example/ml/outrigger:0.1.0"
        ),
        Case(
            text: "nvcr.io/a/b:1@" + digest,
            want: "nvcr.io/a/b:1@" + digest,
            wantRewritten: "r.example/ml/a/b:1@" + digest
        ),
        Case(
            text: "r.example/ml/outrigger:1",
            want: "r.example/ml/outrigger:1",
            wantRewritten: "r.example/ml/outrigger:1"
        ),
    ]

    @Test("Names are read, completed and moved to a private registry", arguments: cases)
    func names(_ example: Case) throws {
        let name = try ImageName(example.text)
        #expect(name.description == example.want)
        #expect(name.rewritten(registry: "r.example/ml") == example.wantRewritten)
        #expect(name.rewritten(registry: "r.example/ml/") == example.wantRewritten)
    }

    @Test(
        "What is no name is refused",
        arguments: [
            "", "A/b", "a//b", "a b", "x.y/a:", "x.y/a:?", "x.y/a@sha256:00", "x.y:port/a", "x.y/-a", "x.y/a/",
            "x.y/" + String(repeating: "a", count: 256),
        ]
    )
    func refused(text: String) { #expect(throws: PackagingError.self) { try ImageName(text) } }
}
