import KubeServer
import SwiftASN1
import Testing
import X509

@Suite struct PKITests {
    @Test func `A server's certificate carries its names and addresses`() throws {
        let authority = try PKI.authority(commonName: "ca", days: 10)
        let pair = try PKI.serverCertificate(
            authority: authority,
            commonName: "api",
            dnsNames: ["a.svc"],
            addresses: ["10.0.0.1", "::1"],
            days: 1000
        )
        let certificate = try Certificate(pemEncoded: pair.certificatePEM)
        let issuer = try Certificate(pemEncoded: authority.certificatePEM)
        let names = try #require(try certificate.extensions.subjectAlternativeNames)
        #expect(names.contains(.dnsName("a.svc")))
        #expect(names.contains(.ipAddress(ASN1OctetString(contentBytes: [10, 0, 0, 1]))))
        #expect(names.count == 3)
        #expect(issuer.publicKey.isValidSignature(certificate.signature, for: certificate))
        // A certificate does not outlive its authority.
        #expect(certificate.notValidAfter <= issuer.notValidAfter)
    }

    @Test func `A name that is no address is refused`() throws {
        let authority = try PKI.authority(commonName: "ca")
        #expect(throws: PKI.InputError.self) {
            try PKI.serverCertificate(authority: authority, commonName: "x", addresses: ["localhost"])
        }
    }
}
