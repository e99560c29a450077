import AsyncHTTPClient
import ControlPlaneAPI
import ControlPlaneClient
import Foundation
import KubeCore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import Relay
import Synchronization

import class TestSupport.TestProxy

@testable import ControlPlane

/// Sends what comes through the tunnel to the fake gateway, as the relay component does, and counts.
final class FakeGatewayUpstream: RelayUpstream {
    let requests = Mutex<[String]>([])
    private let client: HTTPClient
    private let port: Int

    init(_ instance: TestInstance) throws {
        port = instance.gatewayPort
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(instance.pki.caPEM.utf8)))
        tls.shutdownTimeout = .milliseconds(100)
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.httpVersion = .http1Only
        client = HTTPClient(configuration: configuration)
    }

    func shutdown() async throws { try await client.shutdown() }

    func send(_ request: RelayRequest) async throws -> RelayResponse {
        requests.withLock { $0.append("\(request.method) \(request.path)") }
        var outgoing = HTTPClientRequest(url: "https://127.0.0.1:\(port)" + request.path)
        outgoing.method = .init(rawValue: request.method)
        outgoing.headers.add(name: "authorization", value: "Bearer gateway-token")
        var bytes: [UInt8] = []
        for try await piece in request.body { bytes += piece }
        if !bytes.isEmpty { outgoing.body = .bytes(bytes) }
        let answer = try await client.execute(outgoing, deadline: .distantFuture)
        let pieces = Pieces(answer.body)
        return RelayResponse(status: Int(answer.status.code), body: RelayBytes { try await pieces.next() })
    }

    /// Unchecked: one reader at a time.
    private final class Pieces: @unchecked Sendable {
        private var iterator: HTTPClientResponse.Body.AsyncIterator
        init(_ body: HTTPClientResponse.Body) { iterator = body.makeAsyncIterator() }
        func next() async throws -> [UInt8]? { try await iterator.next().map { Array($0.readableBytesView) } }
    }
}

extension TestInstance {
    /// A relay that has not started yet.
    func relay(
        port: Int,
        _ upstream: FakeGatewayUpstream,
        _ token: @escaping @Sendable () throws -> String
    ) -> RelayServer {
        RelayServer(
            configuration: RelayServerConfiguration(
                host: "127.0.0.1",
                port: port,
                authorityPEM: pki.caPEM,
                token: token,
                version: "1",
                keepalive: RelayKeepalive(interval: .milliseconds(200), limit: .seconds(3))
            ),
            upstream: upstream,
            logger: Logger(label: "relay") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    /// Runs `body` while a relay keeps a tunnel of a cluster to the control plane, through a proxy.
    func withRelay(
        _ token: @escaping @Sendable () throws -> String,
        _ body: (RelayServer, TestProxy, FakeGatewayUpstream) async throws -> Void
    ) async throws {
        let upstream = try FakeGatewayUpstream(self)
        let proxy = try await TestProxy(to: port)
        let relay = relay(port: proxy.port, upstream, token)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await relay.run() }
            let result: Result<Void, any Error>
            do {
                try await body(relay, proxy, upstream)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            group.cancelAll()
            while let ended = await group.nextResult() { _ = ended }
            await proxy.stop()
            try await upstream.shutdown()
            try result.get()
        }
    }

    /// Registers the connected cluster `edge` and says that its extension is ready.
    func prepareEdge(_ plane: ControlPlane, _ client: ControlPlaneClient) async throws -> any ExtensionLink {
        let id = connectedID("edge")
        _ = try await client.put(id, Self.connected(ClusterAgentKey()))
        let link = plane.link(clusterType: "connectedClusters", resourceGroup: "fleet", clusterName: "edge")
        try await link.heartbeat(Self.heartbeat)
        try await install(client, on: id)
        for await wanted in await link.work() {
            guard let first = wanted.extensions.first else { continue }
            try await link.report(Self.succeeded(first))
            break
        }
        return link
    }

    /// Attaches the compute `far`, for which the cluster's gateway must answer.
    func attachFar(_ client: ControlPlaneClient) async throws {
        _ = try await client.put(
            ids.compute("far"),
            [
                "properties": [
                    "computeType": "Kubernetes", "resourceId": .string(connectedID("edge")),
                    "properties": ["namespace": "default"],
                ]
            ]
        )
        _ = try await client.put(ids.version("environments", "e", "1"), ["properties": ["image": "python:3.11"]])
    }

    func submit(far name: String, _ client: ControlPlaneClient) async throws {
        _ = try await client.put(
            ids.job(name),
            [
                "properties": [
                    "jobType": "Command", "command": "echo hi", "computeId": .string(ids.compute("far")),
                    "environmentId": .string(ids.version("environments", "e", "1")), "experimentName": "exp",
                ]
            ]
        )
    }
}
