internal import NIOCore
internal import Telemetry

/// A client's connection: one handler that scans, routes, forwards and answers.
///
/// There is no queue of parts, no future and no task per request: the handler writes straight into the context of the model's
/// connection, and that one into this one's. Both live on one event loop.
final class DownstreamHandler: ChannelInboundHandler, DeadlineHolder {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase: Sendable {
        /// Between requests, or in the middle of a head.
        case idle
        /// Waits for a free backend.
        case queued
        case connecting
        /// A backend has the request or is getting it.
        case exchanging
        /// The answer is out; what the client still sends is thrown away before the connection closes.
        case lingering
        case closed
    }

    let loop: LoopState
    var context: ChannelHandlerContext?
    var phase = Phase.idle
    /// Received and not yet consumed.
    var inbound = ByteBuffer()
    var scanner = HeadScanner(.request)
    /// What is left of the request's body.
    var body = BodyFraming.none
    var exchange = Exchange()
    var upstream: UpstreamHandler?
    var deadline: UInt64 = 0
    var wheelTick: UInt64 = 0
    var isReadingPaused = false
    var needsFlush = false
    private var isPumping = false
    /// The bearer value that was accepted last, with the route it is good for and the time it is good until.
    var acceptedToken: [UInt8] = []
    var acceptedRoute: EndpointRoute?
    var acceptedUntil: UInt64 = 0
    private var lingered = 0

    /// Most bytes kept of a body that nobody takes yet, or of requests sent ahead.
    static let holdLimit = 64 * 1024
    private static let lingerLimit = 4 * 1024 * 1024
    private static let lingerTime: UInt64 = 2_000_000_000

    init(loop: LoopState) { self.loop = loop }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin() }
    }

    func channelActive(context: ChannelHandlerContext) { begin() }

    private func begin() {
        guard loop.connections[ObjectIdentifier(self)] == nil else { return }
        loop.add(self)
        setDeadline(loop.now + loop.shared.headTimeout)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var data = unwrapInboundIn(data)
        if phase == .lingering {
            lingered += data.readableBytes
            if lingered > DownstreamHandler.lingerLimit { context.close(promise: nil) }
            return
        }
        if inbound.readableBytes == 0 {
            inbound = data
        } else {
            inbound.writeBuffer(&data)
        }
        pump()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if let upstream, upstream.needsFlush { upstream.flush() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { upstream?.resumeReading() }
    }

    func channelInactive(context: ChannelHandlerContext) { connectionEnded() }

    func handlerRemoved(context: ChannelHandlerContext) {
        connectionEnded()
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func connectionEnded() {
        guard phase != .closed else { return }
        let wasBusy = phase == .queued || phase == .connecting || phase == .exchanging
        if wasBusy {
            if exchange.record.fault == nil { exchange.record.fault = .clientGone }
            if !exchange.responseBegan { exchange.record.status = Fault.clientGone.status }
            giveUpBackend(served: false)
            finishRecord()
        }
        phase = .closed
        deadline = 0
        inbound = ByteBuffer()
        exchange = Exchange()
        acceptedRoute = nil
        loop.remove(self)
    }

    // MARK: Progress

    /// Goes on as far as the received bytes allow.
    func pump() {
        // A call from inside the loop only has to be noticed by it.
        guard !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        while true {
            switch phase {
            case .idle:
                guard inbound.readableBytes > 0, scanRequest() else { return }
            case .queued, .connecting:
                limitHeldBytes()
                return
            case .exchanging:
                if body.isComplete || upstream == nil {
                    limitHeldBytes()
                    return
                }
                guard inbound.readableBytes > 0 else { return }
                if let upstream, !upstream.isWritable {
                    pauseReading()
                    return
                }
                forwardBody()
                if phase == .exchanging { return }
            case .lingering, .closed:
                inbound = ByteBuffer()
                return
            }
        }
    }

    /// False when more bytes are needed.
    private func scanRequest() -> Bool {
        let outcome = inbound.withUnsafeReadableBytes { scanner.scan($0) }
        switch outcome {
        case .incomplete:
            // The time for a head runs from its first byte, so that a trickle does not extend it.
            if exchange.record.started == 0 {
                exchange.record.started = loop.now
                setDeadline(exchange.record.started + loop.shared.headTimeout)
            }
            return false
        case .complete(let length):
            beginRequest(length: length)
        case .refused(let violation):
            startRecord(now: loop.now)
            exchange.keepsAlive = false
            exchange.record.fault = .badRequest
            answer(
                status: violation.status,
                code: Fault.badRequest.rawValue,
                message: "the request is not valid HTTP: \(violation.text)"
            )
        }
        return true
    }

    func startRecord(now: UInt64) {
        exchange.record.id = loop.ids.next()
        exchange.record.started = now
        exchange.lastActivity = now
    }

    private func limitHeldBytes() {
        if inbound.readableBytes > DownstreamHandler.holdLimit { pauseReading() }
    }

    // MARK: Deadlines

    func setDeadline(_ time: UInt64) {
        deadline = time
        loop.deadlineChanged(self)
    }

    func deadlineReached(now: UInt64) {
        switch phase {
        case .idle:
            if inbound.readableBytes > 0 {
                startRecord(now: now)
                exchange.keepsAlive = false
                fail(.requestTimedOut, "the request's head did not arrive in time; send it in one piece")
            } else {
                context?.close(promise: nil)
            }
        case .queued:
            queueDeadlineReached(now: now)
        case .connecting:
            giveUpBackend(served: false)
            failTimedOut()
        case .exchanging:
            exchangeDeadlineReached(now: now)
        case .lingering:
            context?.close(promise: nil)
        case .closed: break
        }
    }

    private func exchangeDeadlineReached(now: UInt64) {
        if !exchange.responseBegan {
            giveUpBackend(served: false)
            failTimedOut()
            return
        }
        // A model that may think for long before an answer may also do so within one.
        let pause = max(loop.shared.stallTimeout, exchange.record.deployment?.requestTimeout ?? 0)
        let limit = exchange.lastActivity + pause
        if limit > now {
            setDeadline(limit)
        } else {
            exchange.record.fault = .timedOut
            abort()
        }
    }

    private func failTimedOut() {
        let milliseconds = exchange.record.deployment?.settings.requestTimeoutMilliseconds ?? 0
        fail(
            .timedOut,
            "deployment \(quotedDeployment) did not answer within \(milliseconds) ms; make the scoring script faster or raise "
                + "request_settings.request_timeout_ms"
        )
    }

    // MARK: Flow control

    func pauseReading() {
        guard !isReadingPaused else { return }
        isReadingPaused = true
        try? context?.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    /// Reads again and handles what has been kept.
    func resumeReading() {
        guard isReadingPaused else { return }
        isReadingPaused = false
        try? context?.channel.syncOptions?.setOption(.autoRead, value: true)
    }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    // MARK: Ends

    /// The answer is complete: account for it, then take the next request or close.
    func finish() {
        finishRecord()
        let keepsAlive = exchange.keepsAlive && body.isComplete
        loop.giveBack(exchange.out)
        exchange = Exchange()
        scanner.reset()
        if keepsAlive {
            phase = .idle
            body = .none
            needsFlush = false
            context?.flush()
            setDeadline(loop.now + loop.shared.idleTimeout)
            if isReadingPaused { resumeReading() }
            if inbound.readableBytes > 0 { pump() }
        } else {
            closeAfterWriting()
        }
    }

    /// Closes once everything written has left; until then, and for a short time after, the client may finish its body.
    ///
    /// Closing at once would make the kernel throw away the answer together with the unread body.
    private func closeAfterWriting() {
        guard let context else { return }
        let mustLinger = !body.isComplete || inbound.readableBytes > 0
        phase = .lingering
        inbound = ByteBuffer()
        resumeReading()
        let now = loop.now
        setDeadline(now + (mustLinger ? DownstreamHandler.lingerTime : loop.shared.stallTimeout))
        let written = context.writeAndFlush(wrapOutboundOut(ByteBuffer()))
        if !mustLinger {
            written.assumeIsolated().whenComplete { [weak self] _ in self?.context?.close(promise: nil) }
        }
    }

    /// Ends the connection without an orderly answer: the client must not take half a response for a whole one.
    func abort() {
        giveUpBackend(served: false)
        finishRecord()
        phase = .closed
        deadline = 0
        inbound = ByteBuffer()
        exchange = Exchange()
        loop.remove(self)
        context?.close(promise: nil)
    }

    /// The router goes down and this connection is unused.
    func closeIfIdle() {
        if phase == .idle && inbound.readableBytes == 0 { context?.close(promise: nil) }
    }

    private func finishRecord() {
        guard exchange.record.id != RequestID() else { return }
        exchange.record.ended = loop.now
        let metrics = exchange.record.deployment?.runtime.metrics ?? loop.shared.metrics.unrouted
        metrics.countRequest(status: exchange.record.status)
        metrics.duration.record(nanoseconds: exchange.record.ended &- exchange.record.started)
        if exchange.record.acquired > 0 {
            metrics.modelDuration.record(nanoseconds: exchange.record.ended &- exchange.record.acquired)
        }
        if let fault = exchange.record.fault { metrics.countFault(fault) }
        if loop.shared.logs { loop.log(exchange.record) }
        exchange.record.id = RequestID()
    }

    var quotedDeployment: String {
        let endpoint = exchange.record.endpoint?.name ?? ""
        return "\"\(exchange.record.deployment?.name ?? "")\" of endpoint \"\(endpoint)\""
    }
}
