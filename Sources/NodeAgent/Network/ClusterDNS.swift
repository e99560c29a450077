package import KubeRuntime
package import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization

/// The resolver of pods: names of services and pods from the cluster, everything else from the host's resolvers.
package final class ClusterDNS: Service {
    package struct Configuration: Sendable {
        /// Address to listen on, UDP and TCP.
        package var address: IPv4Address
        /// 0 takes a free one; see `boundPort`.
        package var port: Int
        package var clusterDomain: String
        /// Reverse questions within these are never asked elsewhere.
        package var ranges: [IPv4Range]
        /// Servers to forward to; nil = those of `/etc/resolv.conf`, read again when it changes.
        package var upstreams: [IPv4Address]?
        package var upstreamPort: Int

        package init(
            address: IPv4Address,
            port: Int = 53,
            clusterDomain: String = "cluster.local",
            ranges: [IPv4Range] = [],
            upstreams: [IPv4Address]? = nil,
            upstreamPort: Int = 53
        ) {
            self.address = address
            self.port = port
            self.clusterDomain = clusterDomain
            self.ranges = ranges
            self.upstreams = upstreams
            self.upstreamPort = upstreamPort
        }

        /// On the bridge of an instance.
        package init(network: InstanceNetwork) {
            self.init(address: network.gateway, ranges: [network.podCIDR, network.serviceCIDR])
        }
    }

    private let configuration: Configuration
    private let responder: DNSResponder
    private let group: any EventLoopGroup
    private let logger: Logger
    private let bound = Mutex<Int?>(nil)

    private static let maximumConnections = 256

    /// `services`: informer of Services in all namespaces, run by the caller; likewise `slices` of EndpointSlices.
    package init(configuration: Configuration, services: Informer, slices: Informer, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        group = MultiThreadedEventLoopGroup.singleton
        let zone = ClusterZone(
            domain: DNSName(configuration.clusterDomain),
            ranges: configuration.ranges,
            records: InformedRecords(services: services, slices: slices)
        )
        let own = configuration.address
        let resolvers = ResolverList()
        let forwarder = DNSForwarder(group: group, port: configuration.upstreamPort) {
            (configuration.upstreams ?? resolvers.current()).filter { $0 != own }
        }
        responder = DNSResponder(
            zone: { zone },
            forwarder: forwarder,
            isReady: { services.hasSynced && slices.hasSynced }
        )
    }

    /// The port while it runs.
    package var boundPort: Int? { bound.withLock { $0 } }

    package func run() async throws {
        let datagrams: any Channel
        let streams: any Channel
        do {
            datagrams = try await listenDatagrams()
            streams = try await listenStreams(port: datagrams.localAddress?.port ?? configuration.port)
        } catch let error as IOError {
            throw NodeAgentError(
                .networkUnavailable,
                "the cluster's resolver cannot listen on \(configuration.address):\(configuration.port): \(error)",
                remedy: "stop the program that holds this port, or make it listen on its own addresses only"
            )
        }
        bound.withLock { $0 = datagrams.localAddress?.port }
        logger.info("resolver listens", metadata: ["address": "\(configuration.address)", "port": "\(boundPort ?? 0)"])
        await cancelWhenGracefulShutdown {
            await withTaskCancellationHandler {
                _ = try? await datagrams.closeFuture.get()
            } onCancel: {
                datagrams.close(promise: nil)
            }
        }
        bound.withLock { $0 = nil }
        try? await streams.close()
    }

    private func listenDatagrams() async throws -> any Channel {
        let responder = responder
        return try await DatagramBootstrap(group: group)
            .channelOption(.socketOption(.so_rcvbuf), value: 1 << 20)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramHandler(responder: responder))
                }
            }
            .bind(host: configuration.address.description, port: configuration.port).get()
    }

    private func listenStreams(port: Int) async throws -> any Channel {
        let responder = responder
        let connections = ConnectionCount(maximum: Self.maximumConnections)
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                guard connections.enter() else { return channel.close() }
                channel.closeFuture.whenComplete { _ in connections.leave() }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        IdleStateHandler(allTimeout: .seconds(30)),
                        ByteToMessageHandler(DNSFrameDecoder()),
                        StreamHandler(responder: responder)
                    )
                }
            }
            .bind(host: configuration.address.description, port: port).get()
    }
}

/// The host's resolvers, read again when the file changed.
private final class ResolverList: Sendable {
    private let state = Mutex<(checked: ContinuousClock.Instant, servers: [IPv4Address])?>(nil)

    func current() -> [IPv4Address] {
        let now = ContinuousClock.now
        return state.withLock { state in
            if let state, now - state.checked < .seconds(5) { return state.servers }
            let servers = HostNetwork.resolvers(FileSystem.text("/etc/resolv.conf") ?? "")
            state = (now, servers)
            return servers
        }
    }
}

private final class ConnectionCount: Sendable {
    private let count = Mutex(0)
    private let maximum: Int

    init(maximum: Int) { self.maximum = maximum }

    func enter() -> Bool {
        count.withLock { count in
            guard count < maximum else { return false }
            count += 1
            return true
        }
    }

    func leave() { count.withLock { $0 -= 1 } }
}

private final class DatagramHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let responder: DNSResponder

    init(responder: DNSResponder) { self.responder = responder }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let channel = context.channel
        let asker = envelope.remoteAddress
        responder.respond(to: Array(envelope.data.readableBytesView), overTCP: false, loop: context.eventLoop)
            .whenSuccess { answer in
                guard let answer else { return }
                channel.writeAndFlush(
                    AddressedEnvelope(remoteAddress: asker, data: ByteBuffer(bytes: answer)),
                    promise: nil
                )
            }
    }

    /// One bad datagram (for example a refused port of an asker that is gone) is no reason to stop.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}

private final class StreamHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let responder: DNSResponder

    init(responder: DNSResponder) { self.responder = responder }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = context.channel
        responder.respond(to: Array(unwrapInboundIn(data).readableBytesView), overTCP: true, loop: context.eventLoop)
            .whenSuccess { answer in
                guard let answer else { return channel.close(promise: nil) }
                channel.writeAndFlush(DNSFrameDecoder.frame(answer), promise: nil)
            }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
