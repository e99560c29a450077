internal import Hummingbird
internal import HummingbirdTLS
package import KubeCore
internal import KubeRuntime
package import Logging
internal import NIOSSL
internal import ServiceLifecycle
internal import Synchronization
package import Telemetry

/// The cluster's side of the conversation with the control plane: HTTPS with a bearer token.
package final class Gateway: Service {
    private let configuration: GatewayConfiguration
    private let service: GatewayService
    private let hub: WatchHub
    private let informers: [Informer]
    private let health: Health
    private let logger: Logger
    private let bound = Mutex<Int?>(nil)

    private static let maximumBody = 4 << 20
    private static let healthPart = "gateway"

    /// `health`: ready once the server listens and all kinds are known.
    package init(
        configuration: GatewayConfiguration,
        api: any ResourceAPI,
        podLogs: @escaping PodLogs,
        health: Health,
        logger: Logger
    ) {
        self.configuration = configuration
        self.health = health
        self.logger = logger
        service = GatewayService(
            api: api,
            podLogs: podLogs,
            version: configuration.version,
            ledger: CommandLedger(api: api, namespace: configuration.namespace)
        )
        let hub = WatchHub()
        informers = GatewayRequest.resources.sorted { $0.key < $1.key }.map { name, type in
            let informer = Informer(api: api, type: type, logger: logger)
            informer.onEvent { hub.take(name, $0) }
            return informer
        }
        self.hub = hub
        health.require(Self.healthPart)
    }

    /// The port while it runs.
    package var boundPort: Int? { bound.withLock { $0 } }

    package func run() async throws {
        let application = try makeApplication()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for informer in informers { group.addTask { try await informer.run() } }
            group.addTask {
                await cancelWhenGracefulShutdown {
                    for informer in self.informers { guard await Self.waitForSync(informer) else { return } }
                    self.health.setReady(Self.healthPart)
                }
            }
            group.addTask {
                await cancelWhenGracefulShutdown {
                    while await sleepUnlessCancelled(self.configuration.heartbeat) { self.hub.beat() }
                }
                // Open watches would hold up the server's end.
                self.hub.close()
            }
            group.addTask { try await application.run() }
            try await group.waitForAll()
        }
        bound.withLock { $0 = nil }
    }

    private static func waitForSync(_ informer: Informer) async -> Bool {
        do {
            try await informer.waitForSync()
            return true
        } catch {
            return false
        }
    }

    private func makeApplication() throws -> some ApplicationProtocol {
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(configuration.certificate.utf8))
        let key = try NIOSSLPrivateKey(bytes: Array(configuration.key.utf8), format: .pem)
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        tls.minimumTLSVersion = .tlsv12
        return Application(
            responder: CallbackResponder { (request: Request, _: BasicRequestContext) in await self.respond(request) },
            server: try .tls(tlsConfiguration: tls),
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port),
                serverName: "outrigger-gateway"
            ),
            onServerRunning: { channel in
                let port = channel.localAddress?.port
                self.bound.withLock { $0 = port }
            },
            logger: logger
        )
    }

    private func respond(_ request: Request) async -> Response {
        do {
            try authenticate(request)
            let target = request.uri.string
            return try await carryOut(try GatewayRequest(method: request.method.rawValue, target: target), request)
        } catch let error as APIError {
            return Self.json(error.status, status: error.code)
        } catch let error as JSONParseError {
            return Self.json(APIError.badRequest("the body is not JSON: \(error)").status, status: 400)
        } catch {
            logger.error("request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
            return Self.json(
                APIError(code: 503, reason: .serviceUnavailable, message: "the cluster cannot be asked: \(error)")
                    .status,
                status: 503
            )
        }
    }

    private func authenticate(_ request: Request) throws {
        let expected: String
        do {
            expected = try configuration.token()
        } catch {
            throw APIError(
                code: 503,
                reason: .serviceUnavailable,
                message: "the gateway's token cannot be read: \(error)"
            )
        }
        // The API server, through whose service proxy requests may come, keeps `Authorization` to itself.
        let header = Self.header(request, "outrigger-authorization") ?? request.headers[.authorization] ?? ""
        let prefix = "Bearer "
        guard header.hasPrefix(prefix), Self.equalInConstantTime(header.dropFirst(prefix.count), expected),
            !expected.isEmpty
        else {
            throw APIError(
                code: 401,
                reason: .unauthorized,
                message: "the bearer token is missing or wrong; it is in Secret gateway-token of namespace azureml"
            )
        }
    }

    /// Takes as long for a wrong first character as for a wrong last one.
    static func equalInConstantTime(_ given: some StringProtocol, _ expected: String) -> Bool {
        let given = Array(given.utf8)
        let expected = Array(expected.utf8)
        guard !expected.isEmpty else { return false }
        var difference = given.count ^ expected.count
        for index in given.indices { difference |= Int(given[index] ^ expected[index % expected.count]) }
        return difference == 0
    }

    private func carryOut(_ wanted: GatewayRequest, _ request: Request) async throws -> Response {
        let command = try Self.command(request)
        switch wanted {
        case .resource(.get, let type, let key): return Self.json(try await service.get(type, key))
        case .resource(.put, let type, let key):
            return Self.json(try await service.put(type, key, try await body(request), command: command))
        case .resource(.delete, let type, let key):
            return Self.json(try await service.delete(type, key, command: command))
        case .secret(.put, let key):
            return Self.json(try await service.putSecret(key, try await body(request), command: command))
        case .secret(_, let key): return Self.json(try await service.deleteSecret(key, command: command))
        case .namespace(let name): return Self.json(try await service.namespace(name))
        case .cluster: return Self.json(try await service.cluster())
        case .pods(let namespace, let selector):
            return Self.json(try await service.pods(namespace: namespace, labelSelector: selector))
        case .log(let key, let container, let tailLines, let previous):
            let text = try await service.podLogs(key.namespace ?? "", key.name, container, tailLines, previous)
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text))
            )
        case .watch: return try await watch()
        }
    }

    private static func header(_ request: Request, _ name: String) -> String? {
        request.headers.first { $0.name.canonicalName == name }?.value
    }

    /// Number of the command; nil when the caller gives none.
    private static func command(_ request: Request) throws -> Int? {
        guard let text = header(request, "outrigger-command-id") else { return nil }
        guard let number = Int(text), number > 0 else {
            throw APIError.badRequest("Outrigger-Command-Id '\(text.prefix(40))' must be a positive number")
        }
        return number
    }

    private func body(_ request: Request) async throws -> JSON {
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: Self.maximumBody)
        } catch {
            throw APIError(
                code: 413,
                reason: .requestEntityTooLarge,
                message: "the body is larger than \(Self.maximumBody) bytes"
            )
        }
        return try JSON(parsing: buffer.readableBytesView)
    }

    private func watch() async throws -> Response {
        // The whole picture must be known before it is called whole.
        for informer in informers { try await informer.waitForSync() }
        guard let (present, changes) = hub.open() else {
            throw APIError(
                code: 429,
                reason: .tooManyRequests,
                message: "there are \(WatchHub.maximumStreams) watches already",
                retryAfterSeconds: 10
            )
        }
        let body = ResponseBody { writer in
            for change in present { try await writer.write(ByteBuffer(bytes: change.line)) }
            try await writer.write(ByteBuffer(bytes: WatchHub.Change(type: "SYNCED", resource: "", object: nil).line))
            for await change in changes { try await writer.write(ByteBuffer(bytes: change.line)) }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [.contentType: "application/x-ndjson", .cacheControl: "no-store"],
            body: body
        )
    }

    private static func json(_ value: JSON, status: Int = 200) -> Response {
        Response(
            status: .init(code: status),
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.bytes))
        )
    }
}
