internal import AsyncHTTPClient
internal import KubeCore
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL

/// HTTPS to the address of the gateway's Service.
///
/// Where it is and how it proves itself is read from the cluster's API, again after each failure, because an extension that
/// was installed anew has another address, token and certificate.
actor DirectTransport: GatewayTransport {
    private struct Connection {
        var client: HTTPClient
        var base: String
        var token: String
    }

    private let api: any ResourceAPI
    private let cluster: String
    private var connection: Connection?

    init(api: any ResourceAPI, cluster: String) {
        self.api = api
        self.cluster = cluster
    }

    func send(_ call: GatewayCall) async throws -> GatewayReply {
        let connection = try await connect()
        var request = HTTPClientRequest(url: connection.base + call.path)
        request.method = .RAW(value: call.method)
        request.headers.add(name: "Authorization", value: "Bearer " + connection.token)
        for header in call.headers { request.headers.add(name: header.name, value: header.value) }
        if let body = call.body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let response =
            call.isEndless
            ? try await connection.client.execute(request, deadline: .distantFuture)
            : try await connection.client.execute(request, timeout: .seconds(30))
        let pieces = BodyReader(response.body)
        return GatewayReply(status: Int(response.status.code), body: AsyncThrowingStream { try await pieces.next() })
    }

    func reset() async {
        guard let old = connection else { return }
        connection = nil
        // Shutting down fails only when it was done before.
        do { try await old.client.shutdown() } catch {}
    }

    private func connect() async throws -> Connection {
        if let connection { return connection }
        let token = try await GatewaySecret.token(api, cluster: cluster)
        let authority = try await GatewaySecret.authority(api, cluster: cluster)
        let service = try await GatewaySecret.service(api, cluster: cluster)
        var configuration = HTTPClient.Configuration()
        var tlsConfiguration = TLSConfiguration.makeClientConfiguration()
        tlsConfiguration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.utf8)))
        tlsConfiguration.shutdownTimeout = .milliseconds(300)
        configuration.tlsConfiguration = tlsConfiguration
        configuration.dnsOverride = [GatewaySecret.host: service.address]
        configuration.timeout = .init(connect: .seconds(5), read: .seconds(30))
        configuration.httpVersion = .http1Only
        // A gateway answers itself; what it says must not send the control plane elsewhere.
        configuration.redirectConfiguration = .disallow
        // Another caller may have connected while this one waited for the API.
        if let connection { return connection }
        let made = Connection(
            client: HTTPClient(configuration: configuration),
            base: "https://\(GatewaySecret.host):\(service.port)",
            token: token
        )
        connection = made
        return made
    }
}

/// Hands out the pieces of a body as they are pulled.
///
/// Unchecked: only the stream that owns it uses it, and a stream has one consumer at a time.
private final class BodyReader: @unchecked Sendable {
    private var iterator: HTTPClientResponse.Body.AsyncIterator

    init(_ body: HTTPClientResponse.Body) { iterator = body.makeAsyncIterator() }

    func next() async throws -> [UInt8]? { try await iterator.next().map { Array($0.readableBytesView) } }
}
