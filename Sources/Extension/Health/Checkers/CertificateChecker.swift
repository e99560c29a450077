internal import Foundation
internal import KubeCore

/// E40007: the certificate that the router will serve with.
enum CertificateChecker {
    static func run(_ input: HealthInput) throws -> [HealthCheck] {
        let settings = input.settings
        guard settings.enableInference, settings.hasTLS else { return [] }
        let checked = "the router's certificate and key fit each other, the host name and the time"
        if let pair = settings.certificatePair {
            return outcome(
                CertificateRules.problems(pair, host: settings.sslCname, now: input.now),
                "sslCertPemFile",
                checked: checked
            )
        }
        guard let name = settings.sslSecret else { return [] }
        guard let secret = try input.observation.secrets.get()[name] ?? nil else {
            return outcome(
                [
                    SettingProblem(
                        .invalidSSLSetting,
                        "sslSecret",
                        "Secret '\(name)' does not exist in namespace \(ExtensionRenderer.namespace)",
                        remedy: "Create it with the keys cert.pem and key.pem, or tls.crt and tls.key"
                    )
                ],
                "sslSecret",
                checked: checked
            )
        }
        return outcome(problems(secret, settings, now: input.now), "sslSecret", checked: checked)
    }

    private static func problems(
        _ secret: KubeObject,
        _ settings: ExtensionSettings,
        now: Date
    ) -> [SettingProblem] {
        let data = secret["data"]?.stringMap ?? [:]
        for (certificate, key) in [("cert.pem", "key.pem"), ("tls.crt", "tls.key")] {
            guard let first = data[certificate].flatMap(Base64.decode), let second = data[key].flatMap(Base64.decode)
            else { continue }
            return CertificateRules.problems(
                .init(certificate: first, key: second),
                host: settings.sslCname,
                now: now
            ).map { found in
                SettingProblem(
                    found.code,
                    found.setting == "sslCname" ? "sslCname" : "sslSecret",
                    "Secret '\(secret.name)': \(found.message)",
                    remedy: found.remedy
                )
            }
        }
        return [
            SettingProblem(
                .invalidSSLSetting,
                "sslSecret",
                "Secret '\(secret.name)' has the keys \(data.keys.sorted().joined(separator: ", ")), not those of a certificate",
                remedy: "Give it the keys cert.pem and key.pem, or tls.crt and tls.key"
            )
        ]
    }

    private static func outcome(_ problems: [SettingProblem], _ name: String, checked: String) -> [HealthCheck] {
        guard problems.isEmpty else {
            return problems.map { problem in
                .failed(
                    problem.setting,
                    .invalidSSLSetting,
                    checked: checked,
                    found: problem.message,
                    fix: problem.remedy
                )
            }
        }
        return [.passed(name, checked: checked, found: "they do")]
    }
}
