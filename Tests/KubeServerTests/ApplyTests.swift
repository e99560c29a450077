import KubeCore
import Testing

@testable import KubeServer

struct ApplyTests {
    private let now = "2024-05-01T10:00:00Z"
    private let later = "2024-05-01T11:00:00Z"

    private func deployment(_ spec: JSON, labels: [String: String] = [:]) -> KubeObject {
        var object = KubeObject(.deployments, namespace: "default", name: "web", labels: labels)
        object["spec"] = spec
        return object
    }

    private func apply(
        _ live: KubeObject?,
        _ applied: KubeObject,
        by manager: String,
        force: Bool = false,
        at time: String? = nil
    ) throws -> KubeObject {
        try ManagedFields.apply(
            live: live,
            applied: applied,
            manager: manager,
            force: force,
            subresource: nil,
            apiVersion: "apps/v1",
            now: time ?? now,
            schema: schema("apps/v1", "Deployment")
        )
    }

    private func update(
        _ live: KubeObject?,
        _ updated: KubeObject,
        by manager: String,
        subresource: String? = nil,
        at time: String? = nil
    ) throws -> KubeObject {
        ManagedFields.update(
            live: live,
            updated: updated,
            manager: manager,
            subresource: subresource,
            apiVersion: "apps/v1",
            now: time ?? now,
            schema: try schema("apps/v1", "Deployment")
        )
    }

    private func fields(_ object: KubeObject, _ manager: String, _ operation: String = "Apply") -> JSON? {
        (object["metadata", "managedFields"]?.arrayValue ?? [])
            .first { $0["manager"] == .string(manager) && $0["operation"] == .string(operation) }?["fieldsV1"]
    }

    private func container(_ name: String, _ members: [String: JSON] = [:]) -> JSON {
        .object(members.merging(["name": .string(name)]) { own, _ in own })
    }

    private func spec(_ containers: JSON..., replicas: Int? = nil) -> JSON {
        var spec: JSON = ["template": ["spec": ["containers": .array(containers)]]]
        if let replicas { spec["replicas"] = JSON(replicas) }
        return spec
    }

    @Test("Applied fields are recorded in upstream's notation")
    func notation() throws {
        let ports: JSON = [["containerPort": 80, "name": "http"]]
        let result = try apply(
            nil,
            deployment(spec(container("a", ["ports": ports]), replicas: 2), labels: ["app": "x"]),
            by: "m"
        )
        let entry = try #require(result["metadata", "managedFields"]?[0])
        #expect(entry["manager"] == "m")
        #expect(entry["operation"] == "Apply")
        #expect(entry["apiVersion"] == "apps/v1")
        #expect(entry["fieldsType"] == "FieldsV1")
        #expect(entry["time"] == .string(now))
        let port = #"k:{"containerPort":80,"protocol":"TCP"}"#
        let want: JSON = [
            "f:metadata": ["f:labels": ["f:app": [:]]],
            "f:spec": [
                "f:replicas": [:],
                "f:template": [
                    "f:spec": [
                        "f:containers": [
                            #"k:{"name":"a"}"#: [
                                ".": [:], "f:name": [:],
                                "f:ports": [port: [".": [:], "f:containerPort": [:], "f:name": [:]]],
                            ]
                        ]
                    ]
                ],
            ],
        ]
        #expect(entry["fieldsV1"] == want)
    }

    @Test("A change of another manager's field conflicts, force takes it")
    func conflict() throws {
        let live = try apply(nil, deployment(spec(container("a", ["image": "1"]), replicas: 1)), by: "first")
        let changed = deployment(spec(container("a", ["image": "2"]), replicas: 1))
        let error = #expect(throws: APIError.self) { try apply(live, changed, by: "second") }
        #expect(error?.code == 409)
        #expect(error?.reason == .conflict)
        #expect(
            error?.message
                == #"Apply failed with 1 conflict: conflict with "first": .spec.template.spec.containers[name="a"].image"#
        )
        #expect(
            error?.causes == [
                APIError.Cause(
                    reason: "FieldManagerConflict",
                    message: #"conflict with "first""#,
                    field: #".spec.template.spec.containers[name="a"].image"#
                )
            ]
        )
        let taken = try apply(live, changed, by: "second", force: true)
        #expect(taken["spec", "template", "spec", "containers"]?[0]?["image"] == "2")
        let left = fields(taken, "first")?["f:spec"]?["f:template"]?["f:spec"]?["f:containers"]?[#"k:{"name":"a"}"#]
        #expect(left == [".": [:], "f:name": [:]])
        #expect(fields(taken, "first")?["f:spec"]?["f:replicas"] == [:])
    }

    @Test("Equal values are shared, a conflict with an update names its version")
    func shared() throws {
        let live = try update(nil, deployment(spec(container("a"), replicas: 3)), by: "kubectl-edit")
        let shared = try apply(live, deployment(spec(container("a"), replicas: 3)), by: "m")
        #expect(fields(shared, "kubectl-edit", "Update")?["f:spec"]?["f:replicas"] == [:])
        #expect(fields(shared, "m")?["f:spec"]?["f:replicas"] == [:])
        let error = #expect(throws: APIError.self) {
            try apply(live, deployment(spec(container("a"), replicas: 4)), by: "m")
        }
        #expect(error?.causes.first?.message == #"conflict with "kubectl-edit" using apps/v1"#)
        #expect(error?.causes.first?.field == ".spec.replicas")
    }

    @Test("What is applied no longer goes, unless another manager owns it")
    func removal() throws {
        let both = spec(container("a", ["image": "1"]), container("b", ["image": "1"]), replicas: 2)
        var live = try apply(nil, deployment(both, labels: ["x": "1", "y": "2"]), by: "m")
        live = try apply(live, deployment(spec(container("b", ["image": "1"]))), by: "other")
        let result = try apply(live, deployment(spec(container("a")), labels: ["x": "1"]), by: "m", at: later)
        #expect(result.labels == ["x": "1"])
        #expect(result["spec", "replicas"] == nil)
        #expect(
            result["spec", "template", "spec", "containers"] == [["name": "a"], ["name": "b", "image": "1"]]
        )
        let ownerTime = result["metadata", "managedFields"]?.arrayValue?.first { $0["manager"] == "m" }?["time"]
        #expect(ownerTime == .string(later))
    }

    @Test("Dropping the only owned part of metadata keeps the rest of it")
    func removalInMetadata() throws {
        let name = "kubectl.kubernetes.io/last-applied-configuration"
        var first = deployment(spec(container("a"), replicas: 2))
        first["metadata", "annotations", name] = "text"
        var live = try apply(nil, first, by: "other")
        live["metadata", "uid"] = "u-1"
        live["metadata", "resourceVersion"] = "7"
        live["metadata", "creationTimestamp"] = .string(now)
        let result = try apply(live, deployment(spec(container("a"), replicas: 2)), by: "other", at: later)
        #expect(result.name == "web")
        #expect(result.namespace == "default")
        #expect(result.uid == "u-1")
        #expect(result["metadata", "resourceVersion"] == "7")
        #expect(result["metadata", "creationTimestamp"] == .string(now))
        #expect(result.annotations.isEmpty)
    }

    @Test("Without any owned field left, the object stays whole")
    func removalOfEverything() throws {
        var live = try apply(nil, deployment(spec(container("a"), replicas: 2), labels: ["x": "1"]), by: "m")
        live["metadata", "uid"] = "u-1"
        var bare = KubeObject(.deployments, namespace: "default", name: "web")
        bare["spec"] = nil
        let result = try apply(live, bare, by: "m")
        #expect(result.name == "web")
        #expect(result.uid == "u-1")
        #expect(result.labels.isEmpty)
    }

    @Test("Applying the same again changes nothing, not even the time")
    func idempotent() throws {
        let config = deployment(spec(container("a", ["image": "1"]), replicas: 2), labels: ["x": "1"])
        let live = try apply(nil, config, by: "m")
        #expect(try apply(live, config, by: "m", at: later) == live)
    }

    @Test("An update takes what it changes and drops what it removes")
    func updates() throws {
        let live = try apply(
            nil,
            deployment(spec(container("a", ["image": "1"]), replicas: 2), labels: ["x": "1", "y": "2"]),
            by: "m"
        )
        var changed = live
        changed["spec", "replicas"] = 5
        changed["metadata", "labels", "y"] = nil
        let result = try update(live, changed, by: "hpa", at: later)
        #expect(fields(result, "hpa", "Update") == ["f:spec": ["f:replicas": [:]]])
        #expect(fields(result, "m")?["f:spec"]?["f:replicas"] == nil)
        #expect(fields(result, "m")?["f:metadata"] == ["f:labels": ["f:x": [:]]])
        let again = try update(result, result, by: "hpa", at: "2024-05-01T12:00:00Z")
        #expect(again == result)
    }

    @Test("A created object's maps and elements are owned themselves too")
    func creation() throws {
        let result = try update(
            nil,
            deployment(
                spec(container("a", ["image": "1", "env": [["name": "E", "value": "1"]]])),
                labels: ["x": "1"]
            ),
            by: "c"
        )
        let owned = fields(result, "c", "Update")
        #expect(owned?["f:metadata"] == ["f:labels": [".": [:], "f:x": [:]]])
        #expect(owned?["f:spec"]?["."] == nil)
        #expect(
            owned?["f:spec"]?["f:template"]?["f:spec"]?["f:containers"]?[#"k:{"name":"a"}"#] == [
                ".": [:], "f:name": [:], "f:image": [:],
                "f:env": [".": [:], #"k:{"name":"E"}"#: [".": [:], "f:name": [:], "f:value": [:]]],
            ]
        )
    }

    @Test("The status belongs to its subresource")
    func status() throws {
        let live = try apply(nil, deployment(spec(container("a"), replicas: 1)), by: "m")
        var changed = live
        changed["status"] = ["replicas": 1, "conditions": [["type": "Available", "status": "True"]]]
        let result = try update(live, changed, by: "controller", subresource: "status")
        let entry = result["metadata", "managedFields"]?.arrayValue?.first { $0["manager"] == "controller" }
        #expect(entry?["subresource"] == "status")
        #expect(
            entry?["fieldsV1"]?["f:status"]?["f:conditions"]?[#"k:{"type":"Available"}"#] == [
                ".": [:], "f:type": [:], "f:status": [:],
            ]
        )
        var config = deployment(spec(container("a"), replicas: 1))
        config["status"] = ["replicas": 9]
        let applied = try apply(result, config, by: "m")
        #expect(applied["status", "replicas"] == 1)
        #expect(fields(applied, "m")?["f:status"] == nil)
    }

    @Test("Selectors are atomic, sets are owned by value")
    func atomicsAndSets() throws {
        var first = deployment(["selector": ["matchLabels": ["a": "1"]]])
        first["metadata", "finalizers"] = ["one"]
        let live = try apply(nil, first, by: "m")
        #expect(fields(live, "m")?["f:spec"] == ["f:selector": [:]])
        #expect(fields(live, "m")?["f:metadata"] == ["f:finalizers": [#"v:"one""#: [:]]])
        var second = deployment([:])
        second["metadata", "finalizers"] = ["two"]
        let merged = try apply(live, second, by: "n")
        #expect(merged.finalizers == ["two", "one"] || merged.finalizers == ["one", "two"])
        let left = try apply(merged, deployment(["selector": ["matchLabels": ["a": "1"]]]), by: "m")
        #expect(left.finalizers == ["two"])
    }

    @Test("kubectl takes over what client-side apply had set, and keeps its annotation current")
    func migration() throws {
        let name = "kubectl.kubernetes.io/last-applied-configuration"
        var live = deployment(spec(container("a", ["image": "1"]), replicas: 2))
        live["metadata", "annotations", name] = .string(live.json.text)
        live = try update(nil, live, by: "kubectl-client-side-apply")
        let config = deployment(spec(container("a", ["image": "2"]), replicas: 2))
        #expect(throws: APIError.self) { try apply(live, config, by: "someone") }
        let result = try apply(live, config, by: "kubectl")
        #expect(result["spec", "template", "spec", "containers"]?[0]?["image"] == "2")
        #expect(result.annotations[name]?.contains(#""image":"2""#) == true)
    }

    @Test("An object without owners gets one before its first apply")
    func beforeFirstApply() throws {
        let live = deployment(spec(container("a", ["image": "1"]), replicas: 2))
        let error = #expect(throws: APIError.self) {
            try apply(live, deployment(spec(container("a", ["image": "2"]))), by: "m")
        }
        #expect(error?.message.contains("before-first-apply") == true)
    }

    @Test("One empty entry clears the owners; duplicates in an applied list are refused")
    func edges() throws {
        let live = try apply(nil, deployment(spec(container("a"))), by: "m")
        var reset = live
        reset["metadata", "managedFields"] = [[:]]
        #expect(try update(live, reset, by: "x")["metadata", "managedFields"] == nil)
        let error = #expect(throws: APIError.self) {
            try apply(nil, deployment(spec(container("a"), container("a"))), by: "m")
        }
        #expect(error?.message.contains(#"duplicate entries for key [name="a"]"#) == true)
    }

    @Test("Only the ten latest updaters are kept apart")
    func cap() throws {
        var live = try update(nil, deployment(["replicas": 0]), by: "u0")
        for index in 1...12 {
            var next = live
            next["metadata", "annotations", "a\(index)"] = "x"
            live = try update(live, next, by: "u\(index)", at: "2024-05-01T10:\(index + 10):00Z")
        }
        let managers = live["metadata", "managedFields"]?.arrayValue?.compactMap { $0["manager"]?.stringValue } ?? []
        #expect(managers.count == 11)
        #expect(managers.contains("ancient-changes"))
    }

    @Test("Custom resources: granular maps, list types and unknown structure")
    func custom() throws {
        let custom = try Schema.compile(openAPI: [
            "type": "object",
            "properties": [
                "spec": [
                    "type": "object",
                    "properties": [
                        "items": [
                            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
                            "items": [
                                "type": "object", "required": ["id"],
                                "properties": ["id": ["type": "string"], "v": ["type": "integer"]],
                            ],
                        ], "plain": ["type": "array", "items": ["type": "string"]],
                        "free": ["type": "object", "x-kubernetes-preserve-unknown-fields": true],
                    ],
                ]
            ],
        ])
        let object = KubeObject([
            "apiVersion": "e.com/v1", "kind": "E", "metadata": ["name": "e", "labels": ["l": "1"]],
            "spec": ["items": [["id": "a", "v": 1]], "plain": ["x"], "free": ["deep": ["er": 1]]],
        ])
        let result = try ManagedFields.apply(
            live: nil,
            applied: object,
            manager: "m",
            force: false,
            subresource: nil,
            apiVersion: "e.com/v1",
            now: now,
            schema: custom
        )
        #expect(
            fields(result, "m") == [
                "f:metadata": ["f:labels": ["f:l": [:]]],
                "f:spec": [
                    "f:items": [#"k:{"id":"a"}"#: [".": [:], "f:id": [:], "f:v": [:]]], "f:plain": [:],
                    "f:free": ["f:deep": [".": [:], "f:er": [:]]],
                ],
            ]
        )
    }
}
