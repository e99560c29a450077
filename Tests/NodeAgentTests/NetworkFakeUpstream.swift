import NIOCore
import NIOPosix
import Synchronization

@testable import NodeAgent

/// A resolver on 127.0.0.2 that answers every question with 192.0.2.77.
final class FakeUpstream: Sendable {
    private let channel: any Channel
    private let count: QuestionCount
    let port: Int

    var questions: Int { count.value }

    private init(channel: any Channel, count: QuestionCount) {
        self.channel = channel
        self.count = count
        port = channel.localAddress?.port ?? 0
    }

    static func start() async throws -> FakeUpstream {
        let count = QuestionCount()
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(count: count))
                }
            }
            .bind(host: "127.0.0.2", port: 0).get()
        return FakeUpstream(channel: channel, count: count)
    }

    func stop() async throws { try await channel.close() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>

        private let count: QuestionCount

        init(count: QuestionCount) { self.count = count }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            guard let query = try? DNSQuery(Array(envelope.data.readableBytesView)) else { return }
            count.increment()
            let record = DNSRecord(name: query.name, ttl: 60, content: .a(IPv4Address(rawValue: 0xc000_024d)))
            let bytes = DNSAnswer(answers: [record]).encode(for: query, limit: 512)
            context.writeAndFlush(
                wrapOutboundOut(
                    AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: bytes))
                ),
                promise: nil
            )
        }
    }
}

final class QuestionCount: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func increment() { count.withLock { $0 += 1 } }
}
