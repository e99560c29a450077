internal import Crypto
internal import Foundation
internal import KubeCore
internal import SwiftASN1
internal import X509

/// The gateway's token, and its certificate from a CA of the extension's own.
///
/// Made once, renewed before the end.
struct GatewaySecrets {
    let api: any ResourceAPI
    let labels: [String: String]

    private static let caSecret = "outrigger-extension-ca"
    private static let caLifetime = TimeInterval(3650 * 86400)
    private static let lifetime = TimeInterval(90 * 86400)

    /// Renewed when less than this is left.
    private static let renewal = TimeInterval(30 * 86400)

    static var references: [ObjectReference] {
        [caSecret, ExtensionRenderer.gatewayTLSSecret, ExtensionRenderer.gatewayTokenSecret].map {
            ObjectReference(type: .secrets, key: ObjectKey(namespace: ExtensionRenderer.namespace, name: $0))
        }
    }

    /// Makes what is missing or about to expire; returns a digest that changes when something did.
    func ensure(now: Date) async throws -> String {
        let token = try await ensureToken()
        let certificate = try await ensureCertificate(now: now)
        let digest = SHA256.hash(data: Data((token + certificate).utf8))
        return digest.prefix(8).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    private func ensureToken() async throws -> String {
        if let token = try await secret(ExtensionRenderer.gatewayTokenSecret)["token"], token.count >= 32 {
            return token
        }
        let bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }
        let token = bytes.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing(
            "=",
            with: ""
        )
        try await write(ExtensionRenderer.gatewayTokenSecret, type: "Opaque", ["token": token])
        return token
    }

    private func ensureCertificate(now: Date) async throws -> String {
        let authority = try await ensureAuthority(now: now)
        let present = try await secret(ExtensionRenderer.gatewayTLSSecret)
        if let text = present["tls.crt"], present["tls.key"] != nil, present["ca.crt"] == authority.text,
            let certificate = try? Certificate(pemEncoded: text),
            certificate.notValidAfter.timeIntervalSince(now) > Self.renewal
        {
            return text
        }
        let key = P256.Signing.PrivateKey()
        let service = "gateway.\(ExtensionRenderer.namespace)"
        let names = [service + ".svc", service + ".svc.cluster.local", service, "gateway"]
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: .init(key.publicKey),
            notValidBefore: now.addingTimeInterval(-300),
            notValidAfter: now.addingTimeInterval(Self.lifetime),
            issuer: authority.certificate.subject,
            subject: try DistinguishedName { CommonName(names[0]) },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth])
                SubjectAlternativeNames(names.map { .dnsName($0) })
            },
            issuerPrivateKey: authority.key
        )
        let text = try certificate.serializeAsPEM().pemString
        try await write(
            ExtensionRenderer.gatewayTLSSecret,
            type: "kubernetes.io/tls",
            ["tls.crt": text, "tls.key": key.pemRepresentation, "ca.crt": authority.text]
        )
        return text
    }

    private func ensureAuthority(
        now: Date
    ) async throws -> (certificate: Certificate, key: Certificate.PrivateKey, text: String) {
        let present = try await secret(Self.caSecret)
        if let text = present["tls.crt"], let keyText = present["tls.key"],
            let certificate = try? Certificate(pemEncoded: text),
            let key = try? Certificate.PrivateKey(pemEncoded: keyText), key.publicKey == certificate.publicKey,
            certificate.notValidAfter.timeIntervalSince(now) > Self.lifetime
        {
            return (certificate, key, text)
        }
        let key = P256.Signing.PrivateKey()
        let name = try DistinguishedName { CommonName("outrigger-extension-ca") }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: .init(key.publicKey),
            notValidBefore: now.addingTimeInterval(-300),
            notValidAfter: now.addingTimeInterval(Self.caLifetime),
            issuer: name,
            subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
            },
            issuerPrivateKey: .init(key)
        )
        let text = try certificate.serializeAsPEM().pemString
        try await write(Self.caSecret, type: "kubernetes.io/tls", ["tls.crt": text, "tls.key": key.pemRepresentation])
        return (certificate, .init(key), text)
    }

    /// Decoded data; empty when the Secret is missing.
    private func secret(_ name: String) async throws -> [String: String] {
        let object = try await api.find(.secrets, namespace: ExtensionRenderer.namespace, name: name)
        return (object?["data"]?.stringMap ?? [:]).compactMapValues(Base64.decode)
    }

    private func write(_ name: String, type: String, _ data: [String: String]) async throws {
        let object = KubeObject(
            .secrets,
            namespace: ExtensionRenderer.namespace,
            name: name,
            labels: labels,
            body: ["type": .string(type), "data": JSON(data.mapValues(Base64.encode))]
        )
        try await api.apply(.secrets, object, fieldManager: ExtensionRenderer.fieldManager)
    }
}
