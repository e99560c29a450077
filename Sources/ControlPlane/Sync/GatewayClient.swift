internal import AsyncHTTPClient
internal import Foundation
internal import KubeCore
internal import NIOCore
internal import NIOFoundationCompat
internal import NIOHTTP1
internal import NIOSSL

/// Speaks with the gateway of one cluster.
///
/// Where it is and how it proves itself is read from that cluster's API, again after each failure, because an extension that
/// was installed anew has another address, token and certificate.
actor GatewayClient {
    /// The cluster has no gateway: the extension is not installed or not ready.
    struct Missing: Error, CustomStringConvertible {
        var cluster: String
        var detail: String
        var description: String { "cluster '\(cluster)' has no gateway yet: \(detail)" }
    }

    static let host = "gateway.azureml.svc"
    static let namespace = "azureml"

    private struct Connection {
        var client: HTTPClient
        var base: String
        var token: String
    }

    private let target: ClusterTarget
    private var connection: Connection?

    init(_ target: ClusterTarget) { self.target = target }

    /// Sends one request; answers the parsed body.
    ///
    /// - Throws: `APIError` for an answer of the gateway, anything else for a transport that failed.
    @discardableResult
    func send(_ method: String, _ path: String, body: JSON? = nil) async throws -> JSON {
        let connection = try await connect()
        var request = try request(connection, method, path)
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        do {
            let response = try await connection.client.execute(request, timeout: .seconds(30))
            let bytes = try await response.body.collect(upTo: 32 << 20)
            let code = Int(response.status.code)
            if code == 401 || code == 403 || code >= 500 { await reset() }
            guard code < 400 else { throw GatewayClient.error(bytes, code) }
            guard bytes.readableBytes > 0 else { return .null }
            return (try? JSON(parsing: bytes.readableBytesView)) ?? .string(String(buffer: bytes))
        } catch let error as APIError {
            throw error
        } catch {
            await reset()
            throw error
        }
    }

    /// Text of an answer, such as a log.
    func text(_ path: String) async throws -> String {
        let connection = try await connect()
        let response = try await connection.client.execute(try request(connection, "GET", path), timeout: .seconds(30))
        let bytes = try await response.body.collect(upTo: 32 << 20)
        guard response.status.code < 400 else { throw GatewayClient.error(bytes, Int(response.status.code)) }
        return String(buffer: bytes)
    }

    /// Calls `each` with every line of the watch until it ends; silence of 30 s ends it too.
    func watch(_ each: @Sendable (JSON) async throws -> Void) async throws {
        let connection = try await connect()
        do {
            let response = try await connection.client.execute(
                try request(connection, "GET", "/v1/watch"),
                deadline: .distantFuture
            )
            guard response.status.code < 400 else {
                throw GatewayClient.error(try await response.body.collect(upTo: 1 << 20), Int(response.status.code))
            }
            var buffer = ByteBuffer()
            for try await chunk in response.body {
                buffer.writeImmutableBuffer(chunk)
                while let end = buffer.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                    let line = buffer.readBytes(length: end - buffer.readerIndex) ?? []
                    buffer.moveReaderIndex(forwardBy: 1)
                    if !line.allSatisfy({ $0 == 13 || $0 == 32 }) { try await each(try JSON(parsing: line)) }
                }
                buffer.discardReadBytes()
                guard buffer.readableBytes < 32 << 20 else {
                    throw APIError.badRequest("a line of the watch is longer than 32 MiB")
                }
            }
        } catch {
            await reset()
            throw error
        }
    }

    func reset() async {
        guard let old = connection else { return }
        connection = nil
        // Shutting down fails only when it was done before.
        do { try await old.client.shutdown() } catch {}
    }

    private func request(_ connection: Connection, _ method: String, _ path: String) throws -> HTTPClientRequest {
        var request = HTTPClientRequest(url: connection.base + path)
        request.method = .RAW(value: method)
        request.headers.add(name: "Authorization", value: "Bearer " + connection.token)
        return request
    }

    private func connect() async throws -> Connection {
        if let connection { return connection }
        let api = target.api
        guard let tokens = try await api.find(.secrets, namespace: GatewayClient.namespace, name: "gateway-token"),
            let tls = try await api.find(.secrets, namespace: GatewayClient.namespace, name: "gateway-tls"),
            let service = try await api.find(.services, namespace: GatewayClient.namespace, name: "gateway")
        else {
            throw Missing(cluster: target.name, detail: "install the extension or wait until it has succeeded")
        }
        guard let token = GatewayClient.value(tokens, "token"), let ca = GatewayClient.value(tls, "ca.crt"),
            let address = service["spec", "clusterIP"]?.stringValue, address != "None", !address.isEmpty
        else {
            throw Missing(cluster: target.name, detail: "its Secrets or its Service are incomplete")
        }
        let port = service["spec", "ports"]?[0]?["port"]?.intValue ?? 5004
        var configuration = HTTPClient.Configuration()
        var tlsConfiguration = TLSConfiguration.makeClientConfiguration()
        tlsConfiguration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(ca.utf8)))
        tlsConfiguration.shutdownTimeout = .milliseconds(300)
        configuration.tlsConfiguration = tlsConfiguration
        configuration.dnsOverride = [GatewayClient.host: address]
        configuration.timeout = .init(connect: .seconds(5), read: .seconds(30))
        configuration.httpVersion = .http1Only
        // Another caller may have connected while this one waited for the API.
        if let connection { return connection }
        let made = Connection(
            client: HTTPClient(configuration: configuration),
            base: "https://\(GatewayClient.host):\(port)",
            token: token.trimmingCharacters(in: .whitespacesAndNewlines)
        )
        connection = made
        return made
    }

    private static func value(_ secret: KubeObject, _ key: String) -> String? {
        if let text = secret["stringData", key]?.stringValue { return text }
        guard let encoded = secret["data", key]?.stringValue, let data = Data(base64Encoded: encoded) else {
            return nil
        }
        return String(decoding: data, as: UTF8.self)
    }

    private static func error(_ bytes: ByteBuffer, _ code: Int) -> APIError {
        guard let status = try? JSON(parsing: bytes.readableBytesView), status["message"] != nil else {
            return APIError(
                code: code,
                reason: .unknown,
                message: "the gateway answered \(code): \(String(buffer: bytes).prefix(300))"
            )
        }
        return APIError(status: status, code: code)
    }
}
