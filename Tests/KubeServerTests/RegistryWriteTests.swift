import KubeCore
import KubeStore
import Testing

@testable import KubeServer

@Suite(.timeLimit(.minutes(1)))
struct RegistryWriteTests {
    @Test("A created object gets uid, time and version; reading gives the same")
    func create() async throws {
        let api = try await RegistryFixture().registry
        let made = try await api.create(.configMaps, map("one"))
        #expect(!made.uid.isEmpty)
        #expect(made.creationTimestamp == "2023-11-14T22:13:20Z")
        #expect(made.resourceVersion == String(api.store.revision))
        #expect(made.generation == 0)
        #expect(try await api.get(.configMaps, namespace: "default", name: "one") == made)
        #expect(try JSON(parsing: api.getBytes(.configMaps, namespace: "default", name: "one")) == made.json)
    }

    @Test("Refusals carry upstream's code, reason and text")
    func refusals() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.configMaps, map("one"))
        let again = await failure { try await api.create(.configMaps, map("one")) }
        #expect(again?.reason == .alreadyExists)
        #expect(again?.message == "configmaps \"one\" already exists")
        let missing = await failure { _ = try await api.get(.configMaps, namespace: "default", name: "none") }
        #expect(missing?.message == "configmaps \"none\" not found")
        let badName = await failure { try await api.create(.configMaps, map("Bad_Name")) }
        #expect(badName?.code == 422)
        #expect(badName?.causes.first?.field == "metadata.name")
        #expect(
            badName?.message.hasPrefix(
                "ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain"
            ) == true
        )
        let noNamespace = await failure { try await api.create(.configMaps, map("one", namespace: "nowhere")) }
        #expect(noNamespace?.code == 404)
        #expect(noNamespace?.message == "namespaces \"nowhere\" not found")
        let noName = await failure {
            try await api.create(.configMaps, KubeObject(["metadata": ["namespace": "default"]]))
        }
        #expect(noName?.causes.first?.message == "Required value: name or generateName is required")
        let badLabel = await failure { try await api.create(.configMaps, map("two", labels: ["a b": "c"])) }
        #expect(badLabel?.causes.first?.field == "metadata.labels")
    }

    @Test("generateName adds five characters of the safe alphabet")
    func generateName() async throws {
        let api = try await RegistryFixture().registry
        var object = map("x")
        object["metadata", "name"] = nil
        object["metadata", "generateName"] = "job-"
        let names = Set([
            try await api.create(.configMaps, object).name, try await api.create(.configMaps, object).name,
        ])
        #expect(names.count == 2)
        for name in names {
            #expect(name.hasPrefix("job-") && name.count == 9)
            #expect(name.dropFirst(4).allSatisfy { "bcdfghjklmnpqrstvwxz2456789".contains($0) })
        }
    }

    @Test("A stale version conflicts, none overwrites, no change makes no version")
    func optimisticConcurrency() async throws {
        let api = try await RegistryFixture().registry
        let first = try await api.create(.configMaps, map("one"))
        var changed = first
        changed["data", "key"] = "2"
        let second = try await api.update(.configMaps, changed)
        #expect(second.uid == first.uid)
        let stale = await failure { try await api.update(.configMaps, changed) }
        #expect(
            stale?.message
                == "Operation cannot be fulfilled on configmaps \"one\": the object has been modified; please apply your changes to the latest version and try again"
        )
        let before = api.store.revision
        #expect(try await api.update(.configMaps, second) == second)
        #expect(api.store.revision == before)
        let blind = try await api.update(.configMaps, map("one", value: "3"))
        #expect(blind["data", "key"] == "3")
        #expect(blind.uid == first.uid)
        var otherUID = map("one")
        otherUID["metadata", "uid"] = "other"
        #expect(await failure { try await api.update(.configMaps, otherUID) }?.code == 409)
    }

    @Test("Generation counts spec changes only; status and spec do not touch each other")
    func statusIsolation() async throws {
        let api = try await RegistryFixture().registry
        var given = deployment("web")
        given["status", "replicas"] = 7
        let made = try await api.create(.deployments, given)
        #expect(made.generation == 1)
        #expect(made["status", "replicas"] == nil)
        #expect(made["spec", "replicas"] == 1)
        var status = made
        status["status", "replicas"] = 1
        status["spec", "replicas"] = 5
        let reported = try await api.updateStatus(.deployments, status)
        #expect(reported["status", "replicas"] == 1)
        #expect(reported["spec", "replicas"] == 1)
        #expect(reported.generation == 1)
        var scaled = reported
        scaled["spec", "replicas"] = 3
        scaled["status", "replicas"] = 9
        let updated = try await api.update(.deployments, scaled)
        #expect(updated.generation == 2)
        #expect(updated["status", "replicas"] == 1)
        var labelled = updated
        labelled.labels["a"] = "b"
        #expect(try await api.update(.deployments, labelled).generation == 2)
    }

    @Test("Merge, JSON and strategic patches change what they name")
    func patches() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.deployments, deployment("web"))
        let key = ObjectKey(namespace: "default", name: "web")
        let merged = try await api.patch(.deployments, key, .merge(["spec": ["replicas": 2]]))
        #expect(merged["spec", "replicas"] == 2)
        #expect(merged.generation == 2)
        let operations: JSON = [
            ["op": "test", "path": "/spec/replicas", "value": 2],
            ["op": "replace", "path": "/spec/replicas", "value": 3],
        ]
        #expect(try await api.patch(.deployments, key, .json(operations))["spec", "replicas"] == 3)
        #expect(await failure { try await api.patch(.deployments, key, .json(operations)) }?.code == 422)
        let sidecar: JSON = [
            "spec": ["template": ["spec": ["containers": [["name": "side", "image": "side:1"]]]]]
        ]
        let strategic = try await api.patch(.deployments, key, .strategic(sidecar))
        #expect(strategic["spec", "template", "spec", "containers"]?.arrayValue?.count == 2)
        let stale = await failure {
            try await api.patch(
                .deployments,
                key,
                .merge([
                    "metadata": ["resourceVersion": .string(merged.resourceVersion ?? "")], "spec": ["paused": true],
                ])
            )
        }
        #expect(stale?.reason == .conflict)
        let renamed = await failure {
            try await api.patch(.deployments, key, .merge(["metadata": ["name": "other"]]))
        }
        #expect(renamed?.code == 400)
    }

    @Test("Many concurrent patches all arrive")
    func concurrentPatches() async throws {
        let api = try await RegistryFixture().registry
        try await api.create(.configMaps, map("one"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask {
                    try await api.patch(
                        .configMaps,
                        ObjectKey(namespace: "default", name: "one"),
                        .merge(["data": [String(number): "x"]] as JSON)
                    )
                }
            }
            try await group.waitForAll()
        }
        let object = try await api.get(.configMaps, namespace: "default", name: "one")
        #expect(object["data"]?.objectValue?.count == 21)
    }

    @Test("Apply makes the object, keeps others' fields, and conflicts unless forced")
    func apply() async throws {
        let api = try await RegistryFixture().registry
        let scope = RequestScope(user: .system)
        let made = try await RequestScope.$current.withValue(scope) {
            try await api.apply(.configMaps, map("one", value: "a"), fieldManager: "first")
        }
        #expect(scope.isCreated)
        #expect(made["metadata", "managedFields"]?.arrayValue?.count == 1)
        var other = map("one")
        other["data"] = ["more": "b"]
        let both = try await api.apply(.configMaps, other, fieldManager: "second")
        #expect(both["data"] == ["key": "a", "more": "b"])
        let before = api.store.revision
        _ = try await api.apply(.configMaps, other, fieldManager: "second")
        #expect(api.store.revision == before)
        let conflict = await failure {
            try await api.patch(
                .configMaps,
                ObjectKey(namespace: "default", name: "one"),
                .apply(map("one", value: "c").json),
                options: WriteOptions(fieldManager: "second")
            )
        }
        #expect(conflict?.code == 409)
        #expect(conflict?.causes.first?.reason == "FieldManagerConflict")
        let noManager = await failure {
            try await api.patch(
                .configMaps,
                ObjectKey(namespace: "default", name: "one"),
                .apply(map("one").json),
                options: WriteOptions()
            )
        }
        #expect(noManager?.code == 422)
    }

    @Test("Strict validation names unknown fields, Warn warns, both drop them")
    func fieldValidation() async throws {
        let api = try await RegistryFixture().registry
        var object = map("one")
        object["dta"] = ["x": "y"]
        let given = object
        let strict = await failure {
            try await api.create(.configMaps, given, options: WriteOptions(fieldValidation: "Strict"))
        }
        #expect(strict?.code == 400)
        #expect(strict?.message.contains("strict decoding error: unknown field \"dta\"") == true)
        let scope = RequestScope(user: .system, duplicateFields: ["data.key"])
        let made = try await RequestScope.$current.withValue(scope) { try await api.create(.configMaps, given) }
        #expect(scope.warnings == ["duplicate field \"data.key\"", "unknown field \"dta\""])
        #expect(made["dta"] == nil)
    }

    @Test("A dry run answers like a write and stores nothing")
    func dryRun() async throws {
        let api = try await RegistryFixture().registry
        let before = api.store.revision
        let made = try await api.create(.services, service("web"), options: WriteOptions(dryRun: true))
        #expect(!made.uid.isEmpty)
        #expect(api.store.revision == before)
        try await api.create(.configMaps, map("one"))
        let kept = try await api.delete(
            .configMaps,
            namespace: "default",
            name: "one",
            options: DeleteOptions(dryRun: true)
        )
        #expect(kept?.name == "one")
        #expect(try await api.find(.configMaps, namespace: "default", name: "one") != nil)
    }

    @Test("PUT of an absent Lease makes it; of another kind it is 404")
    func createOnUpdate() async throws {
        let api = try await RegistryFixture().registry
        let lease = KubeObject(.leases, namespace: "default", name: "leader", body: ["spec": ["holderIdentity": "a"]])
        #expect(try await api.update(.leases, lease).uid.isEmpty == false)
        #expect(await failure { try await api.update(.configMaps, map("none")) }?.code == 404)
    }

    @Test("What was written is there after the store opens again")
    func restart() async throws {
        let first = try await RegistryFixture()
        let made = try await first.registry.create(.services, service("web"))
        let again = try await RegistryFixture(store: first.store)
        #expect(try await again.registry.get(.services, namespace: "default", name: "web") == made)
        let other = try await again.registry.create(.services, service("other"))
        #expect(other["spec", "clusterIP"] != made["spec", "clusterIP"])
    }
}
