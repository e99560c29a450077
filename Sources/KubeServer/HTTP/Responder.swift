internal import KubeCore
internal import NIOCore
internal import NIOHTTP1

/// What becomes of a request.
enum RequestOutcome: Sendable {
    case response(ServerResponse)
    /// An answer of unknown length; `body` writes it and returns at its end.
    case stream(status: HTTPResponseStatus, headers: HTTPHeaders, body: @Sendable (StreamWriter) async throws -> Void)
    /// The connection leaves HTTP: the request head goes to `target`, and bytes flow both ways from then on.
    case tunnel(to: TunnelTarget, head: HTTPRequestHead)
}

/// Where a connection that leaves HTTP goes on.
enum TunnelTarget: Sendable, Hashable, CustomStringConvertible {
    case unix(String)
    /// With `isTLS` the peer's certificate is not checked, as upstream's proxy does not.
    case tcp(host: String, port: Int, isTLS: Bool)

    var description: String {
        switch self {
        case .unix(let path): path
        case .tcp(let host, let port, _): "\(host):\(port)"
        }
    }
}

/// Answers requests; errors become answers inside.
protocol RequestResponder: Sendable {
    func respond(to request: ServerRequest) async -> RequestOutcome
    /// The largest body that is read.
    var maximumBodyBytes: Int { get }
    /// The request is passed on, so its body is not read before it is answered.
    func streamsBody(_ head: HTTPRequestHead) -> Bool
}

extension RequestResponder {
    func streamsBody(_ head: HTTPRequestHead) -> Bool { false }
}

/// Writes the body of a streamed answer.
struct StreamWriter: Sendable {
    let channel: any Channel

    /// Returns when the bytes are with the kernel, so that a slow reader holds its writer back.
    ///
    /// - Throws: when the connection is closed, also because it took no bytes for a minute.
    func write(_ bytes: [UInt8]) async throws {
        if bytes.isEmpty { return }
        let part = HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: bytes)))
        try await channel.writeAndFlush(part).get()
    }

    func write(_ buffer: ByteBuffer) async throws {
        try await channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(buffer))).get()
    }
}
