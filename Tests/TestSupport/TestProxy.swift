internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A TCP proxy that misbehaves on demand.
package final class TestProxy: Sendable {
    fileprivate struct State: Sendable {
        var isSilent = false
        /// Cut a connection after so many bytes in both directions; nil never.
        var cutEvery: Int?
        var connections = 0
        var cuts = 0
        var channels: [ObjectIdentifier: any Channel] = [:]
    }

    fileprivate let state = Mutex(State())
    private let target: Int
    private let server = Mutex<(any Channel)?>(nil)

    /// Where clients connect.
    package var port: Int { server.withLock { $0?.localAddress?.port ?? 0 } }
    /// Connections taken since the start.
    package var connections: Int { state.withLock { $0.connections } }

    /// How many times `cutEvery` has ended a connection.
    package var cuts: Int { state.withLock { $0.cuts } }

    /// `cutEvery`: bytes in both directions after which a connection is closed; nil lets it live.
    package init(to target: Int, cutEvery: Int? = nil) async throws {
        self.target = target
        state.withLock { $0.cutEvery = cutEvery }
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { inner in
                self.join(inner)
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.withLock { $0 = listener }
    }

    /// Takes no more connections and closes those that are there.
    package func stop() async {
        let listener = server.withLock { $0 }
        // Closing twice is no error here.
        try? await listener?.close()
        cut()
    }

    /// From the next connection on; nil lets them live.
    package func setCutEvery(_ bytes: Int?) { state.withLock { $0.cutEvery = bytes } }

    /// Closes all connections at once.
    package func cut() {
        let channels = state.withLock { Array($0.channels.values) }
        for channel in channels { channel.close(promise: nil) }
    }

    /// Lets nothing through any more, though every connection stays open.
    package func silence() { state.withLock { $0.isSilent = true } }

    /// New connections work again; silenced ones stay dead.
    package func hear() { state.withLock { $0.isSilent = false } }

    private func join(_ inner: any Channel) -> EventLoopFuture<Void> {
        state.withLock { $0.connections += 1 }
        let budget = Budget(limit: state.withLock { $0.cutEvery })
        return ClientBootstrap(group: inner.eventLoop)
            .channelOption(.autoRead, value: false)
            .connect(host: "127.0.0.1", port: target)
            .flatMap { outer in
                self.state.withLock {
                    $0.channels[ObjectIdentifier(inner)] = inner
                    $0.channels[ObjectIdentifier(outer)] = outer
                }
                return inner.eventLoop.makeCompletedFuture {
                    try inner.pipeline.syncOperations.addHandler(ProxyHandler(outer, self, budget))
                    try outer.pipeline.syncOperations.addHandler(ProxyHandler(inner, self, budget))
                }.map {
                    // Only now is somebody there who takes what it reads.
                    outer.setOption(.autoRead, value: true).whenComplete { _ in }
                }
            }
    }

    fileprivate func forget(_ channel: any Channel) { state.withLock { $0.channels[ObjectIdentifier(channel)] = nil } }
}

/// Bytes that one connection may still carry.
private final class Budget: Sendable {
    private let left: Mutex<Int?>

    init(limit: Int?) { left = Mutex(limit) }

    /// False when they are used up.
    func take(_ count: Int) -> Bool {
        left.withLock { left in
            guard let known = left else { return true }
            left = known - count
            return known - count > 0
        }
    }
}

private final class ProxyHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let peer: any Channel
    private let proxy: TestProxy
    private let budget: Budget
    private var isDead = false

    init(_ peer: any Channel, _ proxy: TestProxy, _ budget: Budget) {
        self.peer = peer
        self.proxy = proxy
        self.budget = budget
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if proxy.state.withLock({ $0.isSilent }) { isDead = true }
        guard !isDead else { return }
        guard budget.take(bytes.readableBytes) else {
            proxy.state.withLock { $0.cuts += 1 }
            isDead = true
            peer.close(promise: nil)
            context.close(promise: nil)
            return
        }
        peer.writeAndFlush(bytes, promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        // What cannot be written here must not be read there, or back-pressure would end in this proxy.
        let isWritable = context.channel.isWritable
        let peer = peer
        peer.setOption(.autoRead, value: isWritable).whenComplete { _ in }
    }

    func channelInactive(context: ChannelHandlerContext) {
        proxy.forget(context.channel)
        if !isDead { peer.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
