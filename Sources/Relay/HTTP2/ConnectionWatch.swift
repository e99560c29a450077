internal import NIOCore
internal import Synchronization

/// What both handlers of a connection and its owner know of it.
final class ConnectionWatch: Sendable {
    struct State: Sendable {
        var liveness: Liveness
        /// The other side takes no new requests.
        var isDraining = false
        /// Why the connection was closed, in the words of whoever closed it.
        var reason: String?
    }

    private let state: Mutex<State>
    private static let origin = ContinuousClock.now

    init(_ keepalive: RelayKeepalive) {
        state = Mutex(State(liveness: Liveness(limit: keepalive.limit, now: Self.now)))
    }

    private static var now: Duration { origin.duration(to: .now) }

    func heard() { state.withLock { $0.liveness.heard(now: Self.now) } }

    func beat() -> Liveness.Action { state.withLock { $0.liveness.beat(now: Self.now) } }

    /// Time since anything came.
    var silence: Duration { state.withLock { Self.now - $0.liveness.lastHeard } }

    var isDraining: Bool { state.withLock { $0.isDraining } }

    func markDraining() { state.withLock { $0.isDraining = true } }

    var reason: String? { state.withLock { $0.reason } }

    /// Keeps the first reason.
    func note(_ reason: String) { state.withLock { $0.reason = $0.reason ?? reason } }
}

/// Sees every byte that comes, before HTTP/2 does.
///
/// Frames of streams never pass the handlers behind HTTP/2, and a large upload may hold up the answer to a ping.
final class ByteListener: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let watch: ConnectionWatch

    init(_ watch: ConnectionWatch) { self.watch = watch }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        watch.heard()
        context.fireChannelRead(data)
    }
}
