import Foundation
import KubeCore
import Synchronization
import Testing

@testable import ControlPlane

@Suite(.timeLimit(.minutes(1))) struct RelayTransportTests {
    @Test func `Through the service proxy the token travels in a header of its own`() async throws {
        let proxy = RecordingProxy(answers: [
            (200, #"{"a":1}"#), (401, #"{"message":"no","code":401}"#), (200, ""),
            (404, #"{"message":"services \"https:gateway:5004\" not found","code":404,"details":{"kind":"services"}}"#),
            (404, #"{"message":"amljobs \"a\" not found","code":404,"details":{"kind":"amljobs"}}"#),
        ])
        let tokens = TokenAPI()
        let client = GatewayClient(
            cluster: "c",
            transport: ServiceProxyTransport(proxy: proxy, api: tokens.api("one"), cluster: "c")
        )
        let path = "/v1/namespaces/ns/amljobs/a"
        #expect(try await client.send("PUT", path, body: ["b": 2], command: 7)["a"] == 1)
        let call = try #require(proxy.calls.withLock { $0.first })
        #expect(call.path == "/api/v1/namespaces/azureml/services/https:gateway:5004/proxy" + path)
        #expect(call.headers["Outrigger-Authorization"] == "Bearer one" && call.headers["Authorization"] == nil)
        #expect(call.headers["Outrigger-Command-Id"] == "7" && call.body == Array(#"{"b":2}"#.utf8))
        let refused = await #expect(throws: APIError.self) { try await client.send("GET", path) }
        #expect(refused?.code == 401)
        #expect(try await client.send("DELETE", path) == .null)
        // The API server does not know the Service: that says nothing of the object.
        await #expect(throws: GatewayClient.Missing.self) { try await client.send("DELETE", path) }
        let absent = await #expect(throws: APIError.self) { try await client.send("DELETE", path) }
        #expect(absent?.isNotFound == true)
    }

    @Test func `A watch that falls silent ends`() async throws {
        let client = GatewayClient(cluster: "c", transport: SilentTransport(), silenceLimit: .milliseconds(100))
        let lines = Mutex(0)
        await #expect(throws: GatewayClient.TimedOut.self) {
            try await client.watch { _ in lines.withLock { $0 += 1 } }
        }
        #expect(lines.withLock { $0 } == 1)
    }

    @Test func `An exchange that takes too long ends`() async throws {
        let client = GatewayClient(cluster: "c", transport: SilentTransport(), exchangeLimit: .milliseconds(100))
        await #expect(throws: GatewayClient.TimedOut.self) { try await client.send("GET", "/v1/cluster") }
    }

    @Test func `Lines are cut from pieces of any size, without heartbeats`() throws {
        var lines = LineSplitter()
        #expect(try lines.add(Array("{\"a\"".utf8)).isEmpty)
        #expect(try lines.add(Array(":1}\n\n \r\n{}\n{".utf8)) == [Array("{\"a\":1}".utf8), Array("{}".utf8)])
        #expect(try lines.add(Array("}\n".utf8)) == [Array("{}".utf8)])
    }

    @Test func `Commands are numbered upwards, never below the time`() async throws {
        let folder = NSTemporaryDirectory() + "outbox-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try ControlPlaneStore(path: folder + "/controlplane.db")
        let before = Int(Date().timeIntervalSince1970 * 1000)
        let numbers = try await store.write { t in
            for name in ["a", "b", "a"] {
                try t.enqueue(name, cluster: "c", resource: "amljobs", namespace: "ns", name: name)
            }
            return try t.outbox(cluster: "c").map { ($0.name, $0.sequence) }
        }
        let byName = Dictionary(uniqueKeysWithValues: numbers)
        let a = try #require(byName["a"])
        let b = try #require(byName["b"])
        #expect(a > b && b >= before)
        try store.close()
    }

    @Test func `Who ends work late does not take later work of the same key along`() async throws {
        let folder = NSTemporaryDirectory() + "outbox-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try ControlPlaneStore(path: folder + "/controlplane.db")
        let left = try await store.write { t in
            func enqueue() throws -> [OutboxItem] {
                try t.enqueue("a", cluster: "c", resource: "amljobs", namespace: "ns", name: "a")
                return try t.outbox(cluster: "c")
            }
            // Two that push at once, as while a cluster is registered anew, read the same row.
            let early = try enqueue()
            for item in early { try t.finish(item) }
            let late = try enqueue()
            for item in early {
                try t.fail(item, "late")
                try t.finish(item)
            }
            #expect(early.map(\.version) == late.map(\.version))
            return try t.outbox(cluster: "c").map { $0.error ?? "" }
        }
        #expect(left == [""])
        try store.close()
    }
}

private final class RecordingProxy: ServiceProxying {
    struct Call {
        var path: String
        var headers: [String: String]
        var body: [UInt8]
    }

    let calls = Mutex<[Call]>([])
    private let answers: Mutex<[(Int, String)]>

    init(answers: [(Int, String)]) { self.answers = Mutex(answers) }

    func proxy(
        method: String,
        path: String,
        headers: [String: String],
        body: [UInt8]
    ) async throws -> (status: Int, body: AsyncThrowingStream<[UInt8], any Error>) {
        calls.withLock { $0.append(Call(path: path, headers: headers, body: body)) }
        let (status, text) = answers.withLock { $0.removeFirst() }
        return (
            status,
            AsyncThrowingStream { continuation in
                continuation.yield(Array(text.utf8))
                continuation.finish()
            }
        )
    }
}

private struct TokenAPI {
    func api(_ token: String) -> FixedResourceAPI {
        FixedResourceAPI(objects: [
            "secrets/gateway-token": ["data": ["token": .string(Data(token.utf8).base64EncodedString())]]
        ])
    }
}

/// Answers one line and then nothing.
private struct SilentTransport: GatewayTransport {
    func send(_ call: GatewayCall) async throws -> GatewayReply {
        GatewayReply(status: 200, body: AsyncThrowingStream { $0.yield(Array("{}\n".utf8)) })
    }

    func reset() async {}
}
