import Foundation
import KubeCore
import Synchronization

import protocol TestSupport.ForwardingAPI
import struct TestSupport.RefusingAPI

@testable import ControlPlane

/// A cluster behind a kubeconfig, with the gateway behind its service proxy; faults are set by the test.
final class FakeCluster: ClusterAPI, ForwardingAPI {
    struct Fault: Error, CustomStringConvertible {
        var description: String
    }

    struct State {
        /// Thrown when a kubeconfig is opened.
        var openFault: String?
        /// Thrown by every call.
        var fault: String?
        var versionStatus = 200
        var listError: APIError?
        /// Rights that are refused, as `ClusterRight` writes them; nil = an administrator.
        var refused: Set<String>?
        var opened: [String] = []
        var closed = 0
        /// `PUT /v1/…` of requests that came through the proxy.
        var proxied: [String] = []
        var headers: [[String: String]] = []
        var bodies: [String: JSON] = [:]
        var watches = 0
        var endedWatches = 0
    }

    let base: any ResourceAPI = RefusingAPI()
    let state = Mutex(State())

    func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }
    func get<T: Sendable>(_ read: (State) -> T) -> T { state.withLock { read($0) } }

    func open(_ text: String) throws -> any ClusterAPI {
        try state.withLock { state in
            if let fault = state.openFault { throw Fault(description: fault) }
            state.opened.append(text)
        }
        return self
    }

    func close() async { state.withLock { $0.closed += 1 } }

    private func check() throws {
        if let fault = get({ $0.fault }) { throw Fault(description: fault) }
    }

    func get(_ type: ResourceType, namespace: String?, name: String, subresource: String?) async throws -> KubeObject {
        try check()
        switch (type.plural, name) {
        case ("namespaces", "default"): return KubeObject(["metadata": ["name": "default"]])
        case ("secrets", "gateway-token"):
            let token = Data("remote-token".utf8).base64EncodedString()
            return KubeObject(["data": ["token": .string(token)]])
        default: throw APIError.notFound(type, name)
        }
    }

    func list(_ type: ResourceType, namespace: String?, options: ListOptions) async throws -> KubeList {
        try check()
        if let error = get({ $0.listError }) { throw error }
        return KubeList(items: [KubeObject(["metadata": ["name": "n1"]])], resourceVersion: "1")
    }

    func create(
        _ type: ResourceType,
        namespace: String?,
        name: String?,
        subresource: String?,
        object: KubeObject,
        options: WriteOptions
    ) async throws -> KubeObject {
        try check()
        let wanted = object["spec", "resourceAttributes"] ?? .null
        var resource = wanted["resource"]?.stringValue ?? ""
        if let part = wanted["subresource"]?.stringValue { resource += "/" + part }
        let right = ClusterRight(
            wanted["verb"]?.stringValue ?? "",
            resource,
            group: wanted["group"]?.stringValue ?? "",
            namespace: wanted["namespace"]?.stringValue
        )
        let refused = get { $0.refused }
        var review = object
        let isAllowed = refused.map { right.verb != "*" && !$0.contains(right.description) } ?? true
        review["status", "allowed"] = .bool(isAllowed)
        return review
    }

    func proxy(
        method: String,
        path: String,
        headers: [String: String],
        body: [UInt8]
    ) async throws -> (status: Int, body: AsyncThrowingStream<[UInt8], any Error>) {
        try check()
        if path == "/version" {
            let status = get { $0.versionStatus }
            return (status, Self.body(status == 200 ? ["gitVersion": "v1.36.0"] : [:]))
        }
        let prefix = "/api/v1/namespaces/azureml/services/https:gateway:5004/proxy"
        guard path.hasPrefix(prefix) else { return (404, Self.body([:])) }
        let rest = String(path.dropFirst(prefix.count))
        let json = body.isEmpty ? JSON.null : try JSON(parsing: body)
        state.withLock { state in
            state.proxied.append("\(method) \(rest)")
            state.headers.append(headers)
            if method == "PUT" { state.bodies[rest] = json }
        }
        if rest == "/v1/watch" { return (200, watch()) }
        return (200, Self.body(json.isNull ? [:] : json))
    }

    private func watch() -> AsyncThrowingStream<[UInt8], any Error> {
        state.withLock { $0.watches += 1 }
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: [UInt8].self)
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.endedWatches += 1 } }
        continuation.yield(JSON.object(["type": "SYNCED"]).bytes + [10])
        return stream
    }

    private static func body(_ json: JSON) -> AsyncThrowingStream<[UInt8], any Error> {
        AsyncThrowingStream { continuation in
            continuation.yield(json.bytes)
            continuation.finish()
        }
    }
}
