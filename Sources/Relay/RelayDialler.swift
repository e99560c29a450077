internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2
internal import NIOPosix
internal import NIOSSL
internal import NIOTLS

/// The relay's side of one stream.
typealias RelayStream = StreamEnd<HTTPRequestHead, HTTPResponseHead>

/// Opens one connection to the control plane, on which it then serves HTTP/2.
struct RelayDialler: Sendable {
    let configuration: RelayServerConfiguration

    /// - Throws: `RelayError`, or what TLS and the sockets say.
    func dial() async throws -> RelayLink<RelayStream> {
        let tls = try context()
        let keepalive = configuration.keepalive
        let handshake = configuration.handshake
        // An address is checked against the certificate by itself; as a name TLS does not take it.
        let isAddress = (try? SocketAddress(ipAddress: configuration.host, port: 0)) != nil
        let name = isAddress ? nil : configuration.host
        let negotiated = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(TimeAmount(handshake))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: configuration.host, port: configuration.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NIOSSLClientHandler(context: tls, serverHostname: name)
                    )
                    let handler = NIOTypedApplicationProtocolNegotiationHandler<RelayLink<RelayStream>> {
                        result,
                        channel in
                        channel.eventLoop.makeCompletedFuture {
                            guard case .negotiated(RelayProtocol.alpn) = result else {
                                throw RelayError(
                                    .invalidPeer,
                                    "the server at the control plane's address does not offer \(RelayProtocol.alpn)",
                                    remedy:
                                        "see whether something between the cluster and the control plane ends TLS itself"
                                )
                            }
                            return try Self.link(channel, keepalive)
                        }
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                    return Negotiation(channel: channel, result: handler.protocolNegotiationResult)
                }
            }
        let timer = negotiated.channel.eventLoop.scheduleTask(in: TimeAmount(handshake)) {
            negotiated.channel.close(mode: .all, promise: nil)
        }
        defer { timer.cancel() }
        do {
            return try await negotiated.result.get()
        } catch {
            negotiated.channel.close(mode: .all, promise: nil)
            throw error
        }
    }

    private struct Negotiation: Sendable {
        var channel: any Channel
        var result: EventLoopFuture<RelayLink<RelayStream>>
    }

    private static func link(
        _ channel: any Channel,
        _ keepalive: RelayKeepalive
    ) throws -> RelayLink<RelayStream> {
        try RelayLink.make(
            channel,
            mode: .server,
            keepalive: keepalive,
            // The control plane goes away: it closes the connection itself.
            onDraining: {},
            accept: { stream in try RelayStream.make(stream, codec: HTTP2FramePayloadToHTTP1ServerCodec()) }
        )
    }

    private func context() throws -> NIOSSLContext {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.applicationProtocols = [RelayProtocol.alpn]
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(configuration.authorityPEM.utf8)))
        tls.shutdownTimeout = .milliseconds(300)
        return try NIOSSLContext(configuration: tls)
    }
}
