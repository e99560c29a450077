internal import NIOSSL
internal import Synchronization

/// The TLS context for new connections.
///
/// Connections that exist keep theirs, so a new certificate closes nothing.
final class TLSContextBox: Sendable {
    private let current: Mutex<NIOSSLContext>

    init(_ identity: TLSIdentity) throws(RouterError) {
        current = Mutex(try TLSContextBox.context(identity))
    }

    var context: NIOSSLContext { current.withLock { $0 } }

    /// Takes the identity for connections to come; on an error the old one stays.
    func replace(_ identity: TLSIdentity) throws(RouterError) {
        let context = try TLSContextBox.context(identity)
        current.withLock { $0 = context }
    }

    private static func context(_ identity: TLSIdentity) throws(RouterError) -> NIOSSLContext {
        let remedy = "give cert.pem (certificate, then intermediates) and the unencrypted key.pem that belongs to it"
        do {
            let chain = try NIOSSLCertificate.fromPEMBytes(identity.certificateChain)
            guard !chain.isEmpty else {
                throw RouterError(.badCertificate, "the certificate file holds no certificate", remedy: remedy)
            }
            let key = try NIOSSLPrivateKey(bytes: identity.privateKey, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) },
                privateKey: .privateKey(key)
            )
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            return try NIOSSLContext(configuration: configuration)
        } catch let error as RouterError {
            throw error
        } catch {
            throw RouterError(.badCertificate, "the TLS certificate and key cannot be used: \(error)", remedy: remedy)
        }
    }
}
