/// Names on the wire between the relay in a cluster and the control plane.
package enum RelayProtocol {
    /// ALPN name with which a cluster's relay asks for the reversed connection.
    package static let alpn = "outrigger-relay/1"
    /// Asked by the control plane first, and again before the token ends; the answer carries the token.
    package static let helloPath = "/.relay/hello"
    /// Told by the control plane once the token is accepted.
    package static let acceptedPath = "/.relay/accepted"
    /// Version of the product on the relay's side, in the answer to a hello.
    package static let versionHeader = "outrigger-version"
    /// Key of the cluster, in the notice of acceptance.
    package static let clusterHeader = "outrigger-cluster"
    /// Set on answers that the relay made itself because the gateway did not answer.
    package static let faultHeader = "outrigger-relay-fault"
    /// Only below this the relay forwards.
    package static let forwardedPrefix = "/v1/"

    /// Fields that speak of one connection only and are not forwarded.
    package static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "host",
    ]
}
