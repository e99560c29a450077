internal import AsyncHTTPClient
internal import KubeCore
internal import KubeStore
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// Sends reviews to webhooks over HTTPS.
///
/// A Service is resolved to a ready address here, but its certificate must be for `NAME.NAMESPACE.svc`. Connections are kept by
/// address and authorities; the least recently used are closed when there are many. `shutdown` must be called.
actor WebhookCaller {
    /// A call that brought no usable answer.
    struct Failure: Error {
        var message: String
    }

    private struct Target: Hashable {
        var host: String
        var address: String?
        var authorities: String
    }

    private var clients: [Target: HTTPClient] = [:]
    private var order: [Target] = []
    private var isClosed = false
    private static let maximumClients = 64
    private static let maximumBytes = 8 << 20

    /// Posts the review and answers the JSON of the answer.
    ///
    /// - Throws: `Failure` with upstream's words.
    func call(_ webhook: Webhook, _ review: JSON, store: ObjectStore) async throws -> JSON {
        let query = "?timeout=\(webhook.timeoutSeconds)s"
        switch webhook.client {
        case .url(let url):
            guard let host = Self.host(of: url) else { throw Failure(message: "invalid URL \"\(url)\"") }
            let target = Target(host: host, address: nil, authorities: webhook.authorities)
            return try await post(webhook, review, url: url + query, shown: url + query, host: nil, target)
        case .service(let namespace, let name, let path, let port):
            let host = "\(name).\(namespace).svc"
            let rest = (path.isEmpty ? "/" : path.hasPrefix("/") ? path : "/" + path) + query
            let shown = "https://\(host):\(port)\(rest)"
            let found: ServiceEndpoints.Address
            do throws(APIError) {
                found = try ServiceEndpoints(store: store)
                    .resolve(namespace: namespace, name: name, port: .number(port), podsOnly: false)
            } catch {
                let text = error.isNotFound ? "service \"\(name)\" not found" : error.message
                throw Failure(message: "Post \"\(shown)\": \(text)")
            }
            let target = Target(host: host, address: found.host, authorities: webhook.authorities)
            let url = "https://\(host):\(found.port)\(rest)"
            return try await post(webhook, review, url: url, shown: shown, host: "\(host):\(port)", target)
        }
    }

    func shutdown() async {
        isClosed = true
        let all = Array(clients.values)
        clients = [:]
        order = []
        for client in all { try? await client.shutdown() }
    }

    private static func host(of url: String) -> String? {
        guard url.hasPrefix("https://") else { return nil }
        let rest = url.dropFirst("https://".count)
        return String(rest.prefix { $0 != "/" && $0 != "?" })
    }

    // MARK: Clients

    private func client(_ target: Target) throws -> HTTPClient {
        order.removeAll { $0 == target }
        order.append(target)
        if let client = clients[target] { return client }
        if isClosed { throw Failure(message: "the API server is shutting down") }
        var tls = TLSConfiguration.makeClientConfiguration()
        if !target.authorities.isEmpty {
            tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(target.authorities.utf8)))
        }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls,
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(30), read: .seconds(30)),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        if let address = target.address { configuration.dnsOverride[target.host] = address }
        let client = HTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            configuration: configuration
        )
        clients[target] = client
        return client
    }

    private func dropOldest() async {
        while clients.count > Self.maximumClients, let oldest = order.first {
            order.removeFirst()
            if let client = clients.removeValue(forKey: oldest) { try? await client.shutdown() }
        }
    }

    // MARK: Calls

    private func post(
        _ webhook: Webhook,
        _ review: JSON,
        url: String,
        shown: String,
        host: String?,
        _ target: Target
    ) async throws -> JSON {
        let client: HTTPClient
        do {
            client = try self.client(target)
        } catch let error where !(error is Failure) {
            throw Failure(message: "could not get REST client: unable to load root certificates: \(error)")
        }
        await dropOldest()
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "Accept", value: "application/json, */*")
        if let host { request.headers.add(name: "Host", value: host) }
        request.body = .bytes(ByteBuffer(bytes: review.bytes))
        let prepared = request
        let shownAddress = target.address ?? target.host
        do {
            let (code, bytes) = try await withDeadline(.seconds(webhook.timeoutSeconds)) {
                let response = try await client.execute(
                    prepared,
                    deadline: .now() + .seconds(Int64(webhook.timeoutSeconds))
                )
                let body = try await response.body.collect(upTo: Self.maximumBytes)
                return (Int(response.status.code), Array(body.readableBytesView))
            }
            return try Self.answer(code, bytes)
        } catch let error as Failure {
            throw error
        } catch is DeadlinePassed {
            throw Failure(message: "Post \"\(shown)\": context deadline exceeded")
        } catch let error where !(error is CancellationError) {
            throw Failure(message: "Post \"\(shown)\": \(Self.text(error, shownAddress))")
        }
    }

    private static func text(_ error: any Error, _ address: String) -> String {
        switch error {
        case let error as NIOSSLError:
            if case .handshakeFailed = error {
                return "tls: failed to verify certificate: x509: certificate signed by unknown authority (\(error))"
            }
            return "tls: \(error)"
        case let error as NIOSSLExtraError:
            return "tls: failed to verify certificate: x509: \(error)"
        default: return DialError.text(error, address)
        }
    }

    private static func answer(_ code: Int, _ bytes: [UInt8]) throws(Failure) -> JSON {
        let parsed: JSON
        do {
            parsed = try JSON(parsing: bytes)
        } catch {
            guard (200..<300).contains(code) else { throw Failure(message: refusalText(code, bytes)) }
            throw Failure(message: "couldn't get version/kind; json parse error: \(error)")
        }
        guard (200..<300).contains(code) else {
            if parsed["kind"]?.stringValue == "Status", let message = parsed["message"]?.stringValue {
                throw Failure(message: message)
            }
            throw Failure(message: refusalText(code, bytes))
        }
        return parsed
    }

    /// As a Kubernetes client words an answer that is no Status.
    private static func refusalText(_ code: Int, _ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes.prefix(2048), as: UTF8.self).trimmingSpaces()
        switch code {
        case 400: return "the server rejected our request for an unknown reason"
        case 401: return "the server has asked for the client to provide credentials"
        case 403: return text.isEmpty ? "forbidden" : text
        case 404: return "the server could not find the requested resource"
        case 405: return "the server does not allow this method on the requested resource"
        case 409: return "the server reported a conflict"
        case 422: return "the server rejected our request due to an error in our request"
        case 429: return "the server has received too many requests and has asked us to try again later"
        case 503: return "the server is currently unable to handle the request"
        case 504:
            return "the server was unable to return a response in the time allotted, but may still be processing the "
                + "request"
        case 500...:
            return "an error on the server (\(JSON.string(text).text)) has prevented the request from succeeding"
        default: return "the server responded with the status code \(code) but did not return more details"
        }
    }
}

/// The time for a piece of work ran out.
struct DeadlinePassed: Error {}

/// Runs `body`, and gives it up when `limit` is over.
///
/// - Throws: `DeadlinePassed`, or what `body` throws.
func withDeadline<T: Sendable>(
    _ limit: Duration,
    _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let result = first else { throw DeadlinePassed() }
        return result
    }
}
