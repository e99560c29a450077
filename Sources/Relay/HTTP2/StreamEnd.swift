internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2

/// One side of one HTTP/2 stream.
///
/// Cancelling a task that reads or writes resets the stream.
struct StreamEnd<Incoming: Sendable & Equatable, Outgoing: Sendable & Equatable>: Sendable {
    let channel: any Channel
    private let parts: NIOLoopBound<StreamParts<Incoming>>

    /// Adds the handlers to a new stream's channel; on its event loop.
    static func make(_ channel: any Channel, codec: any ChannelHandler) throws -> StreamEnd {
        let parts = StreamParts<Incoming>()
        try channel.syncOptions?.setOption(.autoRead, value: false)
        try channel.pipeline.syncOperations.addHandler(codec)
        try channel.pipeline.syncOperations.addHandler(parts)
        return StreamEnd(channel: channel, parts: NIOLoopBound(parts, eventLoop: channel.eventLoop))
    }

    /// The next part; nil after the last.
    ///
    /// - Throws: `RelayError` with `timeout` when nothing comes within `limit`, with `cut` when the stream ends early.
    func next(within limit: Duration? = nil) async throws -> HTTPPart<Incoming, ByteBuffer>? {
        let amount = limit.map { TimeAmount($0) }
        return try await guarded {
            try await channel.eventLoop.flatSubmit { [parts, channel] in
                parts.value.next(within: amount, on: channel.eventLoop)
            }.get()
        }
    }

    /// Returns when the part has left for the other side, which its flow control may delay.
    func write(_ part: HTTPPart<Outgoing, IOData>) async throws {
        try await guarded {
            do {
                try await channel.writeAndFlush(part)
            } catch let error where !(error is RelayError) {
                throw RelayError.cut("\(error)")
            }
        }
    }

    /// Pieces of at most one frame's size, so that many streams share the connection fairly.
    func write(body bytes: [UInt8]) async throws {
        var rest = channel.allocator.buffer(bytes: bytes)
        while let piece = rest.readSlice(length: min(rest.readableBytes, 64 << 10)), piece.readableBytes > 0 {
            try await write(.body(.byteBuffer(piece)))
        }
    }

    /// Puts a whole message that is in memory on its way, without waiting until the other side takes it.
    ///
    /// The answer may come first, and then nothing of it is lost. A failure resets the stream, of which its reader hears.
    func post(_ head: Outgoing, body bytes: [UInt8]) {
        channel.eventLoop.execute { [channel] in
            channel.write(HTTPPart<Outgoing, IOData>.head(head), promise: nil)
            if !bytes.isEmpty {
                let body = channel.allocator.buffer(bytes: bytes)
                channel.write(HTTPPart<Outgoing, IOData>.body(.byteBuffer(body)), promise: nil)
            }
            channel.writeAndFlush(HTTPPart<Outgoing, IOData>.end(nil))
                .whenFailure { _ in channel.close(mode: .all, promise: nil) }
        }
    }

    func setDeadline(_ limit: Duration) {
        let amount = TimeAmount(limit)
        channel.eventLoop.execute { [parts, channel] in parts.value.setDeadline(amount, on: channel.eventLoop) }
    }

    /// Resets the stream unless it has ended.
    func close() { channel.close(mode: .all, promise: nil) }

    /// Returns when the stream is over, for whatever reason.
    func closed() async {
        // The future of a channel's end carries no news in its error.
        do { try await channel.closeFuture.get() } catch {}
    }

    private func guarded<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await withTaskCancellationHandler {
                try await body()
            } onCancel: {
                channel.close(mode: .all, promise: nil)
            }
        } catch {
            // The error is then only the echo of the reset.
            try Task.checkCancellation()
            throw error
        }
    }
}
