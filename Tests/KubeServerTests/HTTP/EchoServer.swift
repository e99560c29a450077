import KubeCore
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport

@testable import KubeServer

/// A server in a pod: answers each request with what it got, and echoes bytes after an upgrade.
///
/// `/stream` answers its first line at once and the rest only when the client's next bytes are there.
final class EchoServer: Sendable {
    private let channel = Mutex<(any Channel)?>(nil)
    /// Bytes that have come in so far.
    let received = Mutex(0)

    var port: Int { channel.withLock { $0?.localAddress?.port ?? 0 } }

    static func run<T>(isTLS: Bool = false, _ body: (EchoServer) async throws -> T) async throws -> T {
        let server = EchoServer()
        var context: NIOSSLContext?
        if isTLS {
            // Signed by nobody that the API server knows, for a name that it does not ask for.
            let authority = try PKI.authority(commonName: "unknown")
            let pair = try PKI.serverCertificate(
                authority: authority,
                commonName: "x",
                dnsNames: ["elsewhere"],
                addresses: []
            )
            context = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(pair.certificatePEM.utf8))
                        .map { .certificate($0) },
                    privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.keyPEM.utf8), format: .pem))
                )
            )
        }
        let tls = context
        let bound = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(Handler(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = bound }
        let result = await Result.catching { try await body(server) }
        try await bound.close().get()
        return try result.get()
    }

    /// Puts this server behind pod `web` and Service `web` of namespace `default`.
    func serve(in api: any ResourceAPI, portName: String? = nil) async throws {
        try await api.create(.serviceAccounts, .serviceAccount("default"))
        try await api.create(.pods, .pod("web", node: "n1"))
        try await api.patch(
            .pods,
            ObjectKey(namespace: "default", name: "web"),
            subresource: "status",
            .merge(["status": ["podIP": "127.0.0.1", "phase": "Running"]])
        )
        var port: [String: JSON] = ["port": 80, "protocol": "TCP"]
        if let portName { port["name"] = .string(portName) }
        try await api.create(
            .services,
            KubeObject(.services, namespace: "default", name: "web", body: ["spec": ["ports": [.object(port)]]])
        )
        let endpoint: JSON = [
            "addresses": ["127.0.0.1"], "conditions": ["ready": true],
            "targetRef": ["kind": "Pod", "namespace": "default", "name": "web"],
        ]
        let slice = KubeObject(
            .endpointSlices,
            namespace: "default",
            name: "web",
            labels: ["kubernetes.io/service-name": "web"],
            body: [
                "addressType": "IPv4", "endpoints": [endpoint],
                "ports": [["name": .string(portName ?? ""), "port": JSON(self.port), "protocol": "TCP"]],
            ]
        )
        try await api.create(.endpointSlices, slice)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let server: EchoServer
        private var bytes: [UInt8] = []
        private var isUpgraded = false
        private var isStreaming = false

        init(_ server: EchoServer) { self.server = server }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let buffer = unwrapInboundIn(data)
            server.received.withLock { $0 += buffer.readableBytes }
            if isUpgraded { return write(context, String(buffer: buffer)) }
            if isStreaming {
                isStreaming = false
                return write(context, "7\r\nsecond\n\r\n0\r\n\r\n")
            }
            bytes += Array(buffer.readableBytesView)
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.firstRange(of: "\r\n\r\n") else { return }
            let head = String(text[..<end.lowerBound])
            let body = String(text[end.upperBound...])
            let first = head.split(separator: "\r\n").first ?? ""
            if head.lowercased().contains("\r\nupgrade: ") {
                isUpgraded = true
                write(
                    context,
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n" + body
                )
            } else if first.contains("/stream") {
                isStreaming = true
                bytes = []
                write(context, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
            } else if let length = Self.length(head) {
                guard body.utf8.count >= length else { return }
                answer(context, head, bodyBytes: body.utf8.count)
            } else if head.lowercased().contains("transfer-encoding") {
                guard body.hasSuffix("0\r\n\r\n") else { return }
                answer(context, head, bodyBytes: body.utf8.count)
            } else {
                answer(context, head, bodyBytes: 0)
            }
        }

        private static func length(_ head: String) -> Int? {
            for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix("content-length:") {
                return Int(line.dropFirst("content-length:".count).trimmingSpaces())
            }
            return nil
        }

        private func answer(_ context: ChannelHandlerContext, _ head: String, bodyBytes: Int) {
            bytes = []
            let text = head + "\r\nbody: \(bodyBytes)"
            write(
                context,
                "HTTP/1.1 203 Non-Authoritative Information\r\nX-Own: yes\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
            )
        }

        private func write(_ context: ChannelHandlerContext, _ text: String) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }
    }
}
