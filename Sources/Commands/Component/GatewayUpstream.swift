internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import Relay
internal import ServiceLifecycle

/// Hands what comes through the tunnel to the cluster's gateway, with the gateway's token.
///
/// Token and certificate authority are files that the extension agent renews; both are looked at for every request.
actor GatewayUpstream: RelayUpstream, Service {
    struct Configuration: Sendable {
        /// Address of the gateway, such as `https://gateway.azureml.svc:5004`.
        var url: String
        var tokenFile: String
        var authorityFile: String
    }

    private struct Client {
        var authority: Data
        var client: HTTPClient
    }

    private let configuration: Configuration
    private var present: Client?

    init(_ configuration: Configuration) { self.configuration = configuration }

    /// Closes the connections when the component stops.
    func run() async throws {
        // It ends by the shutdown or by cancellation; both come to the same here.
        do { try await gracefulShutdown() } catch {}
        guard let last = present else { return }
        present = nil
        try await last.client.shutdown()
    }

    nonisolated func send(_ request: RelayRequest) async throws -> RelayResponse {
        let client = try await client()
        let token = try String(contentsOfFile: configuration.tokenFile, encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        var outgoing = HTTPClientRequest(url: configuration.url + request.path)
        outgoing.method = HTTPMethod(rawValue: request.method)
        outgoing.headers = HTTPHeaders(request.headers.filter { $0.name != "content-length" })
        outgoing.headers.replaceOrAdd(name: "authorization", value: "Bearer " + token)
        if request.method != "GET" {
            outgoing.body = .stream(
                request.body.map { ByteBuffer(bytes: $0) },
                length: request.header("content-length").flatMap { Int64($0) }.map { .known($0) } ?? .unknown
            )
        }
        let answer = try await client.execute(outgoing, deadline: .distantFuture)
        let pieces = GatewayPieces(answer.body)
        return RelayResponse(
            status: Int(answer.status.code),
            headers: answer.headers.map { ($0.name.lowercased(), $0.value) },
            body: RelayBytes { try await pieces.next() }
        )
    }

    private func client() async throws -> HTTPClient {
        let authority = try Data(contentsOf: URL(filePath: configuration.authorityFile))
        if let present, present.authority == authority { return present.client }
        let old = present
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority)))
        tls.shutdownTimeout = .milliseconds(300)
        var settings = HTTPClient.Configuration(tlsConfiguration: tls)
        settings.httpVersion = .http1Only
        // The gateway's token goes to the gateway alone.
        settings.redirectConfiguration = .disallow
        // The gateway beats every ten seconds on what has no end.
        settings.timeout = .init(connect: .seconds(5), read: .seconds(60))
        let made = HTTPClient(configuration: settings)
        present = Client(authority: authority, client: made)
        // Requests under way on the old one end with an error, as its certificate is no longer good.
        try await old?.client.shutdown()
        return made
    }
}

/// Hands out the pieces of a body as they are pulled.
///
/// Unchecked: only the stream that owns it uses it, and a stream has one consumer at a time.
private final class GatewayPieces: @unchecked Sendable {
    private var iterator: HTTPClientResponse.Body.AsyncIterator

    init(_ body: HTTPClientResponse.Body) { iterator = body.makeAsyncIterator() }

    func next() async throws -> [UInt8]? { try await iterator.next().map { Array($0.readableBytesView) } }
}
