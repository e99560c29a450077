/// How an embedded API server is set up.
package struct KubeServerConfiguration: Sendable {
    package struct Address: Sendable, Hashable {
        package var host: String
        /// 0 = any free port.
        package var port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// Where it listens; TLS only.
    package var addresses: [Address]
    package var certificatePEM: String
    package var keyPEM: String
    /// PEM of the authority whose client certificates are accepted; also published to pods as their root.
    package var clientAuthorityPEM: String
    /// EC P-256 key that signs service accounts' tokens.
    package var serviceAccountKeyPEM: String
    package var issuer = "https://kubernetes.default.svc.cluster.local"
    /// SQLite file; nil = in memory.
    package var databasePath: String?
    /// IPv4 CIDR of service addresses.
    package var serviceRange = "10.96.0.0/16"
    package var nodePorts: ClosedRange<Int> = 30000...32767
    /// Endpoint of the Service `default/kubernetes`; nil leaves it without one.
    package var advertised: Address?
    /// The node agent's Unix socket for a node's name.
    package var agentSocketPath: @Sendable (String) -> String
    /// Shown by `/version`.
    package var gitVersion = "v1.36.2+outrigger"
    /// Requests that are not watches or streams run at once; more get 429.
    package var maximumRequests = 400
    package var maximumConnections = 4096

    package init(
        addresses: [Address],
        certificatePEM: String,
        keyPEM: String,
        clientAuthorityPEM: String,
        serviceAccountKeyPEM: String,
        databasePath: String?,
        agentSocketPath: @escaping @Sendable (String) -> String
    ) {
        self.addresses = addresses
        self.certificatePEM = certificatePEM
        self.keyPEM = keyPEM
        self.clientAuthorityPEM = clientAuthorityPEM
        self.serviceAccountKeyPEM = serviceAccountKeyPEM
        self.databasePath = databasePath
        self.agentSocketPath = agentSocketPath
    }
}
