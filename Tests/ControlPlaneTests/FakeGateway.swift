import Foundation
import Hummingbird
import HummingbirdTLS
import KubeCore
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import Synchronization

@testable import ControlPlane

/// The gateway's wire, with objects in memory and statuses set by the test.
final class FakeGateway: Service, HTTPResponder {
    typealias Context = BasicRequestContext

    private struct State {
        var objects: [String: JSON] = [:]
        var watchers: [Int: AsyncStream<JSON>.Continuation] = [:]
        var next = 0
    }

    private let state = Mutex(State())
    private let pki: TestPKI
    private let port: Int

    init(_ instance: TestInstance) {
        pki = instance.pki
        port = instance.gatewayPort
    }

    func run() async throws {
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(pki.certificatePEM.utf8)).map {
                .certificate($0)
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(pki.keyPEM.utf8), format: .pem))
        )
        tls.shutdownTimeout = .milliseconds(100)
        let application = Application(
            responder: self,
            server: try .tls(.http1(), tlsConfiguration: tls),
            configuration: .init(address: .hostname("127.0.0.1", port: port)),
            logger: Logger(label: "gateway") { _ in SwiftLogNoOpLogHandler() }
        )
        try await gracefulShutdownEnds { try await application.run() }
    }

    private func gracefulShutdownEnds(_ body: () async throws -> Void) async throws {
        // Watches never end by themselves, so they are ended when the test is over.
        try await withGracefulShutdownHandler(operation: body) { [self] in
            let watchers = state.withLock { state in
                defer { state.watchers = [:] }
                return Array(state.watchers.values)
            }
            for watcher in watchers { watcher.finish() }
        }
    }

    /// `amljobs/NAME` and so on.
    func object(_ key: String) -> JSON? { state.withLock { $0.objects[key] } }

    func setStatus(_ key: String, _ status: JSON) {
        let (event, watchers) = state.withLock { state -> (JSON, [AsyncStream<JSON>.Continuation]) in
            state.objects[key]?["status"] = status
            return (FakeGateway.event("MODIFIED", key, state.objects[key] ?? .null), Array(state.watchers.values))
        }
        for watcher in watchers { watcher.yield(event) }
    }

    private static func event(_ type: String, _ key: String, _ object: JSON) -> JSON {
        ["type": .string(type), "resource": .string(String(key.split(separator: "/")[0])), "object": object]
    }

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        guard request.headers[.authorization] == "Bearer gateway-token" else { return Response(status: .unauthorized) }
        let parts = request.uri.path.split(separator: "/").map(String.init)
        if request.uri.path == "/v1/watch" { return watch() }
        if parts.count == 3, parts[1] == "namespaces" { return answer(["kind": "Namespace"]) }
        guard parts.count == 5 else { return Response(status: .notFound) }
        let key = parts[3] + "/" + parts[4]
        switch request.method {
        case .put:
            let body = try await request.body.collect(upTo: 1 << 20)
            return answer(put(key, try JSON(parsing: body.readableBytesView)))
        case .delete: return remove(key)
        default: return object(key).map(answer) ?? missing(key)
        }
    }

    private func put(_ key: String, _ body: JSON) -> JSON {
        let (event, watchers) = state.withLock { state -> (JSON, [AsyncStream<JSON>.Continuation]) in
            var object = body
            let old = state.objects[key]
            object["status"] = old?["status"]
            object[path: "metadata", "generation"] = JSON((old?["metadata"]?["generation"]?.intValue ?? 0) + 1)
            state.objects[key] = object
            return (FakeGateway.event(old == nil ? "ADDED" : "MODIFIED", key, object), Array(state.watchers.values))
        }
        for watcher in watchers { watcher.yield(event) }
        return event["object"] ?? .null
    }

    private func remove(_ key: String) -> Response {
        let (old, watchers) = state.withLock { state in
            (state.objects.removeValue(forKey: key), Array(state.watchers.values))
        }
        guard let old else { return missing(key) }
        for watcher in watchers { watcher.yield(FakeGateway.event("DELETED", key, old)) }
        return answer(old)
    }

    private func watch() -> Response {
        let (stream, continuation) = AsyncStream.makeStream(of: JSON.self)
        state.withLock { state in
            for (key, object) in state.objects { continuation.yield(FakeGateway.event("ADDED", key, object)) }
            continuation.yield(["type": "SYNCED"])
            state.next += 1
            state.watchers[state.next] = continuation
        }
        return Response(
            status: .ok,
            body: ResponseBody { writer in
                for await event in stream { try await writer.write(ByteBuffer(bytes: event.bytes + [10])) }
                try await writer.finish(nil)
            }
        )
    }

    private func answer(_ json: JSON) -> Response {
        Response(status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.bytes)))
    }

    private func missing(_ key: String) -> Response {
        let status: JSON = [
            "kind": "Status", "code": 404, "reason": "NotFound", "message": .string(key + " not found"),
        ]
        return Response(status: .notFound, body: ResponseBody(byteBuffer: ByteBuffer(bytes: status.bytes)))
    }
}
