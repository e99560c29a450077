package import Logging
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import ServiceLifecycle
internal import Synchronization
internal import Telemetry

/// The inference router: accepts scoring requests and forwards each to an instance of a deployment.
///
/// Runs until a graceful shutdown: then it tells that it is not ready, keeps accepting for `drainGrace` while every answer
/// closes its connection, stops listening, and lets requests under way end.
package final class Router: Service {
    private struct State {
        var table = RouteTable()
        var compiled = CompiledTable.empty
        var runtimes: [RuntimeName: DeploymentRuntime] = [:]
        var nextDeployment: UInt64 = 1
        var loops: [NIOLoopBound<LoopState>] = []
        var ports: [Int] = []
        var hasTable = false
        var isListening = false
    }

    private struct RuntimeName: Hashable {
        let endpoint: String
        let deployment: String
    }

    private let configuration: RouterConfiguration
    private let logger: Logger
    private let metrics: RouterMetrics
    private let tls: TLSContextBox?
    private let state = Mutex(State())

    private static let healthPart = "router"

    package init(configuration: RouterConfiguration, logger: Logger = Logger(label: "router")) throws {
        self.configuration = configuration
        self.logger = logger
        metrics = RouterMetrics(configuration.metrics)
        if let identity = configuration.tls {
            tls = try TLSContextBox(identity)
        } else {
            guard !configuration.listeners.contains(where: \.isTLS) else {
                throw RouterError(
                    .certificateMissing,
                    "a TLS listener is configured but no certificate",
                    remedy: "give sslCert and sslKey or set allowInsecureConnections=True"
                )
            }
            tls = nil
        }
        configuration.health?.require(Router.healthPart, reason: "waits for the first route table")
        configuration.metrics.onCollect { [weak self] in self?.collect() }
    }

    /// Ports in the order of the configured listeners, once all of them listen.
    package var boundPorts: [Int] { state.withLock { $0.ports } }

    /// Replaces what is routed where.
    ///
    /// Requests under way go on; counts of instances that stay are kept.
    package func update(_ table: RouteTable) {
        let now = NIODeadline.now().uptimeNanoseconds
        state.withLock { state in
            state.table = table
            state.hasTable = true
            let (compiled, updates) = compile(table, state: &state)
            state.compiled = compiled
            for (runtime, deployment) in updates { runtime.update(deployment, now: now) }
            // Keys are only known after the update; they tell which idle connections are of no more use.
            let open = Set(updates.flatMap { $0.0.openKeys })
            for loop in state.loops { Router.install(compiled, open: open, on: loop) }
        }
        markReady()
    }

    /// Uses another certificate for new connections.
    ///
    /// On an error the old one stays.
    package func updateTLS(_ identity: TLSIdentity) throws {
        guard let tls else {
            throw RouterError(.certificateMissing, "the router has no TLS listener, so a certificate has no use")
        }
        try tls.replace(identity)
        logger.info("certificate replaced")
    }

    // MARK: Tables

    private func compile(
        _ table: RouteTable,
        state: inout State
    ) -> (CompiledTable, [(DeploymentRuntime, RouteTable.Deployment)]) {
        var updates: [(DeploymentRuntime, RouteTable.Deployment)] = []
        var kept: [RuntimeName: DeploymentRuntime] = [:]
        var routes: [EndpointRoute] = []
        for endpoint in table.endpoints.values.sorted(by: { $0.name < $1.name }) {
            var deployments: [DeploymentRoute] = []
            for deployment in endpoint.deployments {
                let name = RuntimeName(endpoint: endpoint.name, deployment: deployment.name)
                let runtime = state.runtimes[name] ?? makeRuntime(name, deployment, state: &state)
                kept[name] = runtime
                updates.append((runtime, deployment))
                deployments.append(DeploymentRoute(deployment, runtime: runtime))
            }
            let position = state.compiled.endpoints[endpoint.name]?.position ?? 0
            routes.append(EndpointRoute(endpoint, deployments: deployments, sequence: position))
        }
        for (name, runtime) in state.runtimes where kept[name] == nil {
            updates.append((runtime, RouteTable.Deployment(name: name.deployment, weight: 0, backends: [])))
            metrics.forget(name.endpoint, name.deployment)
        }
        state.runtimes = kept
        return (CompiledTable(endpoints: routes), updates)
    }

    private func makeRuntime(
        _ name: RuntimeName,
        _ deployment: RouteTable.Deployment,
        state: inout State
    ) -> DeploymentRuntime {
        let runtime = DeploymentRuntime(
            endpoint: name.endpoint,
            name: name.deployment,
            metrics: metrics.deployment(name.endpoint, name.deployment),
            settings: deployment.settings,
            firstKey: state.nextDeployment
        )
        state.nextDeployment += 1
        return runtime
    }

    private static func install(_ table: CompiledTable, open: Set<UInt64>, on loop: NIOLoopBound<LoopState>) {
        loop.eventLoop.execute {
            loop.value.table = table
            loop.value.closeIdle(except: open)
        }
    }

    private func collect() {
        let runtimes = state.withLock { Array($0.runtimes.values) }
        for runtime in runtimes {
            let load = runtime.load
            metrics.inFlight.with(runtime.endpoint, runtime.name).set(load.inFlight)
            metrics.queueLength.with(runtime.endpoint, runtime.name).set(load.queued)
            metrics.replicas.with(runtime.endpoint, runtime.name).set(load.available)
        }
    }

    private func markReady() {
        let isReady = state.withLock { $0.hasTable && $0.isListening }
        if isReady { configuration.health?.setReady(Router.healthPart) }
    }

    // MARK: Life

    package func run() async throws {
        let count = max(1, configuration.eventLoops ?? System.coreCount)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        do {
            try await serve(group)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private func serve(_ group: MultiThreadedEventLoopGroup) async throws {
        let (records, continuation) = AsyncStream.makeStream(
            of: [AccessRecord].self,
            bufferingPolicy: .bufferingOldest(64)
        )
        let shared = RouterShared(
            configuration: configuration,
            metrics: metrics,
            loops: Array(group.makeIterator()),
            records: configuration.accessLog == nil ? nil : continuation
        )
        var loops: [NIOLoopBound<LoopState>] = []
        for eventLoop in group.makeIterator() {
            loops.append(
                try await eventLoop.submit {
                    NIOLoopBound(LoopState(eventLoop: eventLoop, shared: shared), eventLoop: eventLoop)
                }.get()
            )
        }
        let listeners = try await listen(group, loops: loops)
        state.withLock { state in
            state.loops = loops
            state.ports = listeners.map { $0.localAddress?.port ?? 0 }
            state.isListening = true
            for loop in loops { Router.install(state.compiled, open: [], on: loop) }
        }
        markReady()
        logger.info("router listens", metadata: ["ports": "\(boundPorts)", "loops": "\(loops.count)"])
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.writeLog(records) }
            await self.waitForShutdown()
            await self.drain(loops, listeners)
            continuation.finish()
        }
        state.withLock { state in
            state.loops = []
            state.ports = []
            state.isListening = false
        }
    }

    private func listen(
        _ group: MultiThreadedEventLoopGroup,
        loops: [NIOLoopBound<LoopState>]
    ) async throws -> [any Channel] {
        var channels: [any Channel] = []
        for listener in configuration.listeners {
            let tls = listener.isTLS ? self.tls : nil
            let bootstrap = ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 1024)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard let loop = loops.first(where: { $0.eventLoop === channel.eventLoop }) else {
                            throw ChannelError.inappropriateOperationForState
                        }
                        if let tls {
                            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls.context))
                        }
                        try channel.pipeline.syncOperations.addHandler(DownstreamHandler(loop: loop.value))
                    }
                }
            do {
                channels.append(try await bootstrap.bind(host: listener.host, port: listener.port).get())
            } catch {
                for channel in channels { try? await channel.close() }
                throw RouterError(
                    .cannotListen,
                    "cannot listen on \(listener.host):\(listener.port): \(error)",
                    remedy: "free the port or choose another one"
                )
            }
        }
        return channels
    }

    private func waitForShutdown() async {
        let (stop, continuation) = AsyncStream.makeStream(of: Void.self)
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                for await _ in stop {}
            } onGracefulShutdown: {
                continuation.finish()
            }
        } onCancel: {
            continuation.finish()
        }
    }

    private func drain(_ loops: [NIOLoopBound<LoopState>], _ listeners: [any Channel]) async {
        configuration.health?.setNotReady(Router.healthPart, reason: "shutting down")
        logger.info("router drains")
        for loop in loops { loop.eventLoop.execute { loop.value.isDraining = true } }
        await pause(configuration.drainGrace)
        for listener in listeners { try? await listener.close() }
        let deadline = NIODeadline.now() + .nanoseconds(Int64(configuration.drainTimeout.wholeNanoseconds))
        while NIODeadline.now() < deadline {
            var open = 0
            for loop in loops {
                open += (try? await loop.eventLoop.submit { Router.closeIdle(loop.value) }.get()) ?? 0
            }
            if open == 0 { break }
            await pause(.milliseconds(50))
        }
        for loop in loops {
            try? await loop.eventLoop.submit { Router.closeAll(loop.value) }.get()
        }
    }

    /// Closes unused connections and answers how many are left.
    private static func closeIdle(_ loop: LoopState) -> Int {
        for connection in loop.connections.values { connection.closeIfIdle() }
        return loop.connections.count
    }

    private static func closeAll(_ loop: LoopState) {
        for connection in loop.connections.values { connection.context?.close(promise: nil) }
        loop.closeIdle(except: [])
        loop.flushLog()
    }

    /// A pause that a cancellation ends early: draining goes on to its end all the same.
    private func pause(_ duration: Duration) async {
        do {
            try await Task.sleep(for: duration)
        } catch {
            logger.debug("pause cut short", metadata: ["error": "\(error)"])
        }
    }

    private func writeLog(_ batches: AsyncStream<[AccessRecord]>) async {
        guard let write = configuration.accessLog else { return }
        for await batch in batches {
            let monotonic = NIODeadline.now().uptimeNanoseconds
            write(AccessLog.lines(batch, epoch: WallClock.nanoseconds &- monotonic))
        }
    }
}
