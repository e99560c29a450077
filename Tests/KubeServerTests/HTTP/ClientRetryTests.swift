import KubeClient
import KubeCore
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import TestSupport
import Testing

/// What the client does with answers of other servers, over plain HTTP.
@Suite(.timeLimit(.minutes(1))) struct ClientRetryTests {
    @Test func `Too many requests are asked again after the time named`() async throws {
        let answers = ["HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", ok]
        try await withServer(answers) { server, api in
            let object = try await api.get(.namespaces, name: "a")
            #expect(object.name == "a")
            #expect(server.count.withLock { $0 } == 2)
        }
    }

    @Test func `Without a time named the answer is final`() async throws {
        let answers = ["HTTP/1.1 429 Slow\r\nContent-Length: 4\r\n\r\nbusy", ok]
        try await withServer(answers) { server, api in
            let error = await #expect(throws: APIError.self) { try await api.get(.namespaces, name: "a") }
            #expect(error?.reason == .tooManyRequests)
            #expect(error?.message == "GET /api/v1/namespaces/a: the server answered 429: busy")
            #expect(server.count.withLock { $0 } == 1)
        }
    }

    @Test func `A Status is taken as it is`() async throws {
        let body =
            #"{"kind":"Status","code":409,"reason":"Conflict","message":"m","details":{"name":"a","kind":"pods"}}"#
        let answers = ["HTTP/1.1 409 Conflict\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"]
        try await withServer(answers) { _, api in
            let error = await #expect(throws: APIError.self) { try await api.get(.namespaces, name: "a") }
            #expect(error?.isConflict == true)
            #expect(error?.name == "a")
        }
    }

    private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{\"metadata\":{\"name\":\"a\"}}"

    private final class Server: Sendable {
        let count = Mutex(0)
        let answers: [String]
        init(_ answers: [String]) { self.answers = answers }

        func next() -> String {
            count.withLock { count in
                defer { count += 1 }
                return answers[min(count, answers.count - 1)]
            }
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let server: Server
        init(_ server: Server) { self.server = server }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard String(buffer: unwrapInboundIn(data)).contains("\r\n\r\n") else { return }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: server.next())), promise: nil)
        }
    }

    private func withServer(_ answers: [String], _ body: (Server, HTTPResourceAPI) async throws -> Void) async throws {
        let server = Server(answers)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let api = try HTTPResourceAPI(
            configuration: KubeConfig(server: "http://127.0.0.1:\(channel.localAddress?.port ?? 0)")
        )
        let result = await Result<Void, any Error>.catching { try await body(server, api) }
        try await api.shutdown()
        try await channel.close()
        try result.get()
    }
}
