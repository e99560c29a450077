import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A node agent's socket: answers logs, and echoes bytes after an upgrade.
final class FakeAgent: Sendable {
    /// What `command=flood` answers before it closes.
    static let floodBytes = 12_000_000

    let requests = Mutex<[String]>([])
    private let channel: Mutex<(any Channel)?> = Mutex(nil)

    func start(path: String) async throws {
        let bound = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(agent: self))
                }
            }
            .bind(unixDomainSocketPath: path).get()
        channel.withLock { $0 = bound }
    }

    func stop() async throws {
        try await channel.withLock({ $0 })?.close().get()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let agent: FakeAgent
        private var text = ""
        private var isUpgraded = false

        init(agent: FakeAgent) { self.agent = agent }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let buffer = unwrapInboundIn(data)
            if isUpgraded { return write(context, String(buffer: buffer)) }
            text += String(buffer: buffer)
            guard let end = text.firstRange(of: "\r\n\r\n") else { return }
            let head = String(text[..<end.lowerBound])
            let rest = String(text[end.upperBound...])
            agent.requests.withLock { $0.append(head) }
            if head.contains("command=flood") {
                isUpgraded = true
                let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
                let payload = String(repeating: "x", count: FakeAgent.floodBytes)
                let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer + payload + "end")))
                    .whenComplete { _ in bound.value.close(promise: nil) }
            } else if head.lowercased().contains("upgrade: ") {
                isUpgraded = true
                write(
                    context,
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n" + rest
                )
            } else if head.contains("/gone") {
                write(context, "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nno container")
            } else {
                text = ""
                write(
                    context,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nline1\n\r\n6\r\nline2\n\r\n0\r\n\r\n"
                )
            }
        }

        private func write(_ context: ChannelHandlerContext, _ text: String) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }
    }
}
