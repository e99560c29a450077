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
        guard
            let object = objects.first(where: { $0.kind == type.kind && $0.namespace == namespace && $0.name == name })
        else { throw APIError.notFound(type, name) }
        return object
    }

    func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject { object }

    func update(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject { object }

    func patch(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject { try await get(type, namespace: namespace, name: name, subresource: nil) }

    func delete(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        options: DeleteOptions
    ) async throws -> KubeObject? { nil }

    func deleteCollection(
        _ type: ResourceType,
        namespace: String?,
        selection: ListOptions,
        options: DeleteOptions
    ) async throws {}
}

/// Runs a program and gives its exit status and output.
@discardableResult
func runProgram(_ arguments: [String], environment: [String: String] = [:]) throws -> (status: Int32, output: String) {
    let words = environment.map { "\($0.key)=\(quoted($0.value))" } + arguments.map(quoted)
    return runShell(words.joined(separator: " ") + " 2>&1")
}

/// Runs a line of shell.
func runShell(_ line: String) -> (status: Int32, output: String) {
    guard let pipe = popen(line, "r") else { return (-1, "popen failed") }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = fread(&buffer, 1, buffer.count, pipe)
        guard count > 0 else { break }
        output += buffer[0..<count]
    }
    let status = pclose(pipe)
    return (status & 0x7f == 0 ? (status >> 8) & 0xff : -1, String(decoding: output, as: UTF8.self))
}

func quoted(_ word: String) -> String { "'" + word.replacing("'", with: "'\\''") + "'" }
