internal import NIOCore
internal import NIOPosix

/// A connection to a model instance.
final class UpstreamHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case idle
        case awaitsHead
        case body
        case closed
    }

    let key: UInt64
    let loop: LoopState
    /// The client's connection whose request is on this one.
    var exchange: DownstreamHandler?
    var inbound = ByteBuffer()
    var scanner = HeadScanner(.response)
    /// What is left of the answer's body.
    var body = BodyFraming.none
    private(set) var needsFlush = false
    /// It has served a request before, so that its peer may have closed it in between.
    private(set) var isReused = false
    private var context: ChannelHandlerContext?
    private var phase = Phase.idle
    private var servesMore = true
    private var decodes = false
    private var isReadingPaused = false

    init(key: UInt64, loop: LoopState) {
        self.key = key
        self.loop = loop
    }

    /// Connects to an instance; `completion` runs on the event loop, with nil when it does not accept.
    static func connect(
        loop: LoopState,
        key: UInt64,
        address: String,
        port: Int,
        completion: @escaping (UpstreamHandler?) -> Void
    ) {
        // A literal address: resolving a name would go through another thread.
        guard let target = try? SocketAddress(ipAddress: address, port: port) else {
            loop.eventLoop.assumeIsolated().execute { completion(nil) }
            return
        }
        let bound = NIOLoopBound(loop, eventLoop: loop.eventLoop)
        ClientBootstrap(group: loop.eventLoop)
            .connectTimeout(loop.shared.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(UpstreamHandler(key: key, loop: bound.value))
                }
            }
            .connect(to: target)
            .assumeIsolated()
            .whenComplete { result in
                let channel = try? result.get()
                completion(try? channel?.pipeline.syncOperations.handler(type: UpstreamHandler.self))
            }
    }

    // MARK: For the client's side

    func begin(for exchange: DownstreamHandler) {
        self.exchange = exchange
        phase = .awaitsHead
        scanner.reset()
        body = .none
    }

    /// Back into the pool.
    func becomeIdle() {
        guard context != nil, phase != .closed else { return }
        phase = .idle
        isReused = true
        resumeReading()
        loop.pushIdle(self)
    }

    func write(_ buffer: ByteBuffer) {
        needsFlush = true
        context?.write(wrapOutboundOut(buffer), promise: nil)
    }

    func flush() {
        needsFlush = false
        context?.flush()
    }

    func close() {
        guard phase != .closed else { return }
        phase = .closed
        context?.close(promise: nil)
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func resumeReading() {
        guard isReadingPaused else { return }
        isReadingPaused = false
        try? context?.channel.syncOptions?.setOption(.autoRead, value: true)
    }

    private func pauseReading() {
        guard !isReadingPaused else { return }
        isReadingPaused = true
        try? context?.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        ended()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) { ended() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var data = unwrapInboundIn(data)
        guard let exchange, phase == .awaitsHead || phase == .body else {
            // Bytes that nobody asked for: whatever follows could be taken for the answer to the next request.
            if phase == .idle { loop.removeIdle(self) }
            close()
            return
        }
        if phase == .body {
            passOn(data, to: exchange)
            return
        }
        if inbound.readableBytes == 0 { inbound = data } else { inbound.writeBuffer(&data) }
        receiveHead(exchange)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if let exchange, exchange.needsFlush { exchange.flush() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, let exchange else { return }
        exchange.resumeReading()
        exchange.pump()
        if needsFlush { flush() }
    }

    // MARK: The answer

    private func receiveHead(_ exchange: DownstreamHandler) {
        while true {
            let outcome = inbound.withUnsafeReadableBytes { scanner.scan($0) }
            switch outcome {
            case .incomplete: return
            case .refused(let violation):
                exchange.upstreamInvalid(self, violation.text)
                return
            case .complete(let length):
                if scanner.head.status == 101 {
                    exchange.upstreamInvalid(self, "it switches protocols without being asked to")
                    return
                }
                if scanner.head.status < 200 {
                    // An interim answer: the real one follows.
                    inbound.moveReaderIndex(forwardBy: length)
                    scanner.reset()
                    if inbound.readableBytes == 0 {
                        inbound = ByteBuffer()
                        return
                    }
                    continue
                }
                servesMore = scanner.head.keepsAlive
                body = BodyFraming(response: scanner.head)
                phase = .body
                headLength = length
                exchange.receiveHead(from: self)
                if phase == .body { checkEnd(exchange) }
                return
            }
        }
    }

    private var headLength = 0
    private var isInvalid = false

    /// Moves the part of the body that came with the head behind the client's head; called by `receiveHead(from:)`.
    func forward(into out: inout ByteBuffer, decodes: Bool) {
        self.decodes = decodes
        inbound.moveReaderIndex(forwardBy: headLength)
        guard inbound.readableBytes > 0 else {
            inbound = ByteBuffer()
            return
        }
        if inbound.readableBytes > Exchange.joinLimit && !decodes {
            // Large: let it follow as it is. The head is written first.
            return
        }
        var target = out
        out = ByteBuffer()
        consume(&inbound) { target.writeBytes($0) }
        out = target
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
    }

    private func checkEnd(_ exchange: DownstreamHandler) {
        if inbound.readableBytes > 0 && !body.isComplete && !isInvalid {
            let rest = inbound
            inbound = ByteBuffer()
            passOn(rest, to: exchange)
            return
        }
        settle(exchange, rest: inbound.readableBytes)
    }

    private func passOn(_ data: ByteBuffer, to exchange: DownstreamHandler) {
        var data = data
        if decodes {
            var decoded = loop.takeBuffer()
            consume(&data) { decoded.writeBytes($0) }
            exchange.write(decoded)
            loop.giveBack(decoded)
        } else {
            let before = data
            let count = consume(&data) { _ in }
            if let piece = before.getSlice(at: before.readerIndex, length: count) { exchange.write(piece) }
        }
        exchange.exchange.lastActivity = loop.now
        settle(exchange, rest: data.readableBytes)
        if phase == .body && !exchange.isWritable { pauseReading() }
    }

    /// Consumes the body's part of `buffer`, handing each payload range to `data` when it has to be decoded, all of it
    /// otherwise.
    @discardableResult
    private func consume(_ buffer: inout ByteBuffer, data: (UnsafeRawBufferPointer) -> Void) -> Int {
        do {
            let count = try buffer.withUnsafeReadableBytes { bytes in
                if decodes { return try body.decode(bytes, data: data) }
                let count = try body.consume(bytes)
                data(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                return count
            }
            buffer.moveReaderIndex(forwardBy: count)
            return count
        } catch {
            isInvalid = true
            return 0
        }
    }

    /// Ends the answer when a piece of its body was the last one.
    private func settle(_ exchange: DownstreamHandler, rest: Int) {
        if isInvalid {
            exchange.upstreamTruncated()
        } else if body.isComplete {
            inbound = ByteBuffer()
            exchange.receiveEnd(from: self, canReuse: servesMore && rest == 0)
        }
    }

    private func ended() {
        let last = phase
        phase = .closed
        if last == .idle { loop.removeIdle(self) }
        guard let exchange else { return }
        switch last {
        case .awaitsHead:
            if inbound.readableBytes == 0 {
                exchange.upstreamFailedEarly(self)
            } else {
                exchange.upstreamInvalid(self, "it ends within the headers")
            }
        case .body:
            if body.endsWithClose {
                exchange.receiveEnd(from: self, canReuse: false)
            } else {
                exchange.upstreamTruncated()
            }
        case .idle, .closed: break
        }
        self.exchange = nil
    }
}
