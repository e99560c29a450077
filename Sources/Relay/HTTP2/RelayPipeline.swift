internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2

/// A connection set up for HTTP/2 on one side.
struct RelayLink<Stream: Sendable>: Sendable {
    let channel: any Channel
    let watch: ConnectionWatch
    let streams: NIOHTTP2Handler.AsyncStreamMultiplexer<Stream>
    private let handler: NIOLoopBound<ConnectionHandler>

    /// Adds the handlers behind TLS; on the channel's event loop.
    ///
    /// `mode` is HTTP/2's role, which here is the opposite of who dialled.
    static func make(
        _ channel: any Channel,
        mode: NIOHTTP2Handler.ParserMode,
        keepalive: RelayKeepalive,
        onDraining: @escaping @Sendable () -> Void,
        accept: @escaping @Sendable (any Channel) throws -> Stream
    ) throws -> RelayLink {
        let watch = ConnectionWatch(keepalive)
        let handler = ConnectionHandler(watch, keepalive: keepalive, onDraining: onDraining)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(ByteListener(watch))
        let streams = try pipeline.configureAsyncHTTP2Pipeline(
            mode: mode,
            streamDelegate: nil,
            configuration: configuration(mode)
        ) { stream in
            stream.eventLoop.makeCompletedFuture { try accept(stream) }
        }
        try pipeline.addHandler(handler)
        return RelayLink(
            channel: channel,
            watch: watch,
            streams: streams,
            handler: NIOLoopBound(handler, eventLoop: channel.eventLoop)
        )
    }

    /// The most streams that one connection carries.
    static var maximumStreams: Int { 128 }

    private static func configuration(_ mode: NIOHTTP2Handler.ParserMode) -> NIOHTTP2Handler.Configuration {
        // One stream can keep this many bytes on the way; times 128 it is also the bound of what a connection may hold.
        let window = 256 << 10
        var settings: HTTP2Settings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: maximumStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 32 << 10),
            HTTP2Setting(parameter: .initialWindowSize, value: window),
        ]
        if case .client = mode { settings.append(HTTP2Setting(parameter: .enablePush, value: 0)) }
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = settings
        connection.targetWindowSize = 4 << 20
        // Pings go both ways all the time; both sides know each other.
        connection.controlFrameRateLimit.maximumCount = 2000
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = window
        stream.outboundBufferSizeHighWatermark = 128 << 10
        stream.outboundBufferSizeLowWatermark = 64 << 10
        // Readers that go away reset their streams, which is no attack.
        stream.streamResetFrameRateLimit.maximumCount = 2000
        return NIOHTTP2Handler.Configuration(connection: connection, stream: stream)
    }

    /// Says that no new requests are taken, or (with `isFinal`) ends the connection.
    func goodbye(reason: String = "", isFinal: Bool) {
        channel.eventLoop.execute { [handler, channel] in
            guard let context = try? channel.pipeline.syncOperations.context(handler: handler.value) else { return }
            handler.value.say(.init(reason: reason, isFinal: isFinal), context)
        }
    }

    func close() { channel.close(mode: .all, promise: nil) }

    /// Returns when the connection is over.
    func closed() async {
        // The future of a channel's end carries no news in its error.
        do { try await channel.closeFuture.get() } catch {}
    }
}
