import KubeCore
import Testing

struct JSONPatchTests {
    struct Case: CustomTestStringConvertible {
        var document: JSON
        var patch: JSON
        /// nil when the patch must fail.
        var want: JSON?
        var testDescription: String { patch.text }
    }

    static let cases: [Case] = [
        Case(document: ["a": 1], patch: [["op": "add", "path": "/b", "value": 2]], want: ["a": 1, "b": 2]),
        Case(document: ["a": [1, 3]], patch: [["op": "add", "path": "/a/1", "value": 2]], want: ["a": [1, 2, 3]]),
        Case(document: ["a": [1]], patch: [["op": "add", "path": "/a/-", "value": 2]], want: ["a": [1, 2]]),
        Case(document: ["a": [1]], patch: [["op": "add", "path": "/a/2", "value": 2]], want: nil),
        Case(document: ["a": 1], patch: [["op": "remove", "path": "/b"]], want: nil),
        Case(
            document: ["a": ["b/c": 1]],
            patch: [["op": "replace", "path": "/a/b~1c", "value": 2]],
            want: ["a": ["b/c": 2]]
        ),
        Case(document: ["a": 1], patch: [["op": "replace", "path": "/b", "value": 2]], want: nil),
        Case(document: ["a": 1], patch: [["op": "move", "from": "/a", "path": "/b"]], want: ["b": 1]),
        Case(
            document: ["a": ["x": 1]],
            patch: [["op": "copy", "from": "/a/x", "path": "/b"]],
            want: ["a": ["x": 1], "b": 1]
        ),
        Case(document: ["a": 1], patch: [["op": "test", "path": "/a", "value": 1]], want: ["a": 1]),
        Case(
            document: ["a": 1],
            patch: [["op": "test", "path": "/a", "value": 2], ["op": "remove", "path": "/a"]],
            want: nil
        ),
        Case(document: ["a": 1], patch: [["op": "add", "path": "", "value": ["b": 2]]], want: ["b": 2]),
        Case(document: ["a": 1], patch: [["op": "add", "path": "/b/c", "value": 2]], want: nil),
    ]

    @Test("JSON patches follow RFC 6902", arguments: cases)
    func apply(_ example: Case) throws {
        guard let want = example.want else {
            let error = #expect(throws: APIError.self) { try JSONPatch.apply(example.patch, to: example.document) }
            #expect(error?.code == 422)
            return
        }
        #expect(try JSONPatch.apply(example.patch, to: example.document) == want)
    }

    @Test("A merge patch removes by null and replaces lists")
    func merge() {
        let document: JSON = ["a": ["b": 1, "c": 2], "d": [1, 2]]
        let patch: JSON = ["a": ["b": .null, "e": ["f": .null, "g": 3]], "d": [3]]
        #expect(JSONPatch.merge(patch, into: document) == ["a": ["c": 2, "e": ["g": 3]], "d": [3]])
    }

    @Test("The difference of two documents turns one into the other")
    func difference() throws {
        let old: JSON = ["a": ["b/x": 1, "c": 2], "d": [1, 2]]
        let new: JSON = ["a": ["b/x": 2], "d": [1], "e": true]
        #expect(try JSONPatch.apply(JSONPatch.difference(from: old, to: new), to: old) == new)
    }
}
