import KubeCore
import Testing

@testable import KubeServer

struct SchemaStrategicMergeTests {
    struct Case: CustomTestStringConvertible {
        var name: String
        var current: JSON
        var patch: JSON
        var want: JSON
        var testDescription: String { name }
    }

    /// Of a pod's spec.
    static let cases: [Case] = [
        Case(
            name: "containers merge by name, a new one comes first",
            current: ["containers": [["name": "a", "image": "1"], ["name": "b"]]],
            patch: ["containers": [["name": "a", "image": "2"], ["name": "c"]]],
            want: ["containers": [["name": "a", "image": "2"], ["name": "c"], ["name": "b"]]]
        ),
        Case(
            name: "an element is deleted by its key",
            current: ["containers": [["name": "a"], ["name": "b"]]],
            patch: ["containers": [["name": "a", "$patch": "delete"]]],
            want: ["containers": [["name": "b"]]]
        ),
        Case(
            name: "a list is replaced on demand",
            current: ["containers": [["name": "a"], ["name": "b"]]],
            patch: ["containers": [["$patch": "replace"], ["name": "c"]]],
            want: ["containers": [["name": "c"]]]
        ),
        Case(
            name: "the order of the patch wins",
            current: ["containers": [["name": "a"], ["name": "b"], ["name": "x"]]],
            patch: [
                "$setElementOrder/containers": [["name": "b"], ["name": "a"]],
                "containers": [["name": "a", "image": "2"]],
            ],
            want: ["containers": [["name": "b"], ["name": "a", "image": "2"], ["name": "x"]]]
        ),
        Case(
            name: "a list without a strategy is replaced",
            current: ["tolerations": [["key": "a"]]],
            patch: ["tolerations": [["key": "b"]]],
            want: ["tolerations": [["key": "b"]]]
        ),
        Case(
            name: "null removes, maps merge",
            current: ["nodeSelector": ["a": "1", "b": "2"], "hostname": "x"],
            patch: ["nodeSelector": ["a": .null, "c": "3"], "hostname": .null],
            want: ["nodeSelector": ["b": "2", "c": "3"]]
        ),
        Case(
            name: "retained keys drop the others",
            current: ["volumes": [["name": "v", "emptyDir": [:]]]],
            patch: ["volumes": [["name": "v", "hostPath": ["path": "/x"], "$retainKeys": ["name", "hostPath"]]]],
            want: ["volumes": [["name": "v", "hostPath": ["path": "/x"]]]]
        ),
        Case(
            name: "a map is replaced on demand",
            current: ["securityContext": ["runAsUser": 1]],
            patch: ["securityContext": ["$patch": "replace", "runAsGroup": 2]],
            want: ["securityContext": ["runAsGroup": 2]]
        ),
    ]

    @Test("Strategic merges of a pod's spec", arguments: cases)
    func merge(_ example: Case) throws {
        let pod = try schema("v1", "Pod")
        let result = try pod.strategicMerge(["spec": example.current], patch: ["spec": example.patch])
        #expect(result == ["spec": example.want])
    }

    @Test("Finalizers are a set with deletions")
    func primitives() throws {
        let pod = try schema("v1", "Pod")
        let current: JSON = ["metadata": ["finalizers": ["a", "b"]]]
        let added = try pod.strategicMerge(current, patch: ["metadata": ["finalizers": ["c", "a"]]])
        #expect(Set(added["metadata"]?["finalizers"]?.stringArray ?? []) == ["a", "b", "c"])
        let removed = try pod.strategicMerge(
            current,
            patch: ["metadata": ["$deleteFromPrimitiveList/finalizers": ["a"]]]
        )
        #expect(removed == ["metadata": ["finalizers": ["b"]]])
    }

    @Test("An element without its merge key is refused")
    func missingKey() throws {
        let pod = try schema("v1", "Pod")
        let error = #expect(throws: APIError.self) {
            try pod.strategicMerge(
                ["spec": ["containers": [["name": "a"]]]],
                patch: ["spec": ["containers": [["image": "b"]]]]
            )
        }
        #expect(error?.message.contains("does not contain declared merge key: name") == true)
    }
}
