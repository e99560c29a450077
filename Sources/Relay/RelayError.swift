/// Why something did not go through the tunnel.
package struct RelayError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        /// No relay of the cluster is connected.
        case notConnected
        /// Every connection of the cluster carries as many streams as it may.
        case overloaded
        /// The other side did not answer in time.
        case timeout
        /// The connection or the stream ended before the answer did; the request may or may not have been carried out.
        case cut
        /// The answer is larger than the caller takes.
        case tooLarge
        /// The token is missing, wrong or over.
        case refused
        /// The other side does not keep to the protocol.
        case invalidPeer
    }

    package var code: Code
    /// Names the object and the value.
    package var message: String
    /// What to do, when a person can do something.
    package var remedy: String?

    package init(_ code: Code, _ message: String, remedy: String?) {
        self.code = code
        self.message = message
        self.remedy = remedy
    }

    package var description: String { remedy.map { message + "; " + $0 } ?? message }

    static func notConnected(_ cluster: String) -> RelayError {
        RelayError(
            .notConnected,
            "cluster '\(cluster)' is not connected to the control plane",
            remedy:
                "see whether the relayserver pod in namespace azureml of the cluster is ready and reaches the control plane"
        )
    }

    static func cut(_ detail: String) -> RelayError {
        RelayError(.cut, "the connection to the cluster ended: \(detail)", remedy: nil)
    }
}
