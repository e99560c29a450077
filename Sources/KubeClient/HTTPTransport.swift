internal import AsyncHTTPClient
internal import KubeCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// Requests to one API server: TLS, credentials, retries and the translation of errors.
final class HTTPTransport: Sendable {
    /// One request.
    struct Call: Sendable {
        var method: HTTPMethod
        var path: String
        var query: [(String, String)]
        var body: [UInt8]?
        var contentType = "application/json"
        var accept = "application/json"

        init(_ method: HTTPMethod, _ path: String, query: [(String, String)] = []) {
            self.method = method
            self.path = path
            self.query = query
        }
    }

    private static let bodyLimitBytes = 1 << 30
    private static let maximumAttempts = 10

    private let base: String
    private let configuration: KubeConfig
    private let credentials: CredentialSource
    private let client: HTTPClient
    private let requestTimeout: Duration
    private let userAgent: String
    private let logger: Logger

    init(configuration: KubeConfig, requestTimeout: Duration, userAgent: String, logger: Logger) throws {
        let address = try ServerAddress(configuration)
        base = address.base
        self.configuration = configuration
        self.requestTimeout = requestTimeout
        self.userAgent = userAgent
        self.logger = logger
        credentials = CredentialSource(configuration)
        var settings = HTTPClient.Configuration(
            tlsConfiguration: try Self.tls(configuration, certificate: configuration.clientCertificate),
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(10))
        )
        settings.dnsOverride = address.override
        // One connection a request: watches hold theirs, so there may be many, and a dead one hurts only its own request.
        settings.httpVersion = .http1Only
        settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1024
        settings.proxy = try Self.proxy(configuration.proxyURL)
        settings.http1_1ConnectionDebugInitializer = { channel in
            // A watch may be silent for minutes: the kernel must find out when the peer is gone.
            channel.setOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
                // TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT: known after a minute instead of Linux' twelve.
                .flatMap { channel.setOption(ChannelOptions.tcpOption(.init(rawValue: 4)), value: 30) }
                .flatMap { channel.setOption(ChannelOptions.tcpOption(.init(rawValue: 5)), value: 10) }
                .flatMap { channel.setOption(ChannelOptions.tcpOption(.init(rawValue: 6)), value: 3) }
                .flatMapError { _ in channel.eventLoop.makeSucceededVoidFuture() }
        }
        client = HTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            configuration: settings,
            backgroundActivityLogger: logger
        )
    }

    func shutdown() async throws {
        try await client.shutdown()
    }

    /// The JSON body of a successful answer.
    func json(_ call: Call) async throws -> JSON {
        let bytes = try await bytes(call)
        do {
            return try JSON(parsing: bytes.readableBytesView)
        } catch {
            throw APIError(
                code: 502,
                reason: .internalError,
                message: "\(call.method) \(call.path): the server answered no JSON: \(error.message)"
            )
        }
    }

    /// The whole body of a successful answer.
    func bytes(_ call: Call) async throws -> ByteBuffer {
        let timeout = requestTimeout
        let deadline = ContinuousClock.now + timeout
        let response = try await send(call, deadline: .now() + .nanoseconds(timeout.nanoseconds))
        return try await withDeadline(deadline, what: "\(call.method) \(call.path)") {
            try await response.body.collect(upTo: Self.bodyLimitBytes)
        }
    }

    /// A successful answer whose body has no time limit.
    func stream(_ call: Call) async throws -> HTTPClientResponse {
        try await send(call, deadline: .now() + .nanoseconds(requestTimeout.nanoseconds))
    }

    /// Sends until an answer is final; a Status error is thrown as `APIError`.
    private func send(_ call: Call, deadline: NIODeadline) async throws -> HTTPClientResponse {
        var attempt = 1
        var didRenew = false
        while true {
            let credentials = try await credentials.answer()
            let response: HTTPClientResponse
            do {
                response = try await client.execute(try request(call, credentials), deadline: deadline, logger: logger)
            } catch let error as HTTPClientError
                where error == .remoteConnectionClosed && call.method == .GET && attempt < 3
            {
                // The server closed an idle connection just as it was taken from the pool.
                attempt += 1
                continue
            }
            if (200..<300).contains(Int(response.status.code)) || response.status == .switchingProtocols {
                return response
            }
            if response.status == .unauthorized, self.credentials.isRenewable, !didRenew {
                didRenew = true
                await self.credentials.invalidate()
                continue
            }
            let isRetryable = response.status == .tooManyRequests || response.status.code >= 500
            if isRetryable, attempt < Self.maximumAttempts,
                let seconds = response.headers.first(name: "Retry-After").flatMap({ Int64($0) }), seconds <= 60,
                NIODeadline.now() + .seconds(seconds) < deadline
            {
                attempt += 1
                _ = try? await response.body.collect(upTo: 1 << 20)
                try await Task.sleep(for: .seconds(seconds))
                continue
            }
            throw await Self.error(of: response, call: call)
        }
    }

    /// One request without retries; an answer of any status is returned.
    func raw(_ call: Call, headers: [String: String]) async throws -> HTTPClientResponse {
        var request = try request(call, try await credentials.answer())
        for (name, value) in headers { request.headers.replaceOrAdd(name: name, value: value) }
        let deadline = NIODeadline.now() + .nanoseconds(requestTimeout.nanoseconds)
        let response = try await client.execute(request, deadline: deadline, logger: logger)
        if response.status == .unauthorized, credentials.isRenewable { await credentials.invalidate() }
        return response
    }

    private func request(_ call: Call, _ credentials: CredentialSource.Answer) throws -> HTTPClientRequest {
        var url = base + call.path
        if !call.query.isEmpty {
            url += "?" + call.query.map { URLText.encode($0.0) + "=" + URLText.encode($0.1) }.joined(separator: "&")
        }
        var request = HTTPClientRequest(url: url)
        request.method = call.method
        request.headers.add(name: "Accept", value: call.accept)
        request.headers.add(name: "User-Agent", value: userAgent)
        if let authorization = credentials.authorization {
            request.headers.add(name: "Authorization", value: authorization)
        }
        if let user = configuration.impersonatedUser {
            request.headers.add(name: "Impersonate-User", value: user)
            for group in configuration.impersonatedGroups {
                request.headers.add(name: "Impersonate-Group", value: group)
            }
        }
        if let body = call.body {
            request.headers.add(name: "Content-Type", value: call.contentType)
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        if let certificate = credentials.clientCertificate {
            request.tlsConfiguration = try Self.tls(configuration, certificate: certificate)
        }
        return request
    }

    private static func error(of response: HTTPClientResponse, call: Call) async -> APIError {
        let code = Int(response.status.code)
        let retryAfter = response.headers.first(name: "Retry-After").flatMap { Int($0) }
        let body = try? await withDeadline(.now + .seconds(10), what: "error body") {
            try await response.body.collect(upTo: 4 << 20)
        }
        if let body, let json = try? JSON(parsing: body.readableBytesView), json["kind"]?.stringValue == "Status" {
            var error = APIError(status: json, code: code)
            error.retryAfterSeconds = error.retryAfterSeconds ?? retryAfter
            return error
        }
        let text = body.map { String(buffer: $0).prefix(500) } ?? ""
        let detail = text.isEmpty ? "the server answered \(code)" : "the server answered \(code): \(text)"
        return APIError(
            code: code,
            reason: .init(httpCode: code),
            message: "\(call.method) \(call.path): \(detail)",
            retryAfterSeconds: retryAfter
        )
    }
}

extension HTTPTransport {
    private static func tls(
        _ configuration: KubeConfig,
        certificate: KubeConfig.ClientCertificate?
    ) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if configuration.isInsecure {
            tls.certificateVerification = .none
        } else if let authority = configuration.certificateAuthorityPEM {
            do {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.utf8)))
            } catch {
                throw KubeConfigError("the cluster's certificate authority is no PEM certificate: \(error)")
            }
        }
        if let certificate {
            do {
                tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.certificatePEM.utf8))
                    .map { .certificate($0) }
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(certificate.keyPEM.utf8), format: .pem))
            } catch {
                throw KubeConfigError("the client certificate or its key is not valid PEM: \(error)")
            }
        }
        return tls
    }

    private static func proxy(_ text: String?) throws -> HTTPClient.Configuration.Proxy? {
        guard let text else { return nil }
        guard let parts = URLText.Parts(text) else { throw KubeConfigError("proxy-url \"\(text)\" is not valid") }
        let port = parts.port ?? (parts.scheme == "socks5" ? 1080 : 80)
        switch parts.scheme {
        case "http": return .server(host: parts.host, port: port)
        case "socks5": return .socksServer(host: parts.host, port: port)
        default: throw KubeConfigError("proxy-url \"\(text)\": only http and socks5 are supported")
        }
    }
}

/// The base of all addresses, and how the name in it is found.
struct ServerAddress {
    var base: String
    /// `tls-server-name` stands in the address, and leads to the real host.
    var override: [String: String] = [:]

    init(_ configuration: KubeConfig) throws(KubeConfigError) {
        let text = configuration.server.contains("://") ? configuration.server : "https://" + configuration.server
        guard let parts = URLText.Parts(text), parts.scheme == "https" || parts.scheme == "http" else {
            throw KubeConfigError("server \"\(configuration.server)\" is not an http or https address")
        }
        var path = parts.path
        while path.hasSuffix("/") { path.removeLast() }
        let port = parts.port.map { ":\($0)" } ?? ""
        if let name = configuration.tlsServerName, !name.isEmpty, name != parts.host {
            base = "\(parts.scheme)://\(name)\(port)\(path)"
            override[name] = parts.host
        } else {
            let host = parts.host.contains(":") ? "[\(parts.host)]" : parts.host
            base = "\(parts.scheme)://\(host)\(port)\(path)"
        }
    }
}

extension APIError.Reason {
    /// The reason that goes with a bare status code.
    init(httpCode: Int) {
        self =
            switch httpCode {
            case 400: .badRequest
            case 401: .unauthorized
            case 403: .forbidden
            case 404: .notFound
            case 405: .methodNotAllowed
            case 406: .notAcceptable
            case 409: .conflict
            case 410: .gone
            case 413: .requestEntityTooLarge
            case 415: .unsupportedMediaType
            case 422: .invalid
            case 429: .tooManyRequests
            case 500: .internalError
            case 503: .serviceUnavailable
            case 504: .timeout
            default: .unknown
            }
    }
}
