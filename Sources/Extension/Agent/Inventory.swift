internal import Foundation
internal import KubeCore

/// What an extension has put on the cluster, kept there in a ConfigMap: the truth for pruning and removal after any crash.
struct Inventory: Sendable, Equatable {
    var extensionName: String
    var objects: [ObjectReference] = []
    /// Desired generation that is being installed, and since when.
    var generation = 0
    var startedAt: Date?
    /// Newest generation whose components were all ready, and the version then.
    var succeededGeneration = 0
    var version: String?
    /// Under which cluster type the extension was made; a cluster can be known under two.
    var clusterType: String?

    init(extensionName: String) { self.extensionName = extensionName }

    static func configMapName(_ extensionName: String) -> String { "outrigger-extension-" + extensionName.lowercased() }

    var reference: ObjectReference {
        ObjectReference(
            type: .configMaps,
            key: ObjectKey(namespace: ExtensionRenderer.namespace, name: Self.configMapName(extensionName))
        )
    }

    /// nil when nothing was ever installed under this name.
    static func read(_ extensionName: String, _ api: any ResourceAPI) async throws -> Inventory? {
        let object = try await api.find(
            .configMaps,
            namespace: ExtensionRenderer.namespace,
            name: configMapName(extensionName)
        )
        guard let data = object?["data"]?.stringMap else { return nil }
        var inventory = Inventory(extensionName: extensionName)
        if let text = data["objects"], let list = try? JSON(parsing: text) {
            inventory.objects = (list.arrayValue ?? []).compactMap { ObjectReference($0) }
        }
        inventory.generation = data["generation"].flatMap { Int($0) } ?? 0
        inventory.succeededGeneration = data["succeededGeneration"].flatMap { Int($0) } ?? 0
        inventory.version = data["version"]
        inventory.clusterType = data["clusterType"]
        inventory.startedAt = data["startedAt"].flatMap { try? Date($0, strategy: .iso8601) }
        return inventory
    }

    func write(_ api: any ResourceAPI, labels: [String: String]) async throws {
        var data = [
            "objects": JSON.array(objects.map(\.json)).text, "generation": String(generation),
            "succeededGeneration": String(succeededGeneration),
        ]
        data["version"] = version
        data["clusterType"] = clusterType
        data["startedAt"] = startedAt?.formatted(.iso8601)
        let object = KubeObject(
            .configMaps,
            namespace: ExtensionRenderer.namespace,
            name: Self.configMapName(extensionName),
            labels: labels,
            body: ["data": JSON(data)]
        )
        try await api.apply(.configMaps, object, fieldManager: ExtensionRenderer.fieldManager)
    }

    /// Adds references that are not there yet, at the end.
    mutating func include(_ references: [ObjectReference]) {
        let known = Set(objects)
        objects += references.filter { !known.contains($0) }
    }
}
