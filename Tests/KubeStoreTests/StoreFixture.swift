import Foundation
import KubeCore
import KubeStore

/// A database file in a folder of its own.
struct TemporaryStore {
    let path: String
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("kube-store-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.appendingPathComponent("kube.db").path
    }

    /// Copies database and log as they are on disk now: what a machine finds after the process was killed.
    func crashCopy() throws -> TemporaryStore {
        let copy = try TemporaryStore()
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: path + suffix) {
            try FileManager.default.copyItem(atPath: path + suffix, toPath: copy.path + suffix)
        }
        return copy
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }
}

func configMap(_ name: String, namespace: String = "a", value: String = "1") -> KubeObject {
    KubeObject(.configMaps, namespace: namespace, name: name, body: ["data": ["value": .string(value)]])
}

extension ObjectStore {
    @discardableResult
    func put(_ object: KubeObject, over: StoredObject? = nil) async throws -> StoredObject {
        try await commit(
            StoreWrite(
                resource: "configmaps",
                namespace: object.namespace ?? "",
                name: object.name,
                precondition: over.map { .revision($0.revision) } ?? .absent,
                action: .put,
                object: object
            )
        )
    }

    @discardableResult
    func remove(_ stored: StoredObject) async throws -> StoredObject {
        try await commit(
            StoreWrite(
                resource: "configmaps",
                namespace: stored.namespace,
                name: stored.name,
                precondition: .revision(stored.revision),
                action: .delete,
                object: stored.object
            )
        )
    }
}
