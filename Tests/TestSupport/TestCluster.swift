internal import Foundation
package import KubeCore
package import KubeServer
internal import Logging

/// An API server of its own in this process: temporary folder, generated certificates, a free port.
package struct TestCluster: Sendable {
    package let server: KubeServer
    package let port: Int
    /// Removed when the cluster ends.
    package let folder: String
    package let authority: PKI.Pair
    /// A client certificate in `system:masters`.
    package let admin: PKI.Pair

    /// In process, without authorization.
    package var api: any ResourceAPI { server.api }
    package var address: String { "https://127.0.0.1:\(port)" }

    /// Runs `body` with a cluster, and ends the cluster whatever comes.
    ///
    /// `isPersistent` keeps the store in a file of `folder` instead of in memory. An existing `folder` is gone on in, and not
    /// removed. `configure` makes last changes to the server's configuration.
    package static func run<T: Sendable>(
        isPersistent: Bool = false,
        folder existing: String? = nil,
        configure: (inout KubeServerConfiguration) -> Void = { _ in },
        _ body: (TestCluster) async throws -> T
    ) async throws -> T {
        let folder = existing ?? NSTemporaryDirectory() + "outrigger-test-" + UUID().uuidString.prefix(8).lowercased()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { if existing == nil { try? FileManager.default.removeItem(atPath: folder) } }
        let authority = try PKI.authority(commonName: "test")
        let certificate = try PKI.serverCertificate(
            authority: authority,
            commonName: "kube-apiserver",
            dnsNames: ["localhost", "kubernetes.default.svc"],
            addresses: ["127.0.0.1"]
        )
        var configuration = KubeServerConfiguration(
            addresses: [.init(host: "127.0.0.1", port: 0)],
            certificatePEM: certificate.certificatePEM,
            keyPEM: certificate.keyPEM,
            clientAuthorityPEM: authority.certificatePEM,
            serviceAccountKeyPEM: PKI.signingKeyPEM(),
            databasePath: isPersistent ? folder + "/kube.db" : nil,
            agentSocketPath: { folder + "/node-\($0).sock" }
        )
        configuration.advertised = .init(host: "127.0.0.1", port: 0)
        configure(&configuration)
        var logger = Logger(label: "test-cluster")
        logger.logLevel = .warning
        let server = try await KubeServer(configuration: configuration, logger: logger)
        let admin = try PKI.clientCertificate(
            authority: authority,
            commonName: "admin",
            organizations: ["system:masters"]
        )
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let port = try await server.ports()[0]
            let cluster = TestCluster(server: server, port: port, folder: folder, authority: authority, admin: admin)
            let result = await Result.catching { try await body(cluster) }
            group.cancelAll()
            try await group.waitForAll()
            return try result.get()
        }
    }

    /// A certificate for a user without special rights.
    package func certificate(user: String, groups: [String] = []) throws -> PKI.Pair {
        try PKI.clientCertificate(authority: authority, commonName: user, organizations: groups)
    }

    /// Writes the certificate's files and a kubeconfig into `folder`; the path of the kubeconfig.
    package func writeKubeConfig(name: String = "admin", certificate: PKI.Pair? = nil) throws -> String {
        let pair = certificate ?? admin
        let base = folder + "/" + name
        try authority.certificatePEM.write(toFile: base + ".ca.pem", atomically: true, encoding: .utf8)
        try pair.certificatePEM.write(toFile: base + ".pem", atomically: true, encoding: .utf8)
        try pair.keyPEM.write(toFile: base + ".key", atomically: true, encoding: .utf8)
        let text = """
            apiVersion: v1
            kind: Config
            current-context: test
            clusters: [{name: test, cluster: {server: "\(address)", certificate-authority: \(name).ca.pem}}]
            users: [{name: test, user: {client-certificate: \(name).pem, client-key: \(name).key}}]
            contexts: [{name: test, context: {cluster: test, user: test}}]
            """
        try text.write(toFile: base + ".kubeconfig", atomically: true, encoding: .utf8)
        return base + ".kubeconfig"
    }
}

extension Result where Failure == any Error {
    /// The outcome of an asynchronous body.
    package static func catching(_ body: () async throws -> Success) async -> Result {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
