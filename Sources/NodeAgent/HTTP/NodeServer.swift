internal import Glibc
internal import KubeCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOWebSocket

/// Serves the node's Unix socket: logs over HTTP, commands and attaching over WebSocket.
///
/// Whoever can open the socket (mode 0600) is trusted: the API server has authenticated and authorised the caller.
final class NodeServer: Sendable {
    typealias PlainChannel = NIOAsyncChannel<HTTPServerRequestPart, HTTPPart<HTTPResponseHead, ByteBuffer>>
    typealias SocketChannel = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    enum Upgrade: Sendable {
        case plain(PlainChannel)
        case socket(SocketChannel, uri: String, subprotocol: String)
    }

    static let subprotocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"]

    private let socketPath: String
    let backend: ContainerAccess
    let logger: Logger

    init(socketPath: String, backend: ContainerAccess, logger: Logger) {
        self.socketPath = socketPath
        self.backend = backend
        self.logger = logger
    }

    /// Serves until cancelled.
    func run() async throws {
        let parts = socketPath.split(separator: "/")
        let folder = "/" + parts.dropLast().joined(separator: "/")
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Files.failure("open", folder) }
        defer { close(descriptor) }
        try Files.remove(socketPath)
        // The way round through the descriptor keeps the address below the 108 bytes of a socket address.
        let address = "/proc/self/fd/\(descriptor)/\(parts.last ?? "")"
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(unixDomainSocketPath: address) { channel in
                channel.eventLoop.makeCompletedFuture { try self.configure(channel) }
            }
        try Files.setMode(socketPath, 0o600)
        try await withThrowingDiscardingTaskGroup { group in
            try await channel.executeThenClose { inbound in
                for try await upgrade in inbound {
                    group.addTask { await self.handle(upgrade) }
                }
            }
        }
    }

    private func configure(_ channel: any Channel) throws -> EventLoopFuture<Upgrade> {
        let upgrader = NIOTypedWebSocketServerUpgrader<Upgrade>(
            maxFrameSize: 1 << 20,
            shouldUpgrade: { channel, head in
                channel.eventLoop.makeCompletedFuture { self.upgradeHeaders(head) }
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NIOWebSocketFrameAggregator(
                            minNonFinalFragmentSize: 0,
                            maxAccumulatedFrameCount: 1024,
                            maxAccumulatedFrameSize: 4 << 20
                        )
                    )
                    return .socket(
                        try SocketChannel(wrappingChannelSynchronously: channel),
                        uri: head.uri,
                        subprotocol: Self.subprotocol(head) ?? ""
                    )
                }
            }
        )
        let configuration = NIOTypedHTTPServerUpgradeConfiguration(upgraders: [upgrader]) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(ResponseBodyHandler())
                return .plain(try PlainChannel(wrappingChannelSynchronously: channel))
            }
        }
        try channel.pipeline.syncOperations.addHandler(DrainingCloseHandler())
        return try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
            configuration: .init(upgradeConfiguration: configuration)
        )
    }

    private static func subprotocol(_ head: HTTPRequestHead) -> String? {
        let offered = head.headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init)
        return offered.first { subprotocols.contains($0) }
    }

    /// nil = answer over HTTP, which says what is wrong.
    private func upgradeHeaders(_ head: HTTPRequestHead) -> HTTPHeaders? {
        guard let subprotocol = Self.subprotocol(head), let request = try? NodeRequest(uri: head.uri),
            (try? check(request)) != nil
        else {
            return nil
        }
        return ["Sec-WebSocket-Protocol": subprotocol]
    }

    /// - Throws: when the request's target is not there.
    private func check(_ request: NodeRequest) throws {
        switch request {
        case .exec(let streams), .attach(let streams):
            _ = try backend.running(namespace: streams.namespace, pod: streams.pod, name: streams.container)
        case .portForward(let namespace, let pod, _): _ = try backend.pod(namespace: namespace, name: pod)
        case .logs, .health: throw NodeAgentError(.badRequest, "this path takes no WebSocket")
        }
    }

    private func handle(_ upgrade: EventLoopFuture<Upgrade>) async {
        do {
            switch try await upgrade.get() {
            case .plain(let channel): try await plain(channel)
            case .socket(let channel, let uri, let subprotocol):
                try await StreamSession(backend: backend, subprotocol: subprotocol, logger: logger).run(
                    channel,
                    request: NodeRequest(uri: uri)
                )
            }
        } catch is CancellationError {
            return
        } catch {
            logger.debug("node connection ended", metadata: ["error": "\(error)"])
        }
    }

    private func plain(_ channel: PlainChannel) async throws {
        try await channel.executeThenClose { inbound, outbound in
            for try await part in inbound {
                guard case .head(let head) = part else { continue }
                // One request a connection: a log that is followed has no other end.
                try await answer(head, outbound)
                return
            }
        }
    }

    private func answer(
        _ head: HTTPRequestHead,
        _ outbound: NIOAsyncChannelOutboundWriter<HTTPPart<HTTPResponseHead, ByteBuffer>>
    ) async throws {
        do {
            switch try NodeRequest(uri: head.uri) {
            case .health: try await text(.ok, "ok", outbound)
            case .logs(let namespace, let pod, let container, let query):
                var clock = timespec()
                clock_gettime(CLOCK_REALTIME, &clock)
                let options = try LogOptions(query: query, now: Double(clock.tv_sec))
                let found = try backend.container(
                    namespace: namespace,
                    pod: pod,
                    name: container,
                    previous: options.usesPrevious
                )
                try await logs(found, options, outbound)
            case .exec(let streams), .attach(let streams):
                _ = try backend.running(namespace: streams.namespace, pod: streams.pod, name: streams.container)
                throw NodeAgentError(
                    .badRequest,
                    "unable to upgrade: this path needs a WebSocket of protocol "
                        + Self.subprotocols.joined(separator: " or ")
                )
            case .portForward(let namespace, let pod, _):
                _ = try backend.pod(namespace: namespace, name: pod)
                throw NodeAgentError(
                    .badRequest,
                    "unable to upgrade: this path needs a WebSocket of protocol v4.channel.k8s.io"
                )
            }
        } catch let error as NodeAgentError {
            let code: HTTPResponseStatus =
                switch error.code {
                case .notFound: .notFound
                case .badRequest: .badRequest
                default: .internalServerError
                }
            try await text(code, error.message, outbound)
        }
    }

    private func text(
        _ code: HTTPResponseStatus,
        _ text: String,
        _ outbound: NIOAsyncChannelOutboundWriter<HTTPPart<HTTPResponseHead, ByteBuffer>>
    ) async throws {
        let buffer = ByteBuffer(string: text + "\n")
        let headers: HTTPHeaders = [
            "Content-Type": "text/plain; charset=utf-8", "Content-Length": String(buffer.readableBytes),
            "Connection": "close",
        ]
        try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: code, headers: headers)))
        try await outbound.write(.body(buffer))
        try await outbound.write(.end(nil))
    }

    private func logs(
        _ found: ContainerAccess.Found,
        _ options: LogOptions,
        _ outbound: NIOAsyncChannelOutboundWriter<HTTPPart<HTTPResponseHead, ByteBuffer>>
    ) async throws {
        let headers: HTTPHeaders = [
            "Content-Type": "text/plain", "Transfer-Encoding": "chunked", "Connection": "close",
        ]
        try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)))
        var reader = LogReader(
            path: found.record.logPath,
            files: backend.runtime.configuration.logMaxFiles,
            options: options
        )
        defer { reader.close() }
        while true {
            // Asked before reading: what a container writes last is in the file before its exit status is.
            let isOver = !options.isFollowing || Files.exists(found.paths.exit) || !found.paths.isMonitorAlive
            guard let bytes = try reader.next() else { break }
            if !bytes.isEmpty { try await outbound.write(.body(ByteBuffer(bytes: bytes))) }
            if isOver, bytes.isEmpty || !options.isFollowing { break }
            if bytes.isEmpty { try await Task.sleep(for: .milliseconds(50)) }
        }
        try await outbound.write(.end(nil))
    }
}
