import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A small HTTP server on a port of this machine; the closure answers each request.
final class HTTPServer: Sendable {
    struct Request: Sendable {
        var method: HTTPMethod
        /// Without the query.
        var path: String
        var query: [String: String]
        var headers: HTTPHeaders
        var body: [UInt8]
    }

    struct Response: Sendable {
        var status: HTTPResponseStatus
        var headers: HTTPHeaders = [:]
        var body: [UInt8] = []
    }

    typealias Answer = @Sendable (Request) -> Response

    private let channel: any Channel
    let log = Mutex<[String]>([])

    var port: Int { channel.localAddress?.port ?? 0 }
    var url: String { "http://127.0.0.1:\(port)" }
    var requests: [String] { log.withLock { $0 } }

    private init(channel: any Channel) { self.channel = channel }

    /// Serves while `body` runs.
    static func with<T: Sendable>(
        _ answer: @escaping @Sendable (HTTPServer, Request) -> Response,
        _ body: (HTTPServer) async throws -> T
    ) async throws -> T {
        let box = Box()
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(box: box, answer: answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = HTTPServer(channel: channel)
        box.server.withLock { $0 = server }
        do {
            let result = try await body(server)
            try await channel.close()
            return result
        } catch {
            try await channel.close()
            throw error
        }
    }

    private final class Box: Sendable { let server = Mutex<HTTPServer?>(nil) }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let box: Box
        private let answer: @Sendable (HTTPServer, Request) -> Response
        private var head: HTTPRequestHead?
        private var body: [UInt8] = []

        init(box: Box, answer: @escaping @Sendable (HTTPServer, Request) -> Response) {
            self.box = box
            self.answer = answer
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body = []
            case .body(let buffer): body += Array(buffer.readableBytesView)
            case .end:
                guard let head, let server = box.server.withLock({ $0 }) else { return }
                respond(context, head, server)
            }
        }

        private func respond(_ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ server: HTTPServer) {
            let components = URLComponents(string: head.uri)
            let query = (components?.queryItems ?? []).map { ($0.name, $0.value ?? "") }
            let request = Request(
                method: head.method,
                path: components?.path ?? head.uri,
                query: Dictionary(query) { first, _ in first },
                headers: head.headers,
                body: body
            )
            server.log.withLock { $0.append("\(head.method) \(request.path)") }
            let response = answer(server, request)
            var headers = response.headers
            if !headers.contains(name: "Content-Length") {
                headers.add(name: "Content-Length", value: String(response.body.count))
            }
            context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: response.status, headers: headers))))
                .whenFailure { _ in }
            if head.method != .HEAD {
                context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: response.body))))).whenFailure { _ in
                }
            }
            context.writeAndFlush(wrapOutboundOut(.end(nil))).whenFailure { _ in }
        }
    }
}

/// A folder that is gone when the test is over.
func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
    let path = FileManager.default.temporaryDirectory.path + "/packaging-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}

/// Runs a program to its end; what it wrote to both outputs, and its exit status.
func run(_ program: String, _ arguments: [String], environment: [String: String]? = nil) throws -> (String, Int32) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    if let environment { process.environment = environment }
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (String(decoding: data, as: UTF8.self), process.terminationStatus)
}
