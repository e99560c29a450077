internal import Foundation
internal import SwiftASN1
internal import X509

/// Checks a certificate pair before anything is installed with it.
///
/// Pure but for the time that is passed in. All that is wrong is told at once.
enum CertificateRules {
    static func problems(
        _ pair: ExtensionSettings.CertificatePair,
        host: String?,
        now: Date
    ) -> [SettingProblem] {
        let chain: [Certificate]
        switch certificates(pair.certificate) {
        case .failure(let problem): return [problem]
        case .success(let list): chain = list
        }
        let key: Certificate.PrivateKey
        switch privateKey(pair.key) {
        case .failure(let problem): return [problem]
        case .success(let found): key = found
        }
        guard let leaf = chain.first else { return [] }
        return ownerProblems(leaf, chain, key) + dateProblems(chain, now: now) + chainProblems(chain)
            + usageProblems(leaf) + hostProblems(leaf, host)
    }

    // MARK: Reading

    private enum Reading<Value> {
        case success(Value)
        case failure(SettingProblem)
    }

    private static func certificates(_ text: String) -> Reading<[Certificate]> {
        let remedy = "Give a PEM file with the certificate chain"
        do {
            let documents = try PEMDocument.parseMultiple(pemString: text)
            let chain = try documents.filter { $0.discriminator == "CERTIFICATE" }.map {
                try Certificate(pemDocument: $0)
            }
            if !chain.isEmpty { return .success(chain) }
            let kinds = documents.map(\.discriminator).joined(separator: ", ")
            return .failure(
                problem(
                    "sslCertPemFile",
                    "the file holds no certificate\(kinds.isEmpty ? "" : " but \(kinds)")",
                    kinds.contains("PRIVATE KEY") ? "Give the certificate here and the key as sslKeyPemFile" : remedy
                )
            )
        } catch {
            return .failure(problem("sslCertPemFile", "the certificate cannot be read: \(error)", remedy))
        }
    }

    private static func privateKey(_ text: String) -> Reading<Certificate.PrivateKey> {
        if text.contains("ENCRYPTED") {
            return .failure(
                problem(
                    "sslKeyPemFile",
                    "the private key has a passphrase",
                    "Remove the passphrase, for example with `openssl pkey`"
                )
            )
        }
        let remedy = "Give an RSA or EC key in PEM form"
        do {
            // OpenSSL writes the curve's parameters before an EC key.
            let documents = try PEMDocument.parseMultiple(pemString: text)
            let keys = documents.filter { $0.discriminator.hasSuffix("PRIVATE KEY") }
            guard let first = keys.first else {
                let kinds = documents.map(\.discriminator).joined(separator: ", ")
                return .failure(
                    problem(
                        "sslKeyPemFile",
                        "the file holds no private key\(kinds.isEmpty ? "" : " but \(kinds)")",
                        remedy
                    )
                )
            }
            return .success(try Certificate.PrivateKey(pemDocument: first))
        } catch {
            return .failure(problem("sslKeyPemFile", "the private key cannot be read: \(error)", remedy))
        }
    }

    // MARK: Rules

    private static func ownerProblems(
        _ leaf: Certificate,
        _ chain: [Certificate],
        _ key: Certificate.PrivateKey
    ) -> [SettingProblem] {
        guard key.publicKey != leaf.publicKey else { return [] }
        let isElsewhere = chain.dropFirst().contains { $0.publicKey == key.publicKey }
        return [
            problem(
                "sslCertPemFile, sslKeyPemFile",
                isElsewhere
                    ? "the server's certificate is not the first of the chain"
                    : "the private key does not belong to the certificate '\(leaf.subject)'",
                isElsewhere
                    ? "Order the chain: server, intermediate, root"
                    : "Give the key that the certificate was made for"
            )
        ]
    }

    private static func dateProblems(_ chain: [Certificate], now: Date) -> [SettingProblem] {
        chain.enumerated().compactMap { index, certificate in
            let which = index == 0 ? "the certificate" : "the chain's certificate '\(certificate.subject)'"
            if now > certificate.notValidAfter {
                return problem("sslCertPemFile", "\(which) expired on \(date(certificate.notValidAfter))", "Renew it")
            }
            if now < certificate.notValidBefore {
                return problem(
                    "sslCertPemFile",
                    "\(which) is valid only from \(date(certificate.notValidBefore)) on",
                    "Wait, or correct the clock"
                )
            }
            return nil
        }
    }

    /// Each certificate must have been issued by the next.
    private static func chainProblems(_ chain: [Certificate]) -> [SettingProblem] {
        let remedy = "Order the chain: server, intermediate, root"
        if Set(chain).count < chain.count {
            return [problem("sslCertPemFile", "the chain holds a certificate twice", "Remove the copy. " + remedy)]
        }
        for (certificate, issuer) in zip(chain, chain.dropFirst()) {
            if certificate.issuer != issuer.subject {
                return [
                    problem(
                        "sslCertPemFile",
                        "'\(issuer.subject)' follows '\(certificate.subject)' in the chain but did not issue it",
                        remedy
                    )
                ]
            }
            if !issuer.publicKey.isValidSignature(certificate.signature, for: certificate) {
                return [
                    problem(
                        "sslCertPemFile",
                        "'\(certificate.subject)' was not signed with the key of '\(issuer.subject)', which follows it in the chain",
                        "Use the intermediate certificate that came with the server's"
                    )
                ]
            }
        }
        return []
    }

    /// A certificate that says what it is for must be for a server.
    private static func usageProblems(_ leaf: Certificate) -> [SettingProblem] {
        var problems: [SettingProblem] = []
        if let purposes = try? leaf.extensions.extendedKeyUsage, !purposes.contains(.serverAuth),
            !purposes.contains(.any)
        {
            problems.append(
                problem(
                    "sslCertPemFile",
                    "the certificate is not for servers: its extended key usage lacks serverAuth",
                    "Use a certificate made for TLS servers"
                )
            )
        }
        if let usage = try? leaf.extensions.keyUsage,
            !usage.digitalSignature, !usage.keyEncipherment, !usage.keyAgreement
        {
            problems.append(
                problem(
                    "sslCertPemFile",
                    "the certificate is not for TLS: its key usage has neither digitalSignature nor keyEncipherment",
                    "Use a certificate made for TLS servers"
                )
            )
        }
        return problems
    }

    private static func hostProblems(_ leaf: Certificate, _ host: String?) -> [SettingProblem] {
        guard let host else { return [] }
        let names = names(of: leaf)
        guard !names.contains(where: { covers($0, host) }) else { return [] }
        guard !names.isEmpty else {
            return [
                problem(
                    "sslCname",
                    "the certificate does not cover '\(host)': it has no subject alternative name, and clients ignore the common name",
                    "Use a certificate with subject alternative name \(host)"
                )
            ]
        }
        return [
            problem(
                "sslCname",
                "the certificate does not cover '\(host)'; it covers \(names.joined(separator: ", "))",
                "Set sslCname to one of these, or use another certificate"
            )
        ]
    }

    // MARK: Names

    private static func problem(_ setting: String, _ message: String, _ remedy: String) -> SettingProblem {
        SettingProblem(.invalidSSLSetting, setting, message, remedy: remedy)
    }

    private static func date(_ date: Date) -> String { date.formatted(.iso8601) }

    private static func names(of certificate: Certificate) -> [String] {
        guard let alternatives = try? certificate.extensions.subjectAlternativeNames else { return [] }
        return alternatives.compactMap { name in
            switch name {
            case .dnsName(let text): text.lowercased()
            case .ipAddress(let octets): IPAddress(octets: Array(octets.bytes))?.description
            default: nil
            }
        }
    }

    /// A wildcard stands for exactly one label, and never for part of an address.
    private static func covers(_ pattern: String, _ host: String) -> Bool {
        if let address = IPAddress(host) { return IPAddress(pattern) == address }
        if pattern == host { return true }
        guard pattern.hasPrefix("*."), let dot = host.firstIndex(of: ".") else { return false }
        return host[dot...] == pattern.dropFirst()
    }
}
