internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Joins an upgraded connection with a Unix socket.
enum Tunnel {
    static func connect(to path: String, on eventLoop: any EventLoop) -> EventLoopFuture<any Channel> {
        ClientBootstrap(group: eventLoop)
            .channelOption(ChannelOptions.autoRead, value: false)
            .connectTimeout(.seconds(10))
            .connect(unixDomainSocketPath: path)
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
private final class TunnelHandler: ChannelDuplexHandler {
    typealias InboundIn = NIOAny
    typealias OutboundIn = NIOAny
    typealias OutboundOut = NIOAny

    private var partner: TunnelHandler?
    private var context: ChannelHandlerContext?
    private var wantsRead = false

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
        partner?.context?.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        partner?.context?.flush()
        context.fireChannelReadComplete()
        // The backend reads by hand.
        context.channel.read()
    }

    func channelInactive(context: ChannelHandlerContext) {
        partner?.context?.close(promise: nil)
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
}
