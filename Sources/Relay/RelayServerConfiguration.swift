/// How a cluster's relay finds the control plane.
package struct RelayServerConfiguration: Sendable {
    /// The control plane's ordinary address.
    package var host: String
    package var port: Int
    /// Certificates that the control plane's certificate must lead to, PEM.
    package var authorityPEM: String
    /// Read for every hello, so that a renewed token is shown without a new connection.
    package var token: @Sendable () throws -> String
    /// Version of the product.
    package var version: String
    package var keepalive: RelayKeepalive
    /// How long requests under way may go on after the wish to stop.
    package var drain: Duration
    /// How long TLS, and then the control plane's acceptance, may take.
    package var handshake: Duration

    package init(
        host: String,
        port: Int,
        authorityPEM: String,
        token: @escaping @Sendable () throws -> String,
        version: String,
        keepalive: RelayKeepalive = RelayKeepalive(),
        drain: Duration = .seconds(5),
        handshake: Duration = .seconds(10)
    ) {
        self.host = host
        self.port = port
        self.authorityPEM = authorityPEM
        self.token = token
        self.version = version
        self.keepalive = keepalive
        self.drain = drain
        self.handshake = handshake
    }
}

// The closure may hold the token.
extension RelayServerConfiguration: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "RelayServerConfiguration(\(host):\(port))" }
    package var debugDescription: String { description }
}
