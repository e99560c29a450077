import Crypto
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import SwiftASN1
import Testing
import X509

@testable import InferenceRouter

/// A self-signed certificate for `localhost`.
private func identity(_ name: String) throws -> TLSIdentity {
    let key = P256.Signing.PrivateKey()
    let subject = try DistinguishedName { CommonName(name) }
    let certificate = try Certificate(
        version: .v3,
        serialNumber: Certificate.SerialNumber(),
        publicKey: Certificate.PublicKey(key.publicKey),
        notValidBefore: Date.now.addingTimeInterval(-60),
        notValidAfter: Date.now.addingTimeInterval(3600),
        issuer: subject,
        subject: subject,
        signatureAlgorithm: .ecdsaWithSHA256,
        extensions: try Certificate.Extensions { SubjectAlternativeNames([.dnsName("localhost")]) },
        issuerPrivateKey: Certificate.PrivateKey(key)
    )
    var serializer = DER.Serializer()
    try serializer.serialize(certificate)
    let pem = PEMDocument(type: "CERTIFICATE", derBytes: serializer.serializedBytes).pemString
    return TLSIdentity(certificateChain: Array(pem.utf8), privateKey: Array(key.pemRepresentation.utf8))
}

private func trusting(_ identity: TLSIdentity) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(identity.certificateChain))
    return try NIOSSLContext(configuration: configuration)
}

@Suite(.timeLimit(.minutes(1))) struct RouterTLSTests {
    @Test("Scoring works through TLS, and a new certificate serves new connections while old ones go on")
    func reload() async throws {
        let (first, second) = (try identity("first"), try identity("second"))
        let model = try await ModelServer.start { $1.reply(200, $0.text) }
        try await RouterHarness.run(RouterHarness.table([RouterHarness.deployment(ports: [model.port])]), tls: first) {
            router in
            let before = try await RawClient.connect(router.port, tls: trusting(first))
            try await before.send(RouterHarness.request("one"))
            #expect(try await before.response().text == "one")
            #expect(throws: RouterError.self) {
                try router.router.updateTLS(
                    TLSIdentity(certificateChain: second.certificateChain, privateKey: first.privateKey)
                )
            }
            #expect(throws: RouterError.self) {
                try router.router.updateTLS(
                    TLSIdentity(certificateChain: Array("nothing".utf8), privateKey: second.privateKey)
                )
            }
            try router.router.updateTLS(second)
            try await before.send(RouterHarness.request("two"))
            #expect(try await before.response().text == "two")
            let after = try await RawClient.connect(router.port, tls: trusting(second))
            try await after.send(RouterHarness.request("three"))
            #expect(try await after.response().text == "three")
            let large = String(repeating: "x", count: 300_000)
            try await after.send(RouterHarness.request(large))
            #expect(try await after.response().text == large)
            await before.close()
            await after.close()
        }
        await model.stop()
    }

    @Test("A TLS listener without a certificate is refused at once")
    func missing() {
        #expect(throws: RouterError.self) {
            _ = try Router(configuration: RouterConfiguration(listeners: [.init(port: 0, isTLS: true)]))
        }
    }
}
