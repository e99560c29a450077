internal import Foundation

/// `sslCertPemFile` and `sslKeyPemFile` name local files; their contents travel base64-encoded, as protected settings.
enum CertificateFiles {
    /// Setting → name under which its content is sent.
    private static let names: [(setting: String, sent: String)] = [
        ("sslCertPemFile", "scoringFe.sslCert"), ("sslKeyPemFile", "scoringFe.sslKey"),
    ]

    /// Both maps with the files replaced by what is in them.
    static func resolve(
        _ plain: [String: String],
        _ secret: [String: String]
    ) throws(CommandError) -> (plain: [String: String], protected: [String: String]) {
        var plain = plain
        var secret = secret
        for (setting, sent) in names {
            let inSecret = take(setting, from: &secret)
            let inPlain = take(setting, from: &plain)
            guard let value = inSecret ?? inPlain else { continue }
            // An empty value forgets the stored one.
            secret[sent] = value.isEmpty ? "" : try content(value, setting).base64EncodedString()
        }
        return (plain, secret)
    }

    private static func take(_ setting: String, from settings: inout [String: String]) -> String? {
        guard let key = settings.keys.first(where: { $0.lowercased() == setting.lowercased() }) else { return nil }
        return settings.removeValue(forKey: key)
    }

    private static func content(_ value: String, _ setting: String) throws(CommandError) -> Data {
        if value.contains("-----BEGIN ") { return Data(value.utf8) }
        guard let data = FileManager.default.contents(atPath: (value as NSString).expandingTildeInPath) else {
            throw CommandError(
                "\(setting)=\(value): the file cannot be read",
                remedy: "give the path of a PEM file",
                exitStatus: 2
            )
        }
        guard String(decoding: data, as: UTF8.self).contains("-----BEGIN ") else {
            throw CommandError(
                "\(setting)=\(value): the file holds no PEM text",
                remedy: "convert it, for example with 'openssl x509 -inform der -in FILE'",
                exitStatus: 2
            )
        }
        return data
    }
}
