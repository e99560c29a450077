import KubeClient
import KubeCore
import KubeServer
import TestSupport

extension TestCluster {
    func configuration(_ pair: PKI.Pair? = nil, token: String? = nil) -> KubeConfig {
        let certificate = token == nil ? pair ?? admin : pair
        return KubeConfig(
            server: address,
            certificateAuthorityPEM: authority.certificatePEM,
            clientCertificate: certificate.map { .init(certificatePEM: $0.certificatePEM, keyPEM: $0.keyPEM) },
            credentials: token.map { .token($0) } ?? .none
        )
    }

    /// Runs `body` with a client over HTTPS, and closes it.
    @discardableResult
    func withClient<T>(
        _ configuration: KubeConfig? = nil,
        _ body: (HTTPResourceAPI) async throws -> T
    ) async throws -> T {
        let client = try HTTPResourceAPI(configuration: configuration ?? self.configuration())
        do {
            let result = try await body(client)
            try await client.shutdown()
            return result
        } catch {
            try? await client.shutdown()
            throw error
        }
    }
}
