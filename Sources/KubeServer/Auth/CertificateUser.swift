internal import NIOSSL
internal import SwiftASN1
internal import X509

extension RequestUser {
    /// The user that a client certificate names: `CN` is the name, each `O` a group.
    ///
    /// The handshake has verified the certificate already. nil when it has no `CN`.
    init?(certificate: NIOSSLCertificate) {
        guard let bytes = try? certificate.toDERBytes(), let parsed = try? Certificate(derEncoded: bytes) else {
            return nil
        }
        var name: String?
        var groups: [String] = []
        for relative in parsed.subject {
            for attribute in relative {
                switch attribute.type {
                case .RDNAttributeType.commonName: name = String(attribute.value)
                case .RDNAttributeType.organizationName: if let group = String(attribute.value) { groups.append(group) }
                default: break
                }
            }
        }
        guard let name, !name.isEmpty else { return nil }
        self.init(name: name, groups: groups + [Self.authenticatedGroup])
    }
}
