import KubeCore
import Testing

@Suite("JSON values")
struct JSONTests {
    @Test("Integers stay integers, and keys are sorted")
    func canonicalText() throws {
        let value = try JSON(parsing: #"{"b": 3, "a": [1.5, -2, 1e2, true, null, "x"], "c": {}}"#)
        #expect(value.text == #"{"a":[1.5,-2,100,true,null,"x"],"b":3,"c":{}}"#)
    }

    @Test(
        "Escapes survive a round trip",
        arguments: [
            "plain", "quote \" and \\", "line\nbreak\ttab", "control \u{01}", "é € 😀", "\u{1F469}\u{200D}\u{1F52C}",
        ]
    )
    func roundTrip(_ text: String) throws {
        #expect(try JSON(parsing: JSON.string(text).bytes) == .string(text))
    }

    @Test("Surrogate pairs become one character")
    func surrogates() throws {
        #expect(try JSON(parsing: #""😀""#) == .string("😀"))
        #expect(try JSON(parsing: #""\ud83d!""#) == .string("\u{FFFD}!"))
    }

    @Test(
        "What is not JSON is refused",
        arguments: [
            "", "{", "[1,]", "{\"a\" 1}", "01", "+1", "1.", "nul", "\"\u{01}\"", "\"abc", "[1] 2", "{'a': 1}", "1e",
            "--1",
        ]
    )
    func refuses(_ text: String) {
        #expect(throws: JSONParseError.self) { try JSON(parsing: text) }
    }

    @Test("Nesting is bounded")
    func depth() {
        let deep = String(repeating: "[", count: 600) + String(repeating: "]", count: 600)
        #expect(throws: JSONParseError.self) { try JSON(parsing: deep) }
    }

    @Test("Repeated keys are reported and the last one wins")
    func duplicates() throws {
        var duplicates: [String] = []
        let value = try JSON.parse(Array(#"{"spec": {"a": 1, "a": 2}}"#.utf8), duplicates: &duplicates)
        #expect(duplicates == ["spec.a"])
        #expect(value[path: "spec", "a"] == 2)
    }

    @Test("Assigning a path makes the objects on the way; nil removes")
    func paths() {
        var value: JSON = [:]
        value[path: "a", "b", "c"] = 1
        value[path: "a", "d"] = 2
        #expect(value == ["a": ["b": ["c": 1], "d": 2]])
        value[path: "a", "b"] = nil
        #expect(value == ["a": ["d": 2]])
        value[path: "x", "y"] = nil
        #expect(value == ["a": ["d": 2]])
    }
}

@Suite("Status errors")
struct APIErrorTests {
    @Test("An error survives its Status object")
    func roundTrip() {
        let error = APIError.invalid(
            .pods,
            "web",
            [FieldError("spec.containers[0].name", .required), FieldError("spec.x", .invalid, "no", badValue: "y")]
        )
        #expect(error.code == 422)
        #expect(error.message.hasPrefix("Pod \"web\" is invalid: [spec.containers[0].name: Required value, "))
        #expect(APIError(status: error.status, code: 0) == error)
    }

    @Test("Not found names the resource as upstream does")
    func notFound() {
        #expect(APIError.notFound(.deployments, "web").message == "deployments.apps \"web\" not found")
    }
}
