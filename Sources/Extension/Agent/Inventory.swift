internal import ControlPlaneAPI
internal import Foundation
internal import KubeCore

/// What an extension has put on the cluster, kept there in a ConfigMap: the truth for pruning and removal after any crash.
struct Inventory: Sendable, Equatable {
    var extensionName: String
    var objects: [ObjectReference] = []
    /// Desired generation that is being installed, and since when.
    var generation = 0
    var startedAt: Date?
    /// What that generation does: `install`, `upgrade` or `rollback`.
    var operation = HealthOperation.install
    /// Newest generation whose components were all ready, and the version then.
    var succeededGeneration = 0
    var version: String?
    /// Under which cluster type the extension was made; a cluster can be known under two.
    var clusterType: String?
    /// Nodes for components when the generation began: one that is away for a while changes nothing.
    var nodeCount = 0
    /// Of the objects that were applied in full last.
    var digest: String?
    /// Bundles that are installed, as `name version`.
    var bundles: [String] = []
    /// The generation that was given up, because it was to be all or nothing; and why.
    var failedGeneration = 0
    var failure: ErrorDetail?

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
        inventory.operation = data["operation"].flatMap { HealthOperation(rawValue: $0) } ?? .install
        inventory.nodeCount = data["nodeCount"].flatMap { Int($0) } ?? 0
        inventory.digest = data["digest"]
        inventory.bundles = (data["bundles"] ?? "").split(separator: "\n").map(String.init)
        inventory.failedGeneration = data["failedGeneration"].flatMap { Int($0) } ?? 0
        inventory.failure = data["failure"].flatMap { try? JSON(parsing: $0).decode(ErrorDetail.self) }
        return inventory
    }

    func write(_ api: any ResourceAPI, labels: [String: String]) async throws {
        var data = [
            "objects": JSON.array(objects.map(\.json)).text, "generation": String(generation),
            "succeededGeneration": String(succeededGeneration), "operation": operation.rawValue,
            "nodeCount": String(nodeCount),
        ]
        data["version"] = version
        data["clusterType"] = clusterType
        data["startedAt"] = startedAt?.formatted(.iso8601)
        data["digest"] = digest
        if !bundles.isEmpty { data["bundles"] = bundles.joined(separator: "\n") }
        if failedGeneration > 0 { data["failedGeneration"] = String(failedGeneration) }
        if let failure { data["failure"] = try JSON(encoding: failure).text }
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

    func has(_ generation: Int) -> Bool { succeededGeneration == generation }
}
