internal import Crypto
internal import Foundation
internal import NIOCore
internal import SwiftASN1
internal import X509

/// Makes the keys and certificates of an instance: EC P-256, everything as PEM text.
package enum PKI {
    /// A certificate and its private key (PKCS #8), both PEM.
    package struct Pair: Sendable, Hashable {
        package var certificatePEM: String
        package var keyPEM: String

        package init(certificatePEM: String, keyPEM: String) {
            self.certificatePEM = certificatePEM
            self.keyPEM = keyPEM
        }
    }

    /// Input that is no key, certificate or address.
    package struct InputError: Error, Sendable, CustomStringConvertible {
        package var message: String
        package var description: String { message }
    }

    /// A self-signed certificate authority.
    package static func authority(commonName: String, days: Int = 3650) throws -> Pair {
        let key = P256.Signing.PrivateKey()
        let subject = try DistinguishedName { CommonName(commonName) }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PublicKey(key.publicKey),
            notValidBefore: notBefore,
            notValidAfter: Date() + Double(days) * 86_400,
            issuer: subject,
            subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(digitalSignature: true, keyCertSign: true, cRLSign: true))
                identifier(key.publicKey)
            },
            issuerPrivateKey: Certificate.PrivateKey(key)
        )
        return Pair(certificatePEM: try certificate.serializeAsPEM().pemString + "\n", keyPEM: keyText(key))
    }

    /// A certificate for a TLS server that is reached by these names and IP addresses.
    package static func serverCertificate(
        authority: Pair,
        commonName: String,
        dnsNames: [String] = [],
        addresses: [String] = [],
        days: Int = 3650
    ) throws -> Pair {
        var names = dnsNames.map(GeneralName.dnsName)
        for address in addresses { names.append(.ipAddress(ASN1OctetString(contentBytes: try bytes(of: address)))) }
        let subject = try DistinguishedName { CommonName(commonName) }
        return try issue(authority: authority, subject: subject, usages: [.serverAuth], names: names, days: days)
    }

    /// A certificate that says who a client is: the user in `CN`, the groups in `O`.
    package static func clientCertificate(
        authority: Pair,
        commonName: String,
        organizations: [String] = [],
        days: Int = 3650
    ) throws -> Pair {
        let subject = try DistinguishedName {
            for organization in organizations { OrganizationName(organization) }
            CommonName(commonName)
        }
        return try issue(authority: authority, subject: subject, usages: [.clientAuth], names: [], days: days)
    }

    /// A private key for signing service-account tokens.
    package static func signingKeyPEM() -> String { keyText(P256.Signing.PrivateKey()) }

    private static func issue(
        authority: Pair,
        subject: DistinguishedName,
        usages: [ExtendedKeyUsage.Usage],
        names: [GeneralName],
        days: Int
    ) throws -> Pair {
        let issuer = try Certificate(pemEncoded: authority.certificatePEM)
        let issuerKey = try P256.Signing.PrivateKey(pemRepresentation: authority.keyPEM)
        let key = P256.Signing.PrivateKey()
        let wanted = Date() + Double(days) * 86_400
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PublicKey(key.publicKey),
            notValidBefore: notBefore,
            notValidAfter: min(wanted, issuer.notValidAfter),
            issuer: issuer.subject,
            subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage(usages)
                identifier(key.publicKey)
                AuthorityKeyIdentifier(keyIdentifier: ArraySlice(digest(issuerKey.publicKey)))
                if !names.isEmpty { SubjectAlternativeNames(names) }
            },
            issuerPrivateKey: Certificate.PrivateKey(issuerKey)
        )
        return Pair(certificatePEM: try certificate.serializeAsPEM().pemString + "\n", keyPEM: keyText(key))
    }

    /// A little in the past, for machines whose clocks differ.
    private static var notBefore: Date { Date() - 300 }

    private static func keyText(_ key: P256.Signing.PrivateKey) -> String { key.pemRepresentation + "\n" }

    private static func digest(_ key: P256.Signing.PublicKey) -> [UInt8] {
        Array(Insecure.SHA1.hash(data: key.x963Representation))
    }

    private static func identifier(_ key: P256.Signing.PublicKey) -> SubjectKeyIdentifier {
        SubjectKeyIdentifier(keyIdentifier: ArraySlice(digest(key)))
    }

    private static func bytes(of address: String) throws -> ArraySlice<UInt8> {
        guard let parsed = try? SocketAddress(ipAddress: address, port: 0) else {
            throw InputError(message: "\"\(address)\" is not an IP address")
        }
        switch parsed {
        case .v4(let v4): return withUnsafeBytes(of: v4.address.sin_addr) { ArraySlice($0) }
        case .v6(let v6): return withUnsafeBytes(of: v6.address.sin6_addr) { ArraySlice($0) }
        case .unixDomainSocket: throw InputError(message: "\"\(address)\" is not an IP address")
        }
    }
}
