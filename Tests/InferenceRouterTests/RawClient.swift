import NIOCore
import NIOPosix
import NIOSSL

/// An answer as it came off the wire.
struct RawResponse: Sendable {
    var status: Int
    var headers: [String: String]
    var body: [UInt8]
    var text: String { String(decoding: body, as: UTF8.self) }
}

struct ClientError: Error, CustomStringConvertible {
    var description: String
}

/// A client that sends exactly the bytes it is told to.
final class RawClient {
    private let channel: any Channel
    private let stream: AsyncStream<ByteBuffer>
    private var received: [UInt8] = []
    private var isAtEnd = false

    private init(channel: any Channel, stream: AsyncStream<ByteBuffer>) {
        self.channel = channel
        self.stream = stream
    }

    static func connect(_ port: Int, tls: NIOSSLContext? = nil) async throws -> RawClient {
        let (stream, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
        let channel = try await ClientBootstrap(group: ModelServer.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: "localhost")
                        )
                    }
                    try channel.pipeline.syncOperations.addHandler(Collector(continuation))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return RawClient(channel: channel, stream: stream)
    }

    func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }

    func send(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }

    /// Sends without waiting for the peer to read.
    func begin(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

    func close() async { try? await channel.close() }

    /// False at the end of the stream.
    private func more() async -> Bool {
        guard !isAtEnd else { return false }
        for await buffer in stream {
            received += Array(buffer.readableBytesView)
            return true
        }
        isAtEnd = true
        return false
    }

    /// Waits until the received bytes hold `text` and takes everything up to its end.
    func receive(through text: String) async throws -> String {
        while true {
            let all = String(decoding: received, as: UTF8.self)
            if let range = all.firstRange(of: text) {
                let taken = String(all[..<range.upperBound])
                received.removeFirst(taken.utf8.count)
                return taken
            }
            guard await more() else { throw ClientError(description: "the connection ended before \(text): \(all)") }
        }
    }

    /// The next complete response.
    func response() async throws -> RawResponse {
        while true {
            if let response = take() { return response }
            guard await more() else {
                if let response = take(atEnd: true) { return response }
                throw ClientError(
                    description:
                        "the connection ended within an answer: \(String(decoding: received.prefix(500), as: UTF8.self))"
                )
            }
        }
    }

    /// Waits for the peer to close; answers what it sent before.
    func end() async -> String {
        while await more() {}
        return String(decoding: received, as: UTF8.self)
    }

    private func take(atEnd: Bool = false) -> RawResponse? {
        guard let (head, start) = splitHead(received) else { return nil }
        let status = Int(head.line.split(separator: " ").dropFirst().first ?? "") ?? 0
        var end = start
        var body: [UInt8] = []
        if head.headers["transfer-encoding"] == "chunked" {
            guard let (decoded, stop) = decodeChunks(received, from: start) else { return nil }
            (body, end) = (decoded, stop)
        } else if let length = head.headers["content-length"].flatMap({ Int($0) }) {
            guard received.count >= start + length else { return nil }
            end = start + length
            body = Array(received[start..<end])
        } else if status == 204 || status == 100 {
            body = []
        } else {
            guard atEnd else { return nil }
            body = Array(received[start...])
            end = received.count
        }
        received.removeFirst(end)
        return RawResponse(status: status, headers: head.headers, body: body)
    }
}

private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let continuation: AsyncStream<ByteBuffer>.Continuation

    init(_ continuation: AsyncStream<ByteBuffer>.Continuation) { self.continuation = continuation }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { continuation.yield(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { continuation.finish() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        continuation.finish()
        context.close(promise: nil)
    }
}
