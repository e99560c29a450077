import Crypto
import Foundation
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization
import SwiftASN1
import X509

@testable import Relay

/// A certificate for 127.0.0.1 that is its own authority.
struct TestPair: Sendable {
    var certificate: String
    var key: String

    static func make() throws -> TestPair {
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName { CommonName("control plane") }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: .init(key.publicKey),
            notValidBefore: .now.addingTimeInterval(-60),
            notValidAfter: .now.addingTimeInterval(3600),
            issuer: name,
            subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                SubjectAlternativeNames([.ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1]))])
            },
            issuerPrivateKey: .init(key)
        )
        return TestPair(certificate: try certificate.serializeAsPEM().pemString, key: key.pemRepresentation)
    }
}

/// Listens as the control plane does, without the REST side.
final class TestListener: Sendable {
    private let server: NIOAsyncChannel<EventLoopFuture<RelayConnection>, Never>
    private let hub: RelayHub

    var port: Int { server.channel.localAddress?.port ?? 0 }

    init(_ hub: RelayHub, _ pair: TestPair, alpn: String = RelayProtocol.alpn) async throws {
        self.hub = hub
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(pair.certificate.utf8)).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem))
        )
        tls.applicationProtocols = [alpn, "http/1.1"]
        tls.shutdownTimeout = .milliseconds(100)
        let context = try NIOSSLContext(configuration: tls)
        server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
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

/// Answers by path, and counts.
final class TestUpstream: RelayUpstream {
    struct Seen: Sendable {
        var requests: [String] = []
        var cancelled = 0
        var bytes = 0
        var produced = 0
    }

    let seen = Mutex(Seen())
    private let gates = Mutex<[CheckedContinuation<Void, Never>]>([])
    let isHolding = Mutex(false)

    func send(_ request: RelayRequest) async throws -> RelayResponse {
        seen.withLock { $0.requests.append("\(request.method) \(request.path)") }
        switch request.path.split(separator: "?")[0] {
        case "/v1/echo":
            var bytes: [UInt8] = []
            for try await piece in request.body { bytes += piece }
            let id = request.header("outrigger-command-id") ?? ""
            return RelayResponse(status: 200, headers: [("x-id", id)], body: .of(bytes))
        case "/v1/count":
            for try await piece in request.body { seen.withLock { $0.bytes += piece.count } }
            return RelayResponse(status: 200, body: .of(Array("\(seen.withLock { $0.bytes })".utf8)))
        case "/v1/slow":
            // Reads one piece and then nothing for as long as the stream is there.
            var pieces = request.body.makeAsyncIterator()
            _ = try await pieces.next()
            return try await hang()
        // Answers without reading.
        case "/v1/refuse": return RelayResponse(status: 409, body: .of(Array("not now".utf8)))
        case "/v1/endless": return RelayResponse(status: 200, body: endless())
        case "/v1/hang": return try await hang()
        case "/v1/fail": throw RelayError(.timeout, "no gateway", remedy: nil)
        default: return RelayResponse(status: 404, body: .of([]))
        }
    }

    private func hang() async throws -> RelayResponse {
        do {
            try await Task.sleep(for: .seconds(3600))
        } catch {
            seen.withLock { $0.cancelled += 1 }
            throw error
        }
        return RelayResponse(status: 500, body: .of([]))
    }

    private func endless() -> RelayBytes {
        RelayBytes { [self] in
            seen.withLock { $0.produced += 64 << 10 }
            return [UInt8](repeating: 7, count: 64 << 10)
        }
    }
}

/// A hub, a listener and helpers for relays and proxies between them.
struct Bench: Sendable {
    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    static let keepalive = RelayKeepalive(interval: .milliseconds(100), limit: .seconds(3))

    /// For tests about silence, which would otherwise take long.
    static let impatient = RelayKeepalive(interval: .milliseconds(50), limit: .seconds(1))

    let hub: RelayHub
    let listener: TestListener
    let pair: TestPair
    let upstream = TestUpstream()
    let tokens: TokenBook

    /// Starts the control plane's side and ends everything after `body`.
    static func run(
        keepalive: RelayKeepalive = Bench.keepalive,
        maximumStreams: Int = 100,
        _ body: (Bench, inout ThrowingTaskGroup<Void, any Error>) async throws -> Void
    ) async throws {
        let pair = try TestPair.make()
        let tokens = TokenBook()
        let hub = RelayHub(
            authorize: { tokens.grant($0) },
            version: "test",
            keepalive: keepalive,
            maximumStreams: maximumStreams,
            logger: quiet
        )
        let listener = try await TestListener(hub, pair)
        let bench = Bench(hub: hub, listener: listener, pair: pair, tokens: tokens)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            let result: Result<Void, any Error>
            do {
                try await body(bench, &group)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            group.cancelAll()
            while let ended = await group.nextResult() { _ = ended }
            try result.get()
        }
    }

    func relay(
        port: Int? = nil,
        keepalive: RelayKeepalive = Bench.keepalive,
        drain: Duration = .seconds(5),
        token: (@Sendable () throws -> String)? = nil,
        onChange: @escaping @Sendable (Bool) -> Void = { _ in }
    ) -> RelayServer {
        let tokens = tokens
        return RelayServer(
            configuration: RelayServerConfiguration(
                host: "127.0.0.1",
                port: port ?? listener.port,
                authorityPEM: pair.certificate,
                token: token ?? { tokens.current },
                version: "1.2.3",
                keepalive: keepalive,
                drain: drain,
                handshake: .seconds(5)
            ),
            upstream: upstream,
            logger: Self.quiet,
            onChange: onChange
        )
    }

    func send(
        _ path: String,
        method: String = "GET",
        headers: [RelayHeader] = [],
        body: RelayBody = .empty,
        limits: RelayLimits = RelayLimits(head: .seconds(20), silence: .seconds(20), total: nil)
    ) async throws -> RelayResponse {
        try await hub.send(cluster: "rg/c", method: method, path: path, headers: headers, body: body, limits: limits)
    }
}

/// The tokens that are good, and the one in the relay's file.
final class TokenBook: Sendable {
    private struct State {
        var current = "good"
        var grants: [String: RelayGrant] = ["good": RelayGrant(cluster: "rg/c", lifetime: .seconds(3600))]
        var asked: [String] = []
    }

    private let state = Mutex(State())

    var current: String { state.withLock { $0.current } }
    var asked: [String] { state.withLock { $0.asked } }

    func set(_ token: String, lifetime: Duration, cluster: String = "rg/c") {
        state.withLock {
            $0.current = token
            $0.grants[token] = RelayGrant(cluster: cluster, lifetime: lifetime)
        }
    }

    func revoke(_ token: String) { state.withLock { $0.grants[token] = nil } }

    func grant(_ token: String) -> RelayGrant? {
        state.withLock {
            $0.asked.append(token)
            return $0.grants[token]
        }
    }
}
