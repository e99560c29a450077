internal import Crypto
internal import Foundation
internal import KubeCore
internal import SwiftASN1
internal import X509

/// What components need and nobody but the extension can make: the gateway's token, and certificates from a CA of its own for
/// those that serve inside of the cluster.
///
/// Made once, renewed before the end.
struct ComponentSecrets {
    let api: any ResourceAPI
    let labels: [String: String]
    /// The webhook server for Volcano's kinds runs, and needs a certificate.
    var servesAdmission = false

    private static let caSecret = "outrigger-extension-ca"
    private static let caLifetime = TimeInterval(3650 * 86400)
    private static let lifetime = TimeInterval(90 * 86400)
    /// With which of the gateway's certificates another was issued: they are renewed together, so that one digest speaks for all.
    private static let companionAnnotation = "outrigger.ml/issued-with"

    /// Renewed when less than this is left.
    private static let renewal = TimeInterval(30 * 86400)

    /// What pods have to be told of.
    struct Made: Sendable, Equatable {
        /// Changes when something was renewed.
        var digest: String
        /// PEM.
        var authority: String
    }

    var references: [ObjectReference] {
        var names = [Self.caSecret, ExtensionRenderer.gatewayTLSSecret, ExtensionRenderer.gatewayTokenSecret]
        if servesAdmission { names.append(ExtensionRenderer.admissionTLSSecret) }
        return names.map {
            ObjectReference(type: .secrets, key: ObjectKey(namespace: ExtensionRenderer.namespace, name: $0))
        }
    }

    /// Makes what is missing or about to expire.
    func ensure(now: Date) async throws -> Made {
        let token = try await ensureToken()
        let authority = try await ensureAuthority(now: now)
        let certificate = try await ensureCertificate(
            ExtensionRenderer.gatewayTLSSecret,
            service: "gateway",
            companion: nil,
            authority,
            now: now
        )
        let digest = Self.digest(token, certificate)
        if servesAdmission {
            _ = try await ensureCertificate(
                ExtensionRenderer.admissionTLSSecret,
                service: "volcano-admission-service",
                companion: digest,
                authority,
                now: now
            )
        }
        return Made(digest: digest, authority: authority.text)
    }

    /// What is there, without making anything; nil when something is missing.
    func present() async throws -> Made? {
        guard let token = try await secret(ExtensionRenderer.gatewayTokenSecret).data["token"],
            let certificate = try await secret(ExtensionRenderer.gatewayTLSSecret).data["tls.crt"],
            let authority = try await secret(Self.caSecret).data["tls.crt"]
        else { return nil }
        return Made(digest: Self.digest(token, certificate), authority: authority)
    }

    private static func digest(_ token: String, _ certificate: String) -> String {
        let digest = SHA256.hash(data: Data((token + certificate).utf8))
        return digest.prefix(8).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    private func ensureToken() async throws -> String {
        if let token = try await secret(ExtensionRenderer.gatewayTokenSecret).data["token"], token.count >= 32 {
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

    private typealias Authority = (certificate: Certificate, key: Certificate.PrivateKey, text: String)

    /// The certificate's text.
    private func ensureCertificate(
        _ name: String,
        service: String,
        companion: String?,
        _ authority: Authority,
        now: Date
    ) async throws -> String {
        let (present, annotations) = try await secret(name)
        if let text = present["tls.crt"], present["tls.key"] != nil, present["ca.crt"] == authority.text,
            companion == nil || annotations[Self.companionAnnotation] == companion,
            let certificate = try? Certificate(pemEncoded: text),
            certificate.notValidAfter.timeIntervalSince(now) > Self.renewal
        {
            return text
        }
        let key = P256.Signing.PrivateKey()
        let host = "\(service).\(ExtensionRenderer.namespace)"
        let names = [host + ".svc", host + ".svc.cluster.local", host, service]
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
            name,
            type: "kubernetes.io/tls",
            ["tls.crt": text, "tls.key": key.pemRepresentation, "ca.crt": authority.text],
            annotations: companion.map { [Self.companionAnnotation: $0] } ?? [:]
        )
        return text
    }

    private func ensureAuthority(now: Date) async throws -> Authority {
        let present = try await secret(Self.caSecret).data
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

    /// Decoded data and annotations; empty when the Secret is missing.
    private func secret(_ name: String) async throws -> (data: [String: String], annotations: [String: String]) {
        let object = try await api.find(.secrets, namespace: ExtensionRenderer.namespace, name: name)
        return ((object?["data"]?.stringMap ?? [:]).compactMapValues(Base64.decode), object?.annotations ?? [:])
    }

    private func write(
        _ name: String,
        type: String,
        _ data: [String: String],
        annotations: [String: String] = [:]
    ) async throws {
        let object = KubeObject(
            .secrets,
            namespace: ExtensionRenderer.namespace,
            name: name,
            labels: labels,
            annotations: annotations,
            body: ["type": .string(type), "data": JSON(data.mapValues(Base64.encode))]
        )
        try await api.apply(.secrets, object, fieldManager: ExtensionRenderer.fieldManager)
    }
}
