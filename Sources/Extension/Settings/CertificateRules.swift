internal import Foundation
internal import SwiftASN1
internal import X509

/// Checks a certificate pair before anything is installed with it.
enum CertificateRules {
    static func problems(
        _ pair: ExtensionSettings.CertificatePair,
        host: String?,
        now: Date
    ) -> [SettingProblem] {
        let certificates: [Certificate]
        do {
            certificates = try PEMDocument.parseMultiple(pemString: pair.certificate).map {
                try Certificate(pemDocument: $0)
            }
        } catch {
            return [
                problem(
                    "sslCertPemFile",
                    "the certificate cannot be read: \(error)",
                    "Give a PEM file with the certificate chain"
                )
            ]
        }
        guard let leaf = certificates.first else {
            return [
                problem("sslCertPemFile", "the file holds no certificate", "Give a PEM file with the certificate chain")
            ]
        }
        let key: Certificate.PrivateKey
        do {
            key = try Certificate.PrivateKey(pemEncoded: pair.key)
        } catch {
            let isEncrypted = pair.key.contains("ENCRYPTED")
            return [
                problem(
                    "sslKeyPemFile",
                    isEncrypted ? "the private key has a passphrase" : "the private key cannot be read: \(error)",
                    isEncrypted
                        ? "Remove the passphrase, for example with `openssl pkey`" : "Give an RSA or EC key in PEM form"
                )
            ]
        }
        var problems: [SettingProblem] = []
        if key.publicKey != leaf.publicKey {
            let isElsewhere = certificates.dropFirst().contains { $0.publicKey == key.publicKey }
            problems.append(
                problem(
                    "sslCertPemFile, sslKeyPemFile",
                    isElsewhere
                        ? "the server's certificate is not the first of the chain"
                        : "the private key does not belong to the certificate",
                    isElsewhere
                        ? "Order the chain: server, intermediate, root"
                        : "Give the key that the certificate was made for"
                )
            )
        }
        if now > leaf.notValidAfter {
            problems.append(
                problem("sslCertPemFile", "the certificate expired on \(date(leaf.notValidAfter))", "Renew it")
            )
        }
        if now < leaf.notValidBefore {
            problems.append(
                problem(
                    "sslCertPemFile",
                    "the certificate is valid only from \(date(leaf.notValidBefore)) on",
                    "Wait, or correct the clock"
                )
            )
        }
        for (certificate, issuer) in zip(certificates, certificates.dropFirst())
        where certificate.issuer != issuer.subject {
            problems.append(
                problem(
                    "sslCertPemFile",
                    "'\(issuer.subject)' follows '\(certificate.subject)' in the chain but did not issue it",
                    "Order the chain: server, intermediate, root"
                )
            )
            break
        }
        if let host, !names(of: leaf).contains(where: { covers($0, host) }) {
            let list = names(of: leaf).joined(separator: ", ")
            problems.append(
                problem(
                    "sslCname",
                    "the certificate does not cover '\(host)'; it covers \(list.isEmpty ? "no name" : list)",
                    "Set sslCname to one of these, or use another certificate"
                )
            )
        }
        return problems
    }

    private static func problem(_ setting: String, _ message: String, _ remedy: String) -> SettingProblem {
        SettingProblem(.invalidSSLSetting, setting, message, remedy: remedy)
    }

    private static func date(_ date: Date) -> String { date.formatted(.iso8601) }

    private static func names(of certificate: Certificate) -> [String] {
        guard let alternatives = try? certificate.extensions.subjectAlternativeNames else { return [] }
        return alternatives.compactMap { name in
            if case .dnsName(let text) = name { text.lowercased() } else { nil }
        }
    }

    /// A wildcard stands for exactly one label.
    private static func covers(_ pattern: String, _ host: String) -> Bool {
        if pattern == host { return true }
        guard pattern.hasPrefix("*."), let dot = host.firstIndex(of: ".") else { return false }
        return host[dot...] == pattern.dropFirst()
    }
}
