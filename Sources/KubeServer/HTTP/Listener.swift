internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// Accepts TLS connections on some addresses.
struct Listener: Sendable {
    let channels: [any Channel]
    let connections: ConnectionTable

    /// Binds all addresses; those bound are closed again when one fails.
    static func bind(
        addresses: [KubeServerConfiguration.Address],
        tls: NIOSSLContext,
        responder: any RequestResponder,
        maximumConnections: Int,
        logger: Logger
    ) async throws -> Listener {
        let connections = ConnectionTable(maximum: maximumConnections)
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(ChannelOptions.backlog, value: 512)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = ConnectionHandler(responder: responder, connections: connections, logger: logger)
                    guard connections.add(channel, handler) else { throw TooManyConnections() }
                    channel.closeFuture.whenComplete { _ in connections.remove(channel) }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(NIOSSLServerHandler(context: tls))
                    try pipeline.addHandler(HTTPResponseEncoder())
                    try pipeline.addHandler(
                        ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes))
                    )
                    try pipeline.addHandler(handler)
                }
            }
        var channels: [any Channel] = []
        do {
            for address in addresses {
                channels.append(try await bootstrap.bind(host: address.host, port: address.port).get())
            }
        } catch {
            for channel in channels { channel.close(promise: nil) }
            throw error
        }
        return Listener(channels: channels, connections: connections)
    }

    private struct TooManyConnections: Error {}

    /// The ports in the order of the addresses.
    var ports: [Int] { channels.compactMap { $0.localAddress?.port } }

    /// Stops accepting and ends the connections.
    func close(grace: Duration) async {
        for channel in channels { channel.close(promise: nil) }
        await connections.drain(grace: grace)
    }
}
