internal import NIOCore
internal import NIOHTTP2

/// Speaks and hears the frames that belong to no stream: pings, goodbyes, and the server's wish to stop.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    /// Asks the handler to say goodbye.
    struct Goodbye: Sendable {
        /// Text for the other side's log; empty for an ordinary end.
        var reason: String
        /// Close the connection once the goodbye is out.
        var isFinal: Bool
    }

    private let watch: ConnectionWatch
    private let keepalive: RelayKeepalive
    private let onDraining: @Sendable () -> Void
    private var timer: RepeatedTask?

    /// `onDraining`: the other side takes no new requests.
    init(_ watch: ConnectionWatch, keepalive: RelayKeepalive, onDraining: @escaping @Sendable () -> Void) {
        self.watch = watch
        self.keepalive = keepalive
        self.onDraining = onDraining
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let interval = TimeAmount(keepalive.interval)
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            bound.value.handler.beat(bound.value.context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    private func beat(_ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        switch watch.beat() {
        case .ping:
            let ping = HTTP2Frame(streamID: .rootStream, payload: .ping(HTTP2PingData(withInteger: 1), ack: false))
            context.writeAndFlush(wrapOutboundOut(ping), promise: nil)
        case .close:
            watch.note("nothing came for \(watch.silence)")
            context.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .goAway(_, let code, let opaque) = unwrapInboundIn(data).payload else { return }
        if code != .noError || opaque != nil {
            let text = opaque.map { String(buffer: $0) } ?? ""
            watch.note(text.isEmpty ? "the other side ended it: \(code)" : String(text.prefix(500)))
        }
        watch.markDraining()
        onDraining()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The listener stops: it waits until every connection is closed.
        if event is ChannelShouldQuiesceEvent {
            say(Goodbye(reason: "", isFinal: true), context)
        }
        // Where the listener allows half-closed connections; half of this one is of no use.
        if case .inputClosed = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        watch.note("\(error)")
        context.close(promise: nil)
    }

    /// Says goodbye; from the connection's event loop.
    func say(_ goodbye: Goodbye, _ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        let opaque = goodbye.reason.isEmpty ? nil : context.channel.allocator.buffer(string: goodbye.reason)
        let frame = HTTP2Frame(
            streamID: .rootStream,
            payload: .goAway(
                lastStreamID: .maxID,
                errorCode: goodbye.reason.isEmpty ? .noError : .inadequateSecurity,
                opaqueData: opaque
            )
        )
        let written = context.writeAndFlush(wrapOutboundOut(frame))
        guard goodbye.isFinal else { return }
        let channel = context.channel
        written.whenComplete { _ in channel.close(promise: nil) }
    }
}
