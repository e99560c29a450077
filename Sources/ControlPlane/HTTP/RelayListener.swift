internal import Hummingbird
internal import HummingbirdCore
internal import HummingbirdTLS
internal import Logging
internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import Relay
internal import ServiceLifecycle

/// Takes REST clients and the relays of clusters on the same port: ALPN says which is which.
struct RelayListener: ServerChildChannel {
    enum Role: Sendable {
        case rest(HTTP1Channel.Value)
        case relay(RelayConnection)
    }

    struct Value: ServerChildChannelValue {
        let channel: any Channel
        let role: EventLoopFuture<Role>
    }

    /// TLS that takes longer is given up; a socket that says nothing must not stay.
    private static let handshake = TimeAmount.seconds(15)

    let rest: HTTP1Channel
    let hub: RelayHub

    /// The server for both, with TLS.
    static func server(hub: RelayHub, tls: TLSConfiguration) throws -> HTTPServerBuilder {
        var tls = tls
        tls.applicationProtocols = [RelayProtocol.alpn, "http/1.1"]
        let both = HTTPServerBuilder { responder in
            RelayListener(rest: HTTP1Channel(responder: responder), hub: hub)
        }
        return try .tls(both, tlsConfiguration: tls)
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let ending = HandshakeEnding()
            let handler = NIOTypedApplicationProtocolNegotiationHandler<Role> { result, channel in
                ending.isNegotiated = true
                guard case .negotiated(RelayProtocol.alpn) = result else {
                    return rest.setup(channel: channel, logger: logger).map { .rest($0) }
                }
                return channel.eventLoop.makeCompletedFuture { .relay(try hub.prepare(channel)) }
            }
            try channel.pipeline.syncOperations.addHandler(ending)
            try channel.pipeline.syncOperations.addHandler(handler)
            let role = handler.protocolNegotiationResult
            let timer = channel.eventLoop.scheduleTask(in: Self.handshake) { channel.close(mode: .all, promise: nil) }
            role.whenComplete { _ in timer.cancel() }
            return Value(channel: channel, role: role)
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.role.get() {
            case .rest(let channel): await rest.handle(value: channel, logger: logger)
            case .relay(let connection): await hub.serve(connection)
            }
        } catch {
            logger.debug("connection ended before its protocol was known", metadata: ["error": "\(error)"])
        }
    }
}

/// Closes a connection whose protocol is not known yet when the server is to stop.
///
/// The handlers of either protocol see to that themselves, but those that come later miss the event, and the server would wait
/// for the connection for ever.
private final class HandshakeEnding: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    var isNegotiated = false

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent, !isNegotiated { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
}
