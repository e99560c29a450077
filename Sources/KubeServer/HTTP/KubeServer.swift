internal import AsyncHTTPClient
package import KubeCore
internal import KubeStore
package import Logging
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import ServiceLifecycle
internal import Synchronization

/// The embedded Kubernetes API server: store, kinds, authentication, authorization and HTTPS.
///
/// `init` opens the store and makes what every cluster has, so `api` can be used at once; `run()` serves HTTPS until graceful
/// shutdown, which ends watches, lets other requests finish and closes the store.
package final class KubeServer: Service {
    package let configuration: KubeServerConfiguration
    package let registry: Registry
    private let store: ObjectStore
    private let tokens: ServiceAccountTokens
    private let authorizer: Authorizer
    private let proxyClient: HTTPClient
    private let serviceClient: HTTPClient
    private let webhookCaller = WebhookCaller()
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var ports: [Int] = []
        var isReady = false
        var waiters: [CheckedContinuation<[Int], any Error>] = []
        var failure: (any Error)?
    }

    /// The API in process: no authorization, no network.
    package var api: any ResourceAPI { registry }

    /// - Throws: `StoreError` when the database cannot be opened, and errors of keys and ranges that are not valid.
    package init(configuration: KubeServerConfiguration, logger: Logger = Logger(label: "kube-server")) async throws {
        self.configuration = configuration
        self.logger = logger
        store = try ObjectStore(path: configuration.databasePath, logger: logger)
        var settings = RegistryConfiguration()
        settings.serviceRange = configuration.serviceRange
        settings.nodePorts = configuration.nodePorts
        settings.logger = logger
        tokens = try await ServiceAccountTokens(
            signingKeyPEM: configuration.serviceAccountKeyPEM,
            issuer: configuration.issuer
        )
        settings.tokenIssuer = tokens
        registry = try Registry(store: store, configuration: settings)
        authorizer = Authorizer(api: registry, logger: logger)
        var client = HTTPClient.Configuration(timeout: .init(connect: .seconds(5)))
        client.httpVersion = .http1Only
        client.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1024
        proxyClient = HTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            configuration: client,
            backgroundActivityLogger: logger
        )
        serviceClient = HTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            configuration: Self.serviceClientConfiguration,
            backgroundActivityLogger: logger
        )
        do {
            try await Upkeep.$isRunning.withValue(true) { try await bootstrap.prepare() }
            try await authorizer.load()
            try await aggregation.update()
            try await authorizer.load()
            registry.setAdmissionHook(
                WebhookAdmission(table: registry.webhooks, caller: webhookCaller, store: store, logger: logger)
            )
        } catch {
            await store.close()
            try? await proxyClient.shutdown()
            try? await serviceClient.shutdown()
            throw error
        }
    }

    private var bootstrap: Bootstrap { Bootstrap(api: registry, configuration: configuration, logger: logger) }
    private var aggregation: RoleAggregation { RoleAggregation(api: registry, authorizer: authorizer, logger: logger) }

    /// The ports that it listens on, in the order of the configured addresses; waits until it does.
    package func ports() async throws -> [Int] {
        try await withCheckedThrowingContinuation { continuation in
            let known: Result<[Int], any Error>? = state.withLock { state in
                if let failure = state.failure { return .failure(failure) }
                if !state.ports.isEmpty { return .success(state.ports) }
                state.waiters.append(continuation)
                return nil
            }
            if let known { continuation.resume(with: known) }
        }
    }

    package func run() async throws {
        let listener: Listener
        var listening: Listener?
        do {
            listener = try await listen()
            listening = listener
            let address = advertised(listener.ports)
            try await Upkeep.$isRunning.withValue(true) { try await bootstrap.publish(address) }
        } catch {
            finish(.failure(error))
            await listening?.close(grace: .zero)
            await close()
            throw error
        }
        finish(.success(listener.ports))
        logger.info("API server is ready", metadata: ["ports": "\(listener.ports)"])
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [authorizer] in await authorizer.run() }
            group.addTask { [aggregation] in await aggregation.run() }
            group.addTask { [registry] in await registry.run() }
            group.addTask { [registry] in await registry.runQuotas() }
            group.addTask { try? await gracefulShutdown() }
            // Only the last one ends by itself; cancellation ends all.
            await group.next()
            state.withLock { $0.isReady = false }
            await listener.close(grace: .seconds(5))
            group.cancelAll()
        }
        await close()
    }

    private func advertised(_ ports: [Int]) -> KubeServerConfiguration.Address? {
        guard var address = configuration.advertised else { return nil }
        if address.port == 0, let port = ports.last { address.port = port }
        return address
    }

    private func close() async {
        await store.close()
        try? await proxyClient.shutdown()
        try? await serviceClient.shutdown()
        await webhookCaller.shutdown()
    }

    /// For requests passed on to pods: answers come back as they are, redirects and compression included.
    private static var serviceClientConfiguration: HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .none
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls,
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(10)),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1024
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    private func finish(_ result: Result<[Int], any Error>) {
        let waiters = state.withLock { state in
            switch result {
            case .success(let ports):
                state.ports = ports
                state.isReady = true
            case .failure(let error): state.failure = error
            }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume(with: result) }
    }

    private func listen() async throws -> Listener {
        try await Listener.bind(
            addresses: configuration.addresses,
            tls: try tlsContext(),
            responder: responder(),
            maximumConnections: configuration.maximumConnections,
            logger: logger
        )
    }

    private func tlsContext() throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(configuration.certificatePEM.utf8))
        let key = try NIOSSLPrivateKey(bytes: Array(configuration.keyPEM.utf8), format: .pem)
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        tls.minimumTLSVersion = .tlsv12
        tls.trustRoots = .certificates(
            try NIOSSLCertificate.fromPEMBytes(Array(configuration.clientAuthorityPEM.utf8))
        )
        // Clients may come without a certificate; one that is shown must be good.
        tls.certificateVerification = .optionalVerification
        tls.applicationProtocols = ["http/1.1"]
        return try NIOSSLContext(configuration: tls)
    }

    private func responder() -> APIResponder {
        let tokenAuthenticator = TokenAuthenticator(tokens: tokens, api: registry)
        let metrics = RequestMetrics()
        let system = SystemRoutes(
            documents: Documents(registry: registry, gitVersion: configuration.gitVersion),
            registry: registry,
            tokens: tokens,
            metrics: metrics,
            gitVersion: configuration.gitVersion,
            unready: { [weak self] in self?.unready ?? ["poststarthook/start-apiserver"] }
        )
        return APIResponder(
            authenticator: Authenticator(tokens: tokenAuthenticator),
            impersonation: Impersonation(authorizer: authorizer),
            authorizer: authorizer,
            resources: ResourceRoutes(
                registry: registry,
                reviews: AccessReviews(authorizer: authorizer, tokens: tokenAuthenticator),
                nodes: NodeProxy(client: proxyClient, socketPath: configuration.agentSocketPath),
                services: ServiceProxy(client: serviceClient, socketPath: configuration.agentSocketPath)
            ),
            system: system,
            metrics: metrics,
            maximumRequests: configuration.maximumRequests,
            logger: logger
        )
    }

    private var unready: [String] {
        state.withLock { $0.isReady ? [] : ["poststarthook/start-apiserver"] }
    }
}
