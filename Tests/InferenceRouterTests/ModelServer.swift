import NIOCore
import NIOPosix
import Synchronization

/// A request as a model got it.
struct ModelRequest: Sendable {
    var line: String
    var headers: [String: String]
    var body: [UInt8]
    /// Number of the request on its connection, from 1.
    var number: Int

    var text: String { String(decoding: body, as: UTF8.self) }
}

/// A model's side of a connection.
struct ModelConnection: Sendable {
    let channel: any Channel

    func send(_ text: String) {
        channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
    }

    func send(_ bytes: [UInt8]) {
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    func reply(_ status: Int = 200, _ body: String = "ok", headers: [String] = []) {
        let extra = headers.map { $0 + "\r\n" }.joined()
        send("HTTP/1.1 \(status) Word\r\nContent-Length: \(body.utf8.count)\r\n\(extra)\r\n\(body)")
    }

    func close() { channel.close(promise: nil) }
}

/// A scripted model container on a real socket.
final class ModelServer: Sendable {
    typealias Script = @Sendable (ModelRequest, ModelConnection) -> Void

    struct Counts: Sendable {
        var connections = 0
        var open = 0
        var requests: [ModelRequest] = []
        var waiting: [ModelConnection] = []
    }

    let counts = Mutex(Counts())
    let port: Int
    private let listener: any Channel

    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    private init(listener: any Channel, port: Int) {
        self.listener = listener
        self.port = port
    }

    static func start(_ script: @escaping Script) async throws -> ModelServer {
        let box = Mutex<ModelServer?>(nil)
        let shared = Shared()
        let listener = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ModelHandler(shared: shared, script: script))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = ModelServer(listener: listener, port: listener.localAddress?.port ?? 0)
        shared.server.withLock { $0 = server }
        box.withLock { $0 = server }
        return server
    }

    /// Answers every request when `release` is called.
    static func holding() async throws -> ModelServer {
        try await start { _, _ in }
    }

    func stop() async { try? await listener.close() }

    var requests: [ModelRequest] { counts.withLock { $0.requests } }
    var connections: Int { counts.withLock { $0.connections } }
    var open: Int { counts.withLock { $0.open } }

    /// Connections with a request, in order of arrival; taken.
    func takeWaiting() -> ModelConnection? {
        counts.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }
    }

    final class Shared: Sendable {
        let server = Mutex<ModelServer?>(nil)
    }
}

private final class ModelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let shared: ModelServer.Shared
    private let script: ModelServer.Script
    private var received: [UInt8] = []
    private var number = 0

    init(shared: ModelServer.Shared, script: @escaping ModelServer.Script) {
        self.shared = shared
        self.script = script
    }

    private func count(_ change: (inout ModelServer.Counts) -> Void) {
        shared.server.withLock { $0 }?.counts.withLock { change(&$0) }
    }

    func channelActive(context: ChannelHandlerContext) {
        count {
            $0.connections += 1
            $0.open += 1
        }
    }

    func channelInactive(context: ChannelHandlerContext) { count { $0.open -= 1 } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += Array(unwrapInboundIn(data).readableBytesView)
        while let request = takeRequest() {
            let connection = ModelConnection(channel: context.channel)
            count {
                $0.requests.append(request)
                $0.waiting.append(connection)
            }
            script(request, connection)
        }
    }

    private func takeRequest() -> ModelRequest? {
        guard let (head, bodyStart) = splitHead(received) else { return nil }
        var end = bodyStart
        var body: [UInt8] = []
        if head.headers["transfer-encoding"] == "chunked" {
            guard let (decoded, stop) = decodeChunks(received, from: bodyStart) else { return nil }
            body = decoded
            end = stop
        } else {
            end += Int(head.headers["content-length"] ?? "0") ?? 0
            guard received.count >= end else { return nil }
            body = Array(received[bodyStart..<end])
        }
        received.removeFirst(end)
        number += 1
        return ModelRequest(line: head.line, headers: head.headers, body: body, number: number)
    }
}

/// First line and headers (lower-case names) of a message, and where its body starts.
func splitHead(_ bytes: [UInt8]) -> (head: (line: String, headers: [String: String]), bodyStart: Int)? {
    var end = 0
    while end + 3 < bytes.count {
        if bytes[end] == 13 && bytes[end + 1] == 10 && bytes[end + 2] == 13 && bytes[end + 3] == 10 { break }
        end += 1
    }
    guard end + 3 < bytes.count else { return nil }
    let lines = String(decoding: bytes[..<end], as: UTF8.self).split(
        separator: "\r\n",
        omittingEmptySubsequences: false
    )
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
        let parts = line.split(separator: ":", maxSplits: 1)
        if parts.count == 2 { headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " }) }
    }
    return ((String(lines.first ?? ""), headers), end + 4)
}

/// A complete chunked body and where it ends.
func decodeChunks(_ bytes: [UInt8], from start: Int) -> (body: [UInt8], end: Int)? {
    var body: [UInt8] = []
    var index = start
    while true {
        guard let lineEnd = (index..<bytes.count).first(where: { bytes[$0] == 10 }) else { return nil }
        let size = Int(String(decoding: bytes[index..<(lineEnd - 1)], as: UTF8.self), radix: 16) ?? 0
        index = lineEnd + 1
        guard bytes.count >= index + size + 2 else { return nil }
        body += bytes[index..<(index + size)]
        index += size + 2
        if size == 0 { return (body, index) }
    }
}
