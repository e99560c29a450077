import Crypto
import Foundation
import SwiftASN1
import X509

/// Certificates made for one test.
enum TestCertificates {
    struct Pair {
        var certificate: String
        var key: String

        /// Self-signed; `from` and `to` in days from now.
        static func make(
            names: [String] = ["score.example.com"],
            addresses: [[UInt8]] = [],
            from: Int = -1,
            to: Int = 30
        ) throws -> Pair {
            let key = P256.Signing.PrivateKey()
            let alternatives =
                names.map { GeneralName.dnsName($0) }
                + addresses.map { GeneralName.ipAddress(ASN1OctetString(contentBytes: $0[...])) }
            let certificate = try TestCertificates.sign(
                subject: "test",
                issuer: "test",
                key: key,
                issuerKey: key,
                days: (from, to),
                extensions: Certificate.Extensions {
                    if !alternatives.isEmpty { SubjectAlternativeNames(alternatives) }
                }
            )
            return Pair(certificate: certificate, key: key.pemRepresentation)
        }
    }

    /// A server's certificate with its issuers, each as PEM.
    struct Chain {
        var leaf: String
        var intermediate: String
        var root: String
        var key: String

        static func make(
            purposes: [ExtendedKeyUsage.Usage] = [.serverAuth],
            intermediateEnd: Int = 30
        ) throws -> Chain {
            let keys = (0..<3).map { _ in P256.Signing.PrivateKey() }
            let authority = try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            }
            return Chain(
                leaf: try sign(
                    subject: "leaf",
                    issuer: "intermediate",
                    key: keys[0],
                    issuerKey: keys[1],
                    extensions: Certificate.Extensions {
                        Critical(KeyUsage(digitalSignature: true))
                        try ExtendedKeyUsage(purposes)
                        SubjectAlternativeNames([.dnsName("score.example.com")])
                    }
                ) + "\n",
                intermediate: try sign(
                    subject: "intermediate",
                    issuer: "root",
                    key: keys[1],
                    issuerKey: keys[2],
                    days: (-2, intermediateEnd),
                    extensions: authority
                ) + "\n",
                root: try sign(
                    subject: "root",
                    issuer: "root",
                    key: keys[2],
                    issuerKey: keys[2],
                    extensions: authority
                ) + "\n",
                key: keys[0].pemRepresentation
            )
        }
    }

    private static func sign(
        subject: String,
        issuer: String,
        key: P256.Signing.PrivateKey,
        issuerKey: P256.Signing.PrivateKey,
        days: (Int, Int) = (-1, 30),
        extensions: Certificate.Extensions
    ) throws -> String {
        try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: .init(key.publicKey),
            notValidBefore: .now.addingTimeInterval(Double(days.0) * 86400),
            notValidAfter: .now.addingTimeInterval(Double(days.1) * 86400),
            issuer: DistinguishedName { CommonName(issuer) },
            subject: DistinguishedName { CommonName(subject) },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: extensions,
            issuerPrivateKey: .init(issuerKey)
        ).serializeAsPEM().pemString
    }
}
