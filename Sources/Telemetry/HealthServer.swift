package import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization

/// HTTP listener with `/healthz`, `/livez`, `/readyz` and `/metrics`.
package final class HealthServer: Service {
    private let host: String
    private let port: Int
    private let health: Health
    private let metrics: MetricsRegistry
    private let logger: Logger
    private let bound = Mutex<Int?>(nil)

    /// Port 0 takes a free one; see `boundPort`.
    package init(
        host: String = "0.0.0.0",
        port: Int,
        health: Health,
        metrics: MetricsRegistry,
        logger: Logger = Logger(label: "health")
    ) {
        self.host = host
        self.port = port
        self.health = health
        self.metrics = metrics
        self.logger = logger
    }

    /// The port once listening.
    package var boundPort: Int? { bound.withLock { $0 } }

    package func run() async throws {
        let (health, metrics) = (self.health, self.metrics)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(HealthHandler(health: health, metrics: metrics))
                }
            }
            .bind(host: host, port: port).get()
        let address = listener.localAddress
        bound.withLock { $0 = address?.port }
        logger.info("health endpoint listens", metadata: ["port": "\(address?.port ?? port)"])
        // A future is not cancelled with its task: without this a process whose other part failed would never end.
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                try? await listener.closeFuture.get()
            } onGracefulShutdown: {
                listener.close(promise: nil)
            }
        } onCancel: {
            listener.close(promise: nil)
        }
        bound.withLock { $0 = nil }
    }
}

private final class HealthHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let health: Health
    private let metrics: MetricsRegistry
    private var head: HTTPRequestHead?

    init(health: Health, metrics: MetricsRegistry) {
        self.health = health
        self.metrics = metrics
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            guard let head else { return }
            self.head = nil
            answer(head, context: context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func answer(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        let (status, type, text) = content(head)
        var body = context.channel.allocator.buffer(capacity: text.utf8.count)
        body.writeString(text)
        var headers = HTTPHeaders([("content-type", type), ("content-length", String(body.readableBytes))])
        if !head.isKeepAlive { headers.add(name: "connection", value: "close") }
        let response = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        if head.method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        let end = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if !head.isKeepAlive {
            let channel = context.channel
            end.whenComplete { _ in channel.close(promise: nil) }
        }
    }

    private func content(_ head: HTTPRequestHead) -> (HTTPResponseStatus, String, String) {
        let plain = "text/plain; charset=utf-8"
        guard head.method == .GET || head.method == .HEAD else {
            return (.methodNotAllowed, plain, "use GET\n")
        }
        let path = head.uri.prefix { $0 != "?" }
        switch path {
        case "/healthz", "/livez": return check(health.faults)
        case "/readyz": return check(health.faults + health.notReady)
        case "/metrics": return (.ok, "text/plain; version=0.0.4; charset=utf-8", metrics.text)
        default: return (.notFound, plain, "no such path; try /healthz, /readyz or /metrics\n")
        }
    }

    private func check(_ problems: [String]) -> (HTTPResponseStatus, String, String) {
        let plain = "text/plain; charset=utf-8"
        return problems.isEmpty
            ? (.ok, plain, "ok\n") : (.serviceUnavailable, plain, problems.joined(separator: "\n") + "\n")
    }
}
