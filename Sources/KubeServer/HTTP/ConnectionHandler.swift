internal import KubeCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL

/// One client connection: reads whole requests and runs them one after the other.
///
/// It hands the connection over when it is upgraded. Lives on its event loop.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        case reading(HTTPRequestHead, [UInt8])
        /// The body was too large and is read without being kept.
        case refusing
        case responding
        case tunnelled
    }

    /// How long a connection may stand still while it waits for a request, or for a slow reader.
    private static let idleLimit = TimeAmount.seconds(180)
    private static let stallLimit = TimeAmount.seconds(60)

    private let responder: any RequestResponder
    private let connections: ConnectionTable
    private let logger: Logger
    private var state = State.idle
    private var pending: [HTTPServerRequestPart] = []
    private var task: Task<Void, Never>?
    private var keepsAlive = true
    private var isHead = false
    private var isStreaming = false
    private var isQuiescing = false
    /// The answer is out, but the client still sends: closing now would lose the answer on its way.
    private var isDiscarding = false
    private var hasAnswered = false
    /// Takes the body of the present request, which is being answered already.
    private var upload: BodyStream.Producer.Source?
    private var isUploadFull = false
    private var certificateUser: RequestUser?
    private var didReadCertificate = false
    private var unfinishedWrites = 0
    private var lastProgress = NIODeadline.now()
    private var timer: RepeatedTask?

    init(responder: any RequestResponder, connections: ConnectionTable, logger: Logger) {
        self.responder = responder
        self.connections = connections
        self.logger = logger
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleRepeatedTask(initialDelay: .seconds(20), delay: .seconds(20)) { _ in
            let (handler, context) = bound.value
            handler.closeIfStalled(context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        task?.cancel()
        upload?.finish(ChannelError.inputClosed)
        upload = nil
        pending = []
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("connection failed", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    private func closeIfStalled(_ context: ChannelHandlerContext) {
        let age = NIODeadline.now() - lastProgress
        switch state {
        case .idle, .reading, .refusing: if age > Self.idleLimit { context.close(promise: nil) }
        case .responding: if unfinishedWrites > 0, age > Self.stallLimit { context.close(promise: nil) }
        case .tunnelled: break
        }
    }

    /// Ends the connection as soon as its present request is answered; watches end now.
    func quiesce(_ channel: any Channel) {
        isQuiescing = true
        keepsAlive = false
        switch state {
        case .idle, .tunnelled: channel.close(promise: nil)
        case .responding: if isStreaming { task?.cancel() }
        case .reading, .refusing: break
        }
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastProgress = .now()
        let part = unwrapInboundIn(data)
        guard case .responding = state else { return take(part, context) }
        if upload != nil { takeUpload(part) } else { pending.append(part) }
    }

    private func takeUpload(_ part: HTTPServerRequestPart) {
        switch part {
        case .body(let buffer):
            if case .stopProducing? = upload?.yield(buffer) { isUploadFull = true }
        case .end:
            upload?.finish()
            upload = nil
            isUploadFull = false
        case .head: break
        }
    }

    /// The reader of the body takes more, or has gone.
    private func resumeUpload(_ context: ChannelHandlerContext) {
        guard isUploadFull else { return }
        isUploadFull = false
        context.read()
    }

    /// Nothing more is read from a client that sends requests faster than they are answered.
    func read(context: ChannelHandlerContext) {
        if pending.count < 4, !isUploadFull { context.read() }
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head):
            state = .reading(head, [])
            if head.headers[canonicalForm: "Expect"].contains(where: { $0.lowercased() == "100-continue" }) {
                context.writeAndFlush(
                    wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: .continue))),
                    promise: nil
                )
            }
            if responder.streamsBody(head) { startUpload(head, context) }
        case .body(let buffer):
            guard case .reading(let head, var body) = state else { return }
            state = .idle
            guard body.count + buffer.readableBytes <= responder.maximumBodyBytes else {
                return refuse(head, context)
            }
            body.append(contentsOf: buffer.readableBytesView)
            state = .reading(head, body)
        case .end:
            guard case .reading(let head, let body) = state else {
                if isDiscarding {
                    isDiscarding = false
                    if hasAnswered { context.close(promise: nil) }
                }
                return
            }
            start(head, body, context)
        }
    }

    private func refuse(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let error = APIError(
            code: 413,
            reason: .requestEntityTooLarge,
            message: "Request entity too large: limit is \(responder.maximumBodyBytes)"
        )
        keepsAlive = false
        isHead = false
        state = .refusing
        isDiscarding = true
        Exchange.send(.error(error), version: head.version, keepsAlive: false, isHead: false, to: context.channel)
    }

    private func startUpload(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let eventLoop = context.eventLoop
        let (stream, source) = BodyStream.make(
            length: head.headers.first(name: "Content-Length").flatMap { Int64($0) }
                ?? (head.headers.contains(name: "Transfer-Encoding") ? nil : 0)
        ) {
            eventLoop.execute {
                let (handler, context) = bound.value
                handler.resumeUpload(context)
            }
        }
        upload = source
        isUploadFull = false
        start(head, [], stream: stream, context)
    }

    private func start(
        _ head: HTTPRequestHead,
        _ body: [UInt8],
        stream: BodyStream? = nil,
        _ context: ChannelHandlerContext
    ) {
        state = .responding
        keepsAlive = head.isKeepAlive && !isQuiescing
        isHead = head.method == .HEAD
        isStreaming = false
        if !didReadCertificate {
            didReadCertificate = true
            let tls = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
            certificateUser = tls?.peerCertificate.flatMap { RequestUser(certificate: $0) }
        }
        let mark = head.uri.firstIndex(of: "?") ?? head.uri.endIndex
        let request = ServerRequest(
            method: head.method,
            path: PercentText.decode(head.uri[..<mark]),
            query: RequestQuery(head.uri[mark...].dropFirst()),
            uri: head.uri,
            headers: head.headers,
            body: body,
            stream: stream,
            certificateUser: certificateUser,
            peer: context.remoteAddress?.ipAddress ?? ""
        )
        let exchange = Exchange(
            responder: responder,
            request: request,
            channel: context.channel,
            version: head.version,
            keepsAlive: keepsAlive,
            isHead: isHead,
            loop: LoopSide(handler: self, context: context)
        )
        // Leaves the callback; `channelInactive` cancels it, and it ends with its request.
        task = Task { await exchange.run() }
    }

    fileprivate func beginStream() {
        isStreaming = true
        if isQuiescing { task?.cancel() }
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = unwrapOutboundIn(data)
        let written = promise ?? context.eventLoop.makePromise()
        if unfinishedWrites == 0 { lastProgress = .now() }
        unfinishedWrites += 1
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            let handler = bound.value
            handler.unfinishedWrites -= 1
            handler.lastProgress = .now()
        }
        context.write(data, promise: written)
        if case .end = part { finish(context, after: written.futureResult) }
    }

    /// The answer is complete: goes on with the next request, or closes.
    private func finish(_ context: ChannelHandlerContext, after written: EventLoopFuture<Void>) {
        task = nil
        if let unread = upload {
            // The answer came before the end of the body: what still comes is dropped, and the connection ends.
            unread.finish()
            upload = nil
            isUploadFull = false
            keepsAlive = false
            isDiscarding = true
            context.read()
        }
        guard keepsAlive else {
            state = .refusing
            let channel = context.channel
            hasAnswered = true
            if isDiscarding {
                context.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
            } else {
                written.whenComplete { _ in channel.close(promise: nil) }
            }
            return
        }
        state = .idle
        let waiting = pending
        pending = []
        for (index, part) in waiting.enumerated() {
            if case .responding = state {
                pending += waiting[index...]
                break
            }
            take(part, context)
        }
        context.read()
    }
}

extension ConnectionHandler {
    /// Connects to the target, takes HTTP off this connection and lets bytes flow.
    fileprivate func beginTunnel(to target: TunnelTarget, head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let channel = context.channel
        let logger = logger
        let (version, bound) = (head.version, NIOLoopBound((self, context), eventLoop: context.eventLoop))
        Tunnel.connect(to: target, on: context.eventLoop).whenComplete { result in
            let (handler, context) = bound.value
            guard channel.isActive else {
                if case .success(let backend) = result { backend.close(promise: nil) }
                return
            }
            switch result {
            case .success(let backend):
                handler.state = .tunnelled
                Tunnel.join(context: context, handler: handler, backend: backend, head: head)
            case .failure(let error):
                logger.warning(
                    "upgraded connection's target cannot be reached",
                    metadata: ["target": "\(target)", "error": "\(error)"]
                )
                let refusal = APIError(
                    code: 502,
                    reason: .init(rawValue: "BadGateway"),
                    message: "error dialing backend: \(target): \(error)"
                )
                Exchange.send(.error(refusal), version: version, keepsAlive: false, isHead: false, to: channel)
            }
        }
    }
}

/// The handler as its request's task sees it.
private struct LoopSide: Sendable {
    private let handler: NIOLoopBound<ConnectionHandler>
    private let context: NIOLoopBound<ChannelHandlerContext>
    private let eventLoop: any EventLoop

    init(handler: ConnectionHandler, context: ChannelHandlerContext) {
        eventLoop = context.eventLoop
        self.handler = NIOLoopBound(handler, eventLoop: eventLoop)
        self.context = NIOLoopBound(context, eventLoop: eventLoop)
    }

    func beginStream() {
        eventLoop.execute { handler.value.beginStream() }
    }

    func beginTunnel(to target: TunnelTarget, head: HTTPRequestHead) {
        eventLoop.execute { handler.value.beginTunnel(to: target, head: head, context.value) }
    }
}

/// One request on its way through the responder and back to the connection.
private struct Exchange: Sendable {
    let responder: any RequestResponder
    let request: ServerRequest
    let channel: any Channel
    let version: HTTPVersion
    let keepsAlive: Bool
    let isHead: Bool
    let loop: LoopSide

    func run() async {
        switch await responder.respond(to: request) {
        case .response(let response):
            Self.send(response, version: version, keepsAlive: keepsAlive, isHead: isHead, to: channel)
        case .stream(let status, let headers, let body):
            loop.beginStream()
            await stream(status, headers, body)
        case .tunnel(let target, let head): loop.beginTunnel(to: target, head: head)
        }
    }

    static func send(
        _ response: ServerResponse,
        version: HTTPVersion,
        keepsAlive: Bool,
        isHead: Bool,
        to channel: any Channel
    ) {
        var head = HTTPResponseHead(version: version, status: response.status, headers: response.headers)
        if response.status != .notModified {
            head.headers.replaceOrAdd(name: "Content-Length", value: String(response.body.count))
        }
        if !keepsAlive { head.headers.replaceOrAdd(name: "Connection", value: "close") }
        let body: ByteBuffer? = isHead || response.body.isEmpty ? nil : ByteBuffer(bytes: response.body)
        let finalHead = head
        channel.eventLoop.execute {
            channel.write(HTTPServerResponsePart.head(finalHead), promise: nil)
            if let body { channel.write(HTTPServerResponsePart.body(.byteBuffer(body)), promise: nil) }
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        }
    }

    private func stream(
        _ status: HTTPResponseStatus,
        _ headers: HTTPHeaders,
        _ body: @Sendable (StreamWriter) async throws -> Void
    ) async {
        var head = HTTPResponseHead(version: version, status: status, headers: headers)
        if !keepsAlive { head.headers.replaceOrAdd(name: "Connection", value: "close") }
        channel.writeAndFlush(HTTPServerResponsePart.head(head), promise: nil)
        do {
            if !isHead { try await body(StreamWriter(channel: channel)) }
            channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        } catch {
            // The only way left to say that the answer is not whole.
            channel.close(promise: nil)
        }
    }
}
