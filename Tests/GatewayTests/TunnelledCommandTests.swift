import Foundation
import KubeCore
import KubeRuntime
import Logging
import MLTypes
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Relay
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@testable import Gateway

/// Commands from the control plane's hub through a tunnel that is cut again and again, to a gateway and its cluster.
@Suite(.timeLimit(.minutes(1))) struct TunnelledCommandTests {
    @Test func `Commands across cuts are carried out once each, in the end all`() async throws {
        let counting = Mutex<CountingAPI?>(nil)
        try await withGatewayBench(decorate: { api in
            let made = CountingAPI(api)
            counting.withLock { $0 = made }
            return made
        }) { bench in
            let api = try #require(counting.withLock { $0 })
            try await withTunnel(bench) { hub, proxy in
                proxy.setCutEvery(40_000)
                proxy.cut()
                var next = 1
                for round in 0..<6 {
                    for object in 0..<5 {
                        let padding = String(repeating: "x", count: 6_000)
                        let body = job("j\(object)", "echo \(round) \(padding)")
                        try await carryOut(hub, "PUT", "j\(object)", body, command: next)
                        next += 1
                    }
                }
                for object in 0..<2 {
                    try await carryOut(hub, "DELETE", "j\(object)", nil, command: next)
                    next += 1
                }
                #expect(proxy.cuts >= 3)
                proxy.setCutEvery(nil)
                let left = try await bench.api.list(MLResources.amlJobs, namespace: "default").items
                #expect(left.map(\.name).sorted() == ["j2", "j3", "j4"])
                #expect(left.allSatisfy { $0["spec", "command"]?.stringValue?.hasPrefix("echo 5 ") == true })
                // Not one written twice, none left out.
                #expect(api.written.withLock { $0 } == Array(1...30))
            }
        }
    }

    /// As the outbox does it: again and again with the same number, until an answer comes.
    private func carryOut(_ hub: RelayHub, _ method: String, _ name: String, _ body: JSON?, command: Int) async throws {
        try await eventuallyTrue("command \(command)", timeout: .seconds(20)) {
            let answer: RelayResponse
            do {
                answer = try await hub.send(
                    cluster: "rg/c",
                    method: method,
                    path: "/v1/namespaces/default/amljobs/\(name)",
                    headers: [("Outrigger-Command-Id", String(command))],
                    body: body.map { .bytes($0.bytes) } ?? .empty
                )
                _ = try await answer.collect(upTo: 1 << 20)
            } catch is RelayError {
                return false
            }
            return answer.status == 200 || (method == "DELETE" && answer.status == 404)
        }
    }

    private func job(_ name: String, _ command: String) -> JSON {
        [
            "apiVersion": "amlarc.azureml.com/v1alpha1", "kind": "AmlJob",
            "metadata": ["name": .string(name), "namespace": "default"],
            "spec": ["jobId": .string(name), "command": .string(command), "environment": [:], "compute": "c"],
        ]
    }

    private func withTunnel(_ bench: GatewayBench, _ body: (RelayHub, TestProxy) async throws -> Void) async throws {
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let hub = RelayHub(
            authorize: { $0 == "relay" ? RelayGrant(cluster: "rg/c", lifetime: .seconds(600)) : nil },
            logger: quiet
        )
        let pair = try TestPair.make()
        let listener = try await HubListener(hub, pair)
        let proxy = try await TestProxy(to: listener.port)
        let port = try #require(bench.gateway.boundPort)
        let client = try GatewayTestClient(port: port, authority: bench.pair.certificate)
        let relay = RelayServer(
            configuration: RelayServerConfiguration(
                host: "localhost",
                port: proxy.port,
                authorityPEM: pair.certificate,
                token: { "relay" },
                version: "1"
            ),
            upstream: ClientUpstream(client: client),
            logger: quiet
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            group.addTask { try await relay.run() }
            let result = await Result<Void, any Error>.catching {
                try await eventuallyTrue("connected") { hub.isConnected("rg/c") }
                try await body(hub, proxy)
            }
            group.cancelAll()
            while let ended = await group.nextResult() { _ = ended }
            await proxy.stop()
            try await client.shutDown()
            try result.get()
        }
    }
}

/// Sends to the gateway as the relay component does.
private struct ClientUpstream: RelayUpstream {
    let client: GatewayTestClient

    func send(_ request: RelayRequest) async throws -> RelayResponse {
        var bytes: [UInt8] = []
        for try await piece in request.body { bytes += piece }
        let answer = try await client.send(
            request.method,
            request.path,
            body: bytes.isEmpty ? nil : try JSON(parsing: bytes),
            command: request.header("outrigger-command-id").flatMap { Int($0) }
        )
        return RelayResponse(status: answer.status, body: .of(Array(answer.text.utf8)))
    }
}

/// The hub behind TLS, without the REST side.
private struct HubListener {
    private let server: NIOAsyncChannel<EventLoopFuture<RelayConnection>, Never>
    private let hub: RelayHub

    var port: Int { server.channel.localAddress?.port ?? 0 }

    init(_ hub: RelayHub, _ pair: TestPair) async throws {
        self.hub = hub
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(pair.certificate.utf8)).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem))
        )
        tls.applicationProtocols = [RelayProtocol.alpn]
        tls.shutdownTimeout = .milliseconds(100)
        let context = try NIOSSLContext(configuration: tls)
        server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    let handler = NIOTypedApplicationProtocolNegotiationHandler<RelayConnection> { _, channel in
                        channel.eventLoop.makeCompletedFuture { try hub.prepare(channel) }
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                    return handler.protocolNegotiationResult
                }
            }
    }

    func run() async throws {
        try await server.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    group.addTask {
                        guard let connection = try? await connection.get() else { return }
                        await self.hub.serve(connection)
                    }
                }
            }
        }
    }
}

/// Notes the command of every object that is applied.
private final class CountingAPI: ForwardingAPI {
    let written = Mutex<[Int]>([])
    let base: any ResourceAPI

    init(_ base: any ResourceAPI) { self.base = base }

    func patch(
        _ type: ResourceType,
        namespace: String?,
        name: String,
        subresource: String?,
        patch: Patch,
        options: WriteOptions
    ) async throws -> KubeObject {
        let object = try await base.patch(
            type,
            namespace: namespace,
            name: name,
            subresource: subresource,
            patch: patch,
            options: options
        )
        if let command = object.annotations[CommandDecision.annotation].flatMap({ Int($0) }) {
            written.withLock { $0.append(command) }
        }
        return object
    }
}
