import Foundation
import KubeCore
import Synchronization

enum NSTemporaryFolder {
    static func make() -> String {
        let path = NSTemporaryDirectory() + "/outrigger-network-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }
}

/// Lists fixed objects; watches stay silent until they are cancelled.
struct FixedObjects: ResourceAPI {
    var objects: [KubeObject]

    func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList {
        KubeList(items: objects.filter { $0.kind == type.kind }, resourceVersion: "1")
    }

    func watch(_ type: ResourceType, namespace: String?, options: WatchOptions) async throws -> WatchStream {
        WatchStream { _ in }
    }

    func get(_ type: ResourceType, namespace: String?, name: String, subresource: String?) async throws -> KubeObject {
        guard let object = objects.first(where: { $0.kind == type.kind && $0.namespace == namespace && $0.name == name })
        else { throw APIError.notFound(type, name) }
        return object
    }

    func create(
        _ type: ResourceType, namespace: String?, name: String?, subresource: String?, object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject { object }

    func update(
        _ type: ResourceType, namespace: String?, name: String, subresource: String?, object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject { object }

    func patch(
        _ type: ResourceType, namespace: String?, name: String, subresource: String?, patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject { try await get(type, namespace: namespace, name: name, subresource: nil) }

    func delete(
        _ type: ResourceType, namespace: String?, name: String, options: DeleteOptions
    ) async throws -> KubeObject? { nil }

    func deleteCollection(
        _ type: ResourceType, namespace: String?, selection: ListOptions, options: DeleteOptions
    ) async throws {}
}

/// Runs a program and gives its exit status and output.
@discardableResult
func runProgram(_ arguments: [String], environment: [String: String] = [:]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
}
