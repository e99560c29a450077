internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// Joins an upgraded connection with another socket.
enum Tunnel {
    static func connect(to target: TunnelTarget, on eventLoop: any EventLoop) -> EventLoopFuture<any Channel> {
        let bootstrap = ClientBootstrap(group: eventLoop)
            .channelOption(ChannelOptions.autoRead, value: false)
            .connectTimeout(.seconds(10))
        switch target {
        case .unix(let path): return bootstrap.connect(unixDomainSocketPath: path)
        case .tcp(let host, let port, let isTLS):
            return bootstrap.channelInitializer { channel in
                guard isTLS else { return channel.eventLoop.makeSucceededVoidFuture() }
                return channel.eventLoop.makeCompletedFuture {
                    var tls = TLSConfiguration.makeClientConfiguration()
                    tls.certificateVerification = .none
                    let handler = try NIOSSLClientHandler(
                        context: NIOSSLContext(configuration: tls),
                        serverHostname: nil
                    )
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .connect(host: host, port: port)
        }
    }

    /// Replaces HTTP on the client's channel; both channels are on one event loop.
    static func join(
        context: ChannelHandlerContext,
        handler: ConnectionHandler,
        backend: any Channel,
        head: HTTPRequestHead
    ) {
        let (client, server) = TunnelHandler.pair()
        let channel = context.channel
        let pipeline = context.pipeline.syncOperations
        do {
            try pipeline.addHandler(client)
            try backend.pipeline.syncOperations.addHandler(server)
        } catch {
            channel.close(promise: nil)
            backend.close(promise: nil)
            return
        }
        backend.writeAndFlush(ByteBuffer(string: text(of: head)), promise: nil)
        // The decoder forwards what it holds unparsed when it goes, so the tunnel must be in place behind it.
        let encoder = try? pipeline.context(handlerType: HTTPResponseEncoder.self)
        let decoder = try? pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self)
        pipeline.removeHandler(handler, promise: nil)
        if let encoder { pipeline.removeHandler(context: encoder, promise: nil) }
        if let decoder {
            // What it forwards comes without the end of a read, at which the tunnel would flush.
            pipeline.removeHandler(context: decoder).whenComplete { _ in backend.flush() }
        }
        channel.read()
        backend.read()
    }

    /// The request head as bytes.
    static func text(of head: HTTPRequestHead) -> String {
        var text = "\(head.method.rawValue) \(head.uri) HTTP/1.1\r\n"
        for (name, value) in head.headers { text += "\(name): \(value)\r\n" }
        return text + "\r\n"
    }
}

/// One end of a tunnel: writes what its partner reads, and reads only while its partner can write.
///
/// When one side ends, the other is closed only after it has taken what was already read: closing fails waiting writes.
private final class TunnelHandler: ChannelDuplexHandler {
    typealias InboundIn = NIOAny
    typealias OutboundIn = NIOAny
    typealias OutboundOut = NIOAny

    /// How long a side that is to be closed may take nothing.
    private static let stallLimit = TimeAmount.seconds(60)

    private var partner: TunnelHandler?
    private var context: ChannelHandlerContext?
    private var wantsRead = false
    private var unfinished = 0
    private var lastProgress = NIODeadline.now()
    private var isClosing = false

    static func pair() -> (TunnelHandler, TunnelHandler) {
        let (first, second) = (TunnelHandler(), TunnelHandler())
        first.partner = second
        second.partner = first
        return (first, second)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        partner = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        partner?.send(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        partner?.context?.flush()
        context.fireChannelReadComplete()
        // The backend reads by hand.
        context.channel.read()
    }

    func channelInactive(context: ChannelHandlerContext) {
        partner?.closeWhenSent()
        partner = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let partner, partner.wantsRead {
            partner.wantsRead = false
            partner.context?.read()
        }
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if partner?.context?.channel.isWritable ?? true {
            context.read()
        } else {
            wantsRead = true
        }
    }

    private func send(_ data: NIOAny) {
        guard let context else { return }
        unfinished += 1
        let written = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            let handler = bound.value
            handler.unfinished -= 1
            handler.lastProgress = .now()
            if handler.isClosing, handler.unfinished == 0 { handler.context?.close(promise: nil) }
        }
        context.write(data, promise: written)
    }

    private func closeWhenSent() {
        guard let context, !isClosing else { return }
        isClosing = true
        guard unfinished > 0 else { return context.close(promise: nil) }
        context.flush()
        lastProgress = .now()
        watch(context)
    }

    private func watch(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(deadline: lastProgress + Self.stallLimit) {
            let handler = bound.value
            guard let context = handler.context, context.channel.isActive else { return }
            if NIODeadline.now() - handler.lastProgress >= Self.stallLimit {
                context.close(promise: nil)
            } else {
                handler.watch(context)
            }
        }
    }
}
